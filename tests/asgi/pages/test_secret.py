"""The secret connection: a professional asks for it, sees it, and his token says it."""

from typing import Any

import pytest

from fhir_server.smart.authorization import Authorization
from fhir_server.smart.bearer import Bearer
from tests.asgi.pages.flow import exchange, fields, query_of, refresh

pytestmark = [pytest.mark.anyio, pytest.mark.spec("CSP R.1111-33, R.1111-50; EX_0.1-1100 (DMP)")]
SCOPE = "user/*.rs offline_access"


@pytest.mark.parametrize(("asked", "is_secret"), [({"secret_connection": "true"}, True), ({}, False)])
async def test_the_grant_says_whether_the_connection_is_secret(
    browser: Any, authorization: Authorization, asked: dict[str, str], is_secret: bool
) -> None:
    await browser.sign_in("doc", "another password")
    page = await browser.get("/oauth/authorize", params=fields(SCOPE, **asked))
    assert ("Connexion secrète" in page.text) is is_secret
    token = await exchange(browser, await browser.submit(page, "/oauth/consent", decision="allow"))
    for answer in (token, (await refresh(browser, token["refresh_token"])).json()):
        assert answer.get("secret_connection", False) is is_secret
        assert (await Bearer(authorization).grant(f"Bearer {answer['access_token']}")).is_secret is is_secret


async def test_nobody_else_connects_in_secret(browser: Any) -> None:
    await browser.sign_in()
    refused = await browser.get("/oauth/authorize", params=fields("patient/*.rs", secret_connection="true"))
    assert query_of(refused)["error"] == "access_denied"
    wrong = await browser.get("/oauth/authorize", params=fields(SCOPE, secret_connection="oui"))
    assert query_of(wrong)["error"] == "invalid_request"
