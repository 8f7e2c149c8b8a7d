"""People who sign in through the pages, with an OAuth client that others wrote."""

from typing import Any

import httpx
import pytest
from requests_oauthlib import OAuth2Session

from tests.end_to_end.browser import Browser
from tests.end_to_end.conftest import Demo


def person_token(
    demo: Demo, login: str, scope: str, monkeypatch: pytest.MonkeyPatch, picks: str = ""
) -> dict[str, Any]:
    """Authorization code with PKCE: requests-oauthlib asks, a person signs in, picks a patient, and agrees."""
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")
    monkeypatch.setenv("OAUTHLIB_RELAX_TOKEN_SCOPE", "1")
    configuration = httpx.get(f"{demo.base}/.well-known/smart-configuration").json()
    redirect_uri = demo.guide["app_redirect_uri"]
    with OAuth2Session(demo.guide["app"], redirect_uri=redirect_uri, scope=scope.split(), pkce="S256") as session:
        url, _ = session.authorization_url(configuration["authorization_endpoint"], aud=demo.base)
        with Browser() as browser:
            browser.open(url)
            browser.submit(login=login, password=demo.password(login))
            if picks:
                browser.submit(action="/oauth/authorize", find=picks)
                browser.submit(action="/oauth/pick", button=browser.button(picks))
            assert "Carnet" in browser.text
            browser.submit(stop_at=redirect_uri, button=("decision", "allow"))
            returned = browser.location
        token: dict[str, Any] = session.fetch_token(
            configuration["token_endpoint"], authorization_response=returned, include_client_id=True
        )
    return token
