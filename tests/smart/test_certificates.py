"""Clients that prove themselves by the certificate of their connection. https://www.rfc-editor.org/rfc/rfc8705"""

import base64
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from fhir_server.foundation.operation_outcome import Unprocessable
from fhir_server.smart.authorization import Authorization
from fhir_server.smart.bearer import Bearer, NoBearer
from fhir_server.smart.clients import Client, dynamic
from fhir_server.smart.clients.certificate import PRESENTED
from fhir_server.smart.clients.client import check
from fhir_server.smart.refusal import OAuthRefusal
from fhir_server.smart.token import token

pytestmark = [pytest.mark.anyio, pytest.mark.spec("https://www.rfc-editor.org/rfc/rfc8705#section-2")]
SUBJECT = "CN=logiciel,O=Hopital,C=FR"
FORM = [("grant_type", "client_credentials"), ("scope", "system/*.rs"), ("client_id", "hospital")]


def certificate(clock: Any, subject: str = SUBJECT, days: int = 1) -> bytes:
    key, now, name = ec.generate_private_key(ec.SECP256R1()), clock(), x509.Name.from_rfc4514_string(subject)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(days=2)).not_valid_after(now - timedelta(days=1 - days))
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


@pytest.fixture(autouse=True)
def connection() -> Iterator[None]:
    """A connection without a certificate."""
    before = PRESENTED.set(b"")
    yield
    PRESENTED.reset(before)


def client(**more: Any) -> Client:
    kind: dict[str, Any] = {"kind": "confidential-tls", "grant_types": ("client_credentials",)}
    return Client("hospital", "Hôpital", scopes=("system/*.rs",), **{**kind, **more})


async def error_of(authorization: Authorization) -> str:
    with pytest.raises(OAuthRefusal) as caught:
        await token(authorization, FORM)
    return caught.value.error


async def test_the_subject_and_the_dates_count(authorization: Authorization, clock: Any) -> None:
    await authorization.clients.register(client(tls_subject_dn="CN=logiciel, O=Hopital, C=FR".replace(", ", ",")))
    assert await error_of(authorization) == "invalid_client"
    for wrong in (b"no certificate", certificate(clock, "CN=autre,C=FR"), certificate(clock, days=0)):
        PRESENTED.set(wrong)
        assert await error_of(authorization) == "invalid_client"
    PRESENTED.set(certificate(clock, days=2))
    answer = await token(authorization, FORM)
    bearer = Bearer(authorization)
    await bearer.grant(f"Bearer {answer['access_token']}")
    PRESENTED.set(certificate(clock, days=2))
    with pytest.raises(NoBearer):
        await bearer.grant(f"Bearer {answer['access_token']}")


@pytest.mark.spec("https://www.rfc-editor.org/rfc/rfc8705#section-2.2 (self-signed certificates)")
async def test_a_self_signed_certificate_is_registered_itself(authorization: Authorization, clock: Any) -> None:
    own = certificate(clock, days=2)
    key = {"kty": "EC", "kid": "c", "x5c": [base64.b64encode(own).decode()]}
    await authorization.clients.register(client(jwks={"keys": [key]}))
    for wrong in (b"", certificate(clock, days=2)):
        PRESENTED.set(wrong)
        assert await error_of(authorization) == "invalid_client"
    PRESENTED.set(own)
    assert (await token(authorization, FORM))["token_type"] == "Bearer"


@pytest.mark.spec("https://www.rfc-editor.org/rfc/rfc8705#section-3 (certificate-bound access tokens)")
async def test_a_client_with_a_key_may_bind_its_tokens_too(
    authorization: Authorization, lab_client: Client, sign: Any, clock: Any
) -> None:
    await authorization.clients.register(msgspec.structs.replace(lab_client, is_certificate_bound=True))

    def form() -> list[tuple[str, str]]:
        kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
        proof = [("client_assertion_type", kind), ("client_assertion", sign())]
        return [*FORM[:2], *proof]

    with pytest.raises(OAuthRefusal, match="connect with it"):
        await token(authorization, form())
    PRESENTED.set(certificate(clock))
    answer = await token(authorization, form())
    await Bearer(authorization).grant(f"Bearer {answer['access_token']}")
    PRESENTED.set(b"")
    with pytest.raises(NoBearer):
        await Bearer(authorization).grant(f"Bearer {answer['access_token']}")


@pytest.mark.parametrize(
    "wrong",
    [client(), client(tls_subject_dn="no subject"), client(kind="public", tls_subject_dn=SUBJECT, grant_types=())],
)
async def test_a_registration_says_whose_certificate(wrong: Client) -> None:
    with pytest.raises(Unprocessable):
        check(wrong)


async def test_a_client_registers_its_certificate_itself(authorization: Authorization) -> None:
    asked = (
        b'{"client_name": "H", "grant_types": ["client_credentials"], "scope": "system/*.rs", '
        b'"token_endpoint_auth_method": "tls_client_auth"'
    )
    now = authorization.now()
    with pytest.raises(OAuthRefusal, match="tls_client_auth_subject_dn"):
        await dynamic.register(authorization.clients, asked + b"}", True, now)
    subject = b', "tls_client_auth_subject_dn": "CN=logiciel,O=Hopital,C=FR"}'
    made = await dynamic.register(authorization.clients, asked + subject, True, now)
    assert made["token_endpoint_auth_method"] == "tls_client_auth"
    assert made["tls_client_auth_subject_dn"] == SUBJECT
