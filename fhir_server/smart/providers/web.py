"""Calls to an identity provider: small JSON answers over https (http on this machine), no redirect followed.

Spec: https://openid.net/specs/openid-connect-core-1_0.html#TLSRequirements
"""

import asyncio
import http.client
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit

from fhir_server.smart.clients.redirects import is_safe_web_address

_LIMIT_BYTES = 262_144
_TIMEOUT_SECONDS = 10


class ProviderFailed(Exception):
    """The identity provider did not answer, or not as it should."""


async def call(uri: str, headers: Mapping[str, str], form: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return the JSON object at an address, asked with GET, or POST when there is a form; raises ProviderFailed."""
    try:
        return await asyncio.to_thread(_call, uri, headers, form)
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise ProviderFailed(f"{urlsplit(uri).netloc} did not answer as a provider does") from error


def _call(uri: str, headers: Mapping[str, str], form: Mapping[str, str] | None) -> dict[str, Any]:
    if not is_safe_web_address(uri):
        raise ValueError("not a safe web address")
    parts = urlsplit(uri)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.netloc, timeout=_TIMEOUT_SECONDS)
    sent = {"Accept": "application/json", "Accept-Encoding": "identity", **headers}
    try:
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        if form is None:
            connection.request("GET", target, headers=sent)
        else:
            sent["Content-Type"] = "application/x-www-form-urlencoded"
            connection.request("POST", target, urlencode(form), sent)
        with connection.getresponse() as response:
            content = response.read(_LIMIT_BYTES + 1)
            if response.status != 200 or len(content) > _LIMIT_BYTES:
                raise ValueError("no answer")
    finally:
        connection.close()
    answer = json.loads(content)
    if not isinstance(answer, dict):
        raise ValueError("not an object")
    return answer
