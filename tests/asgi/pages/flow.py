"""An app's side of the authorization code flow, over the pages."""

import base64
import hashlib
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx

VERIFIER = "a-verifier-that-is-long-enough-for-the-rule-of-43"
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
BACK = "https://app.example/back"


def fields(scope: str, **changes: str) -> dict[str, str]:
    """The parameters of a valid authorization request."""
    return {
        "response_type": "code",
        "client_id": "app",
        "redirect_uri": BACK,
        "scope": scope,
        "state": "s",
        "aud": "https://record.example/fhir",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
        **changes,
    }


def query_of(response: httpx.Response) -> dict[str, str]:
    """What a redirect tells the app."""
    assert response.status_code == 303, response.text
    return {name: values[0] for name, values in parse_qs(urlsplit(response.headers["location"]).query).items()}


async def exchange(browser: Any, response: httpx.Response, client_id: str = "app") -> dict[str, Any]:
    """The token response for the code of a redirect."""
    form = {
        "grant_type": "authorization_code",
        "code": query_of(response)["code"],
        "redirect_uri": BACK,
        "client_id": client_id,
        "code_verifier": VERIFIER,
    }
    answer = await browser.post("/oauth/token", data=form)
    assert answer.status_code == 200, answer.text
    content: dict[str, Any] = answer.json()
    return content


async def refresh(browser: Any, refresh_token: str, client_id: str = "app", **more: str) -> httpx.Response:
    """The answer to a refresh."""
    form = {"grant_type": "refresh_token", "refresh_token": refresh_token, "client_id": client_id, **more}
    answer: httpx.Response = await browser.post("/oauth/token", data=form)
    return answer
