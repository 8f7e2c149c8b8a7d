"""An operator approves the apps that registered themselves, and reads no record."""

from typing import Any

import pytest

from fhir_server.smart.authorization import Authorization
from fhir_server.smart.configuration import APPROVALS_PATH
from fhir_server.smart.users import User
from tests.asgi.pages.flow import exchange, fields, query_of

pytestmark = [pytest.mark.anyio, pytest.mark.spec("https://www.rfc-editor.org/rfc/rfc7591#section-5")]
APP = {
    "client_name": "Une <application>",
    "redirect_uris": ["https://new.example/back"],
    "token_endpoint_auth_method": "none",
}


@pytest.fixture
async def operator(browser: Any, authorization: Authorization) -> str:
    """An app waits, and an operator is signed in; the app's client_id."""
    await authorization.users.add(User("op", "op", "operator", "Person/op", "Alix Morel"), "a password of his")
    registered = await browser.post("/oauth/register", json=APP)
    await browser.sign_in("op", "a password of his")
    return str(registered.json()["client_id"])


@pytest.mark.parametrize(("decision", "is_known"), [("approve", True), ("refuse", False)])
async def test_an_operator_decides(
    browser: Any, authorization: Authorization, operator: str, decision: str, is_known: bool
) -> None:
    assert APPROVALS_PATH in (await browser.get("/account")).text
    page = await browser.get(APPROVALS_PATH)
    assert "Une &lt;application&gt;" in page.text
    assert "new.example" in page.text
    done = await browser.submit(page, APPROVALS_PATH, decision=f"{decision} {operator}")
    assert "La décision est enregistrée" in (await browser.get(done.headers["location"])).text
    assert (await authorization.clients.get(operator) is not None) is is_known
    again = await browser.submit(page, APPROVALS_PATH, decision=f"{decision} {operator}")
    assert again.status_code == 404


async def test_nobody_else_does(browser: Any, authorization: Authorization, operator: str) -> None:
    page = await browser.get(APPROVALS_PATH)
    assert (
        await browser.submit(page, APPROVALS_PATH, decision=f"approve {operator}", form_token="x")
    ).status_code == 403
    await browser.sign_in()
    assert (await browser.get(APPROVALS_PATH)).status_code == 403
    assert (await browser.submit(page, APPROVALS_PATH, decision=f"approve {operator}")).status_code == 403
    assert await authorization.clients.get(operator) is None
    browser.cookies.clear()
    assert "sign-in?next=%2Faccount%2Fapprovals" in (await browser.get(APPROVALS_PATH)).headers["location"]


@pytest.mark.usefixtures("operator")
async def test_an_operator_says_who_he_is_and_reads_nothing(browser: Any) -> None:
    page = await browser.get("/oauth/authorize", params=fields("openid fhirUser user/*.rs patient/*.rs"))
    token = await exchange(browser, await browser.submit(page, "/oauth/consent", decision="allow"))
    assert token["scope"] == "openid fhirUser"
    refused = await browser.get("/oauth/authorize", params=fields("user/*.rs"))
    assert query_of(refused)["error"] == "invalid_scope"
