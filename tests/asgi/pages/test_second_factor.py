"""https://www.rfc-editor.org/rfc/rfc6238"""

import base64
import html
import re
from typing import Any

import pytest

from fhir_server.asgi.pages.rates import Limited
from fhir_server.smart.authorization import Authorization
from fhir_server.smart.limits.sign_in_attempts import FREE_ATTEMPTS
from fhir_server.smart.second_factor.totp import STEP_SECONDS, code_at

pytestmark = [pytest.mark.anyio, pytest.mark.spec("rfc6238")]
PAGE = "/account/second-factor"


@pytest.mark.spec("rfc6238#appendix-B")
@pytest.mark.parametrize(
    ("seconds", "code"),
    [(59, "287082"), (1111111109, "081804"), (1111111111, "050471"), (1234567890, "005924"), (20000000000, "353130")],
)
async def test_the_codes_are_those_of_the_rfc(seconds: int, code: str) -> None:
    secret = base64.b32encode(b"12345678901234567890").decode()
    assert code_at(secret, seconds // STEP_SECONDS) == code


class Authenticator:
    """An authenticator app."""

    def __init__(self, page: Any, clock: Any) -> None:
        (address,) = re.findall(r'href="(otpauth://[^"]*)"', page.text)
        assert html.unescape(address).startswith("otpauth://totp/record.example%3Apat?secret=")
        (self.secret,) = re.findall(r"secret=([A-Z2-7]{32})&amp;issuer=record.example", address)
        self._clock = clock

    def code(self, later: int = 0) -> str:
        return code_at(self.secret, int(self._clock().timestamp()) // STEP_SECONDS + later)


@pytest.fixture
async def enrolled(browser: Any, clock: Any) -> tuple[Authenticator, list[str]]:
    """The app of Pat, who is signed out again, and the recovery codes."""
    await browser.sign_in()
    page = await browser.get(PAGE)
    authenticator = Authenticator(page, clock)
    assert (await browser.submit(page, f"{PAGE}/enrol", code="000000")).status_code == 403
    done = await browser.submit(page, f"{PAGE}/enrol", code=authenticator.code())
    codes = re.findall(r"<li><code>(\w+)</code></li>", done.text)
    assert len(set(codes)) == 8
    assert "Désactiver" in (await browser.get(PAGE)).text
    await browser.submit(await browser.get("/account"), "/sign-out")
    return authenticator, codes


async def reach_code(browser: Any) -> Any:
    form = await browser.get("/sign-in", params={"next": "/account/apps"})
    half = await browser.submit(form, "/sign-in", login="pat", password="a good password")
    assert half.headers["location"] == "https://record.example/sign-in/code"
    assert (await browser.get("/account")).status_code == 303, "a password alone signs nobody in"
    return await browser.get("/sign-in/code")


async def test_the_code_is_asked_after_the_password(browser: Any, enrolled: Any, clock: Any) -> None:
    authenticator, _ = enrolled
    page = await reach_code(browser)
    used = await browser.submit(page, "/sign-in/code", code=authenticator.code())
    assert used.status_code == 403, "the code of the enrolment was used"
    clock.advance(STEP_SECONDS)
    done = await browser.submit(page, "/sign-in/code", code=f" {authenticator.code()[:3]} {authenticator.code()[3:]}")
    assert done.headers["location"] == "https://record.example/account/apps"
    assert (await browser.get("/account")).status_code == 200
    assert (await browser.submit(page, "/sign-in/code", code=authenticator.code(1))).status_code == 403


async def test_a_recovery_code_is_good_once(browser: Any, enrolled: Any) -> None:
    _, codes = enrolled
    for status in (303, 403):
        page = await reach_code(browser)
        assert (await browser.submit(page, "/sign-in/code", code=codes[0].upper())).status_code == status
        if status == 303:
            await browser.submit(await browser.get("/account"), "/sign-out")


async def test_codes_cannot_be_guessed(browser: Any, enrolled: Any, clock: Any) -> None:
    authenticator, _ = enrolled
    page = await reach_code(browser)
    for _ in range(FREE_ATTEMPTS):
        assert (await browser.submit(page, "/sign-in/code", code="000000")).status_code == 403
    clock.advance(STEP_SECONDS - 1)
    waits = await browser.submit(page, "/sign-in/code", code=authenticator.code(1))
    assert waits.status_code == 429
    assert int(waits.headers["retry-after"]) >= 1


async def test_a_half_sign_in_is_of_one_browser_and_some_minutes(browser: Any, enrolled: Any, clock: Any) -> None:
    authenticator, _ = enrolled
    page = await reach_code(browser)
    assert (await browser.submit(page, "/sign-in/code", code="1", form_token="x")).status_code == 403
    clock.advance(301)
    assert (await browser.submit(page, "/sign-in/code", code=authenticator.code())).status_code == 403
    assert (await browser.get("/sign-in/code")).headers["location"] == "https://record.example/sign-in"


async def test_it_is_removed_with_a_code_only(browser: Any, enrolled: Any, clock: Any) -> None:
    authenticator, _ = enrolled
    clock.advance(STEP_SECONDS)
    await browser.submit(await reach_code(browser), "/sign-in/code", code=authenticator.code())
    page = await browser.get(PAGE)
    assert authenticator.secret[:4] not in page.text
    assert (await browser.submit(page, f"{PAGE}/remove", code="000000")).status_code == 403
    clock.advance(STEP_SECONDS)
    assert (await browser.submit(page, f"{PAGE}/remove", code=authenticator.code())).status_code == 303
    await browser.submit(await browser.get("/account"), "/sign-out")
    assert "/account" in (await browser.sign_in()).headers["location"]


async def test_the_page_needs_a_person(browser: Any) -> None:
    assert "/sign-in?next=" in (await browser.get(PAGE)).headers["location"]
    assert (await browser.post(f"{PAGE}/enrol", data={"code": "1"})).status_code == 403


@pytest.mark.spec("rfc6585#section-4")
async def test_one_address_cannot_flood_us(authorization: Authorization, clock: Any) -> None:
    answered: list[int] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        answered.append(200)

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            answered.append(message["status"])

    async def post(path: str, address: str) -> int:
        scope = {"type": "http", "method": "POST", "path": path, "headers": [], "query_string": b""}
        await limited(
            {**scope, "client": (address, 1), "server": ("record.example", 443), "scheme": "https"}, None, send
        )
        return answered[-1]

    limited: Any = Limited(app, authorization)
    most = authorization.settings.sign_ins_a_minute
    paths = ("/sign-in", "/sign-in/code", "/oauth/register")
    assert {await post(paths[count % 3], "192.0.2.1") for count in range(most)} == {200}
    assert [await post(path, "192.0.2.1") for path in paths] == [429] * 3
    assert await post("/sign-in", "192.0.2.2") == 200
    assert await post("/oauth/token", "192.0.2.1") == 200
    clock.advance(60 / most)
    assert await post("/sign-in", "192.0.2.1") == 200
    assert await post("/sign-in", "192.0.2.1") == 429
