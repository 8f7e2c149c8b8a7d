"""Signing in and out, in a browser. security.html#authentication"""

from collections.abc import Mapping
from typing import Any

import httpx
import pytest

from fhir_server.asgi.pages import pages
from fhir_server.smart.authorization import Authorization
from fhir_server.smart.limits.sign_in_attempts import FREE_ATTEMPTS
from fhir_server.smart.providers import Beginning, Proven, SignInRefused
from fhir_server.smart.users import User

pytestmark = [pytest.mark.anyio, pytest.mark.spec("security.html#authentication")]


async def test_the_account_page_names_who_is_signed_in(browser: Any) -> None:
    assert (await browser.get("/account")).headers["location"] == "https://record.example/sign-in"
    response = await browser.sign_in()
    assert response.status_code == 303
    assert response.headers["location"] == "https://record.example/account"
    assert "Pat Durand" in (await browser.get("/account")).text


async def test_cookies_cannot_be_read_by_scripts_or_sent_by_other_sites(browser: Any) -> None:
    response = await browser.sign_in()
    (cookie,) = [text for text in response.headers.get_list("set-cookie") if text.startswith("__Host-session=")]
    attributes = {part.strip().lower() for part in cookie.split(";")[1:]}
    assert attributes == {"httponly", "path=/", "samesite=lax", "secure"}


async def test_wrong_credentials_are_refused_without_telling_which(browser: Any) -> None:
    texts = set()
    for login, password in (("pat", "wrong"), ("nobody", "a good password")):
        response = await browser.sign_in(login, password)
        assert response.status_code == 403
        assert password not in response.text
        texts.add(response.text.replace(login, ""))
        assert "__Host-session" not in str(response.headers.get_list("set-cookie"))
    assert len(texts) == 1


async def test_too_many_attempts_wait(browser: Any) -> None:
    for _ in range(FREE_ATTEMPTS):
        await browser.sign_in("pat", "wrong")
    response = await browser.sign_in()
    assert response.status_code == 429
    assert response.headers["retry-after"] == "30"


async def test_a_form_that_another_site_sends_is_refused(browser: Any) -> None:
    fields = {"login": "pat", "password": "a good password"}
    assert (await browser.post("/sign-in", data=fields)).status_code == 403
    await browser.get("/sign-in")
    assert (await browser.post("/sign-in", data={**fields, "form_token": "guess"})).status_code == 403
    assert (await browser.post("/sign-in", data={**fields, "form_token": "é"})).status_code == 403
    assert "__Host-session" not in browser.cookies


@pytest.mark.parametrize(
    "address",
    ["https://evil.example/", "//evil.example", "/\\evil.example", "/oauth/authorize?x=\n", "/fhir/Patient", ""],
)
async def test_a_sign_in_leads_to_our_own_pages_only(browser: Any, address: str) -> None:
    form = await browser.get("/sign-in", params={"next": address})
    response = await browser.submit(form, "/sign-in", next=address, login="pat", password="a good password")
    assert response.headers["location"] == "https://record.example/account"


async def test_a_sign_in_begins_a_new_session(browser: Any, authorization: Authorization) -> None:
    browser.cookies.set("__Host-session", "planted", domain="record.example")
    await browser.sign_in()
    first = browser.cookies.get("__Host-session", domain="record.example")
    assert first != "planted"
    await browser.sign_in()
    assert await authorization.sessions.get(first) is None


async def test_signing_out_ends_the_session(browser: Any, authorization: Authorization) -> None:
    await browser.sign_in()
    token = browser.cookies["__Host-session"]
    account = await browser.get("/account")
    assert (await browser.submit(account, "/sign-out", form_token="wrong")).status_code == 403
    assert await authorization.sessions.get(token) is not None
    assert (await browser.submit(account, "/sign-out")).status_code == 303
    assert await authorization.sessions.get(token) is None
    assert (await browser.get("/account")).status_code == 303
    assert (await browser.post("/sign-out", data={"form_token": ""})).status_code == 303


async def test_pages_cannot_be_framed_cached_or_leak_their_address(browser: Any) -> None:
    headers = (await browser.get("/sign-in")).headers
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "script" not in headers["content-security-policy"]
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] == "no-store"
    assert headers["x-content-type-options"] == "nosniff"
    assert (await browser.get("/pages/style.css")).headers["content-type"].startswith("text/css")


@pytest.mark.parametrize(
    ("header", "language"),
    [("fr-FR,fr;q=0.9", "fr"), ("en-GB", "en"), ("de, en;q=0.5, fr;q=0.4", "en"), ("fr;q=0, en;q=x", "fr"), ("", "fr")],
)
async def test_the_browsers_language_is_followed(browser: Any, header: str, language: str) -> None:
    response = await browser.get("/sign-in", headers={"Accept-Language": header})
    assert f'<html lang="{language}">' in response.text


async def test_the_language_switch_keeps_the_page_and_is_remembered(browser: Any) -> None:
    form = await browser.get("/sign-in", params={"next": "/oauth/authorize?a=b"})
    assert 'href="/sign-in?next=%2Foauth%2Fauthorize%3Fa%3Db&amp;lang=en"' in form.text
    english = await browser.get("/sign-in?next=%2Foauth%2Fauthorize%3Fa%3Db&lang=en")
    assert "Sign in" in english.text
    assert "/oauth/authorize?a=b" in english.text
    refused = await browser.submit(english, "/sign-in", login="pat", password="wrong")
    assert "The login or the password is wrong" in refused.text
    assert 'href="/sign-in?next=%2Foauth%2Fauthorize%3Fa%3Db&amp;lang=fr"' in refused.text


async def test_a_large_or_strange_form_is_refused(browser: Any) -> None:
    assert (await browser.post("/sign-in", data={"x": "y" * 70_000})).status_code == 413
    assert (await browser.post("/sign-in", data={f"x{n}": "y" for n in range(101)})).status_code == 413
    assert (await browser.post("/sign-in", json={"login": "pat"})).status_code == 415


async def test_without_https_cookies_are_plain(store: Any, clock: Any) -> None:
    local = Authorization(store, "http://127.0.0.1:8000/fhir", clock, lambda: "id")
    transport = httpx.ASGITransport(app=pages(local))
    async with httpx.AsyncClient(transport=transport, base_url=local.issuer) as browser:
        (cookie,) = (await browser.get("/sign-in")).headers.get_list("set-cookie")
    assert cookie.startswith("form=")
    assert "secure" not in cookie.lower()


class Upstream:
    """A provider elsewhere: it sends the browser away, and trusts an answer that brings the state back."""

    name = "upstream"
    display = "Autre <service>"

    def __init__(self, user: User) -> None:
        self._user = user

    async def begin(self, callback_url: str) -> Beginning:
        return Beginning(redirect_url=f"https://upstream.example/?back={callback_url}&state=s-1", kept="s-1")

    async def finish(self, answer: Mapping[str, str], kept: str) -> Proven:
        if answer.get("state") != kept:
            raise SignInRefused
        return Proven(self._user)

    async def leave(self, hint: str, back_url: str) -> str:
        return ""


@pytest.fixture
async def upstream(authorization: Authorization) -> None:
    user = await authorization.users.get("doc")
    assert user is not None
    authorization.providers = {**authorization.providers, "upstream": Upstream(user)}


@pytest.mark.usefixtures("upstream")
async def test_a_sign_in_elsewhere_comes_back_to_where_the_person_was_going(browser: Any) -> None:
    form = await browser.get("/sign-in", params={"next": "/oauth/authorize?a=b"})
    assert 'href="/sign-in/upstream?next=%2Foauth%2Fauthorize%3Fa%3Db"' in form.text
    assert "Autre &lt;service&gt;" in form.text
    away = await browser.get("/sign-in/upstream?next=%2Foauth%2Fauthorize%3Fa%3Db")
    assert away.headers["location"].startswith("https://upstream.example/?back=https://record.example/sign-in/upstream")
    back = await browser.get("/sign-in/upstream/callback?state=s-1")
    assert back.headers["location"] == "https://record.example/oauth/authorize?a=b"
    assert "Dr Claire Martin" in (await browser.get("/account")).text
    assert (await browser.get("/sign-in/upstream/callback?state=s-1")).status_code == 403


@pytest.mark.usefixtures("upstream")
async def test_an_answer_that_was_not_asked_for_is_refused(browser: Any) -> None:
    assert (await browser.get("/sign-in/upstream/callback?state=s-1")).status_code == 403
    await browser.get("/sign-in/upstream")
    assert (await browser.get("/sign-in/upstream/callback?state=other")).status_code == 403
    assert (await browser.get("/sign-in/nowhere")).status_code == 404
    assert (await browser.get("/sign-in/local")).status_code == 404
    assert (await browser.get("/account")).status_code == 303
