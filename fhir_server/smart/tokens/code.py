"""The authorization code: good once, for a minute, for one client, one redirect URI and one code verifier.

Spec: https://www.rfc-editor.org/rfc/rfc6749#section-4.1.2, https://www.rfc-editor.org/rfc/rfc7636#section-4.6
"""

import base64
import hashlib
import hmac
import re
from datetime import datetime, timedelta

import msgspec

from fhir_server.smart.launch.context import NO_CONTEXT, LaunchContext
from fhir_server.storage.store import Transaction

_KIND = "code"
_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}", re.ASCII)
_REMEMBERED_FOR = timedelta(hours=1)


class Code(msgspec.Struct, frozen=True, omit_defaults=True):
    """Hold what a code stands for; `family_id` is set once it was used, so that a second use ends that family."""

    client_id: str
    redirect_uri: str
    code_challenge: str
    user_id: str
    scopes: tuple[str, ...]
    signed_in_at: datetime
    expires_at: datetime
    patient_id: str = ""
    nonce: str = ""
    family_id: str = ""
    session_key: str = ""
    context: LaunchContext = NO_CONTEXT

    def is_shown_rightly(self, client_id: str, redirect_uri: str, code_verifier: str) -> bool:
        """Say whether it comes from the client that asked, to the same address, with the verifier of its challenge."""
        digest = hashlib.sha256(code_verifier.encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=")
        return (
            self.client_id == client_id
            and self.redirect_uri == redirect_uri
            and _VERIFIER.fullmatch(code_verifier) is not None
            and hmac.compare_digest(challenge, self.code_challenge.encode())
        )


async def put_code(transaction: Transaction, text: str, code: Code) -> None:
    """Store a code under its hash; it is remembered for an hour, to notice a second use."""
    await transaction.put_record(_KIND, _key(text), msgspec.json.encode(code), code.expires_at + _REMEMBERED_FOR)


async def find_code(transaction: Transaction, text: str) -> Code | None:
    """Return what a code stands for (used or expired ones too), or None."""
    content = await transaction.record(_KIND, _key(text))
    return None if content is None else msgspec.json.decode(content, type=Code)


def _key(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
