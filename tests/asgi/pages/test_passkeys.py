"""Passkeys without a browser: what does not hold, where they are offered, whose they are."""

import html
import json
import re
from typing import Any

import pytest

from fhir_server.smart.authorization import Authorization
from fhir_server.smart.configuration import PASSKEYS_PATH
from fhir_server.smart.second_factor.passkeys import Passkeys

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.spec("https://www.w3.org/TR/webauthn-3/#sctn-registering-a-new-credential"),
]
FORGED = json.dumps({"id": "AAAA", "rawId": "AAAA", "type": "public-key", "response": {"clientDataJSON": "e30"}})


def options(text: str) -> Any:
    (found,) = re.findall(r'data-options="([^"]*)"', text)
    return json.loads(html.unescape(found))


async def test_what_a_browser_is_asked_for(browser: Any) -> None:
    await browser.sign_in()
    page = await browser.get(PASSKEYS_PATH)
    asked = options(page.text)
    assert (asked["rp"]["id"], asked["user"]["name"]) == ("record.example", "pat")
    assert asked["authenticatorSelection"]["userVerification"] == "required"
    assert "script-src 'self'" in page.headers["content-security-policy"]
    again = options((await browser.get(PASSKEYS_PATH)).text)
    assert again["challenge"] != asked["challenge"]


@pytest.mark.parametrize("credential", ["", "x", "{}", "[]", FORGED])
async def test_what_does_not_hold_adds_nothing_and_signs_nobody_in(
    browser: Any, authorization: Authorization, credential: str
) -> None:
    page = await browser.get("/sign-in/passkey")
    refused = await browser.submit(page, "/sign-in/passkey", credential=credential)
    assert refused.status_code == 403
    assert (await browser.get("/account")).status_code == 303
    await browser.sign_in()
    token = re.findall(r'name="form_token" value="([^"]*)"', (await browser.get(PASSKEYS_PATH)).text)[0]
    form = {"form_token": token, "credential": credential}
    assert (await browser.post(f"{PASSKEYS_PATH}/add", data=form)).status_code == 403
    assert await authorization.passkeys.list("pat") == []


async def test_forms_are_of_ones_own_browser_and_session(browser: Any) -> None:
    assert (await browser.post("/sign-in/passkey", data={"form_token": "x"})).status_code == 403
    assert "sign-in?next=%2Faccount%2Fpasskeys" in (await browser.get(PASSKEYS_PATH)).headers["location"]
    assert (await browser.post(f"{PASSKEYS_PATH}/remove", data={"x": "y"})).status_code == 403
    await browser.sign_in()
    assert (await browser.post(f"{PASSKEYS_PATH}/add", data={"form_token": "x"})).status_code == 403


@pytest.mark.parametrize(
    ("issuer", "offered"),
    [
        ("https://record.example", True),
        ("http://localhost:8080", True),
        ("http://127.0.0.1:8080", False),
        ("http://record.example", False),
        ("https://[::1]:8080", False),
    ],
)
async def test_they_are_offered_where_browsers_take_them(
    authorization: Authorization, issuer: str, offered: bool
) -> None:
    assert Passkeys(authorization.store, authorization.now, issuer).are_offered is offered
