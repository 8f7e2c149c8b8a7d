"""Break-glass and centre 15: CSP L.1111-17, R.1111-48."""

from typing import Any

import msgspec
import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from fhir_server.access.grant import Grant
from fhir_server.smart.authorization import Authorization
from fhir_server.smart.bearer import Bearer, NoBearer
from fhir_server.smart.launch.emergencies import Emergency, emergencies
from fhir_server.smart.outside import Outside
from fhir_server.smart.users import User
from tests.asgi.pages.flow import exchange, fields, query_of

pytestmark = [pytest.mark.anyio, pytest.mark.spec("CSP L.1111-17")]
SCOPE = "launch/patient patient/*.rs user/*.rs offline_access openid"
REASON = "Patient inconscient, traitement inconnu"
BREAK_GLASS = "bris_de_glace"


@pytest.fixture(autouse=True)
async def asked_with(authorization: Authorization) -> list[Grant]:
    """One patient who can be looked for; the list receives the grants that asked."""
    asked: list[Grant] = []

    async def patients_of(grant: Grant, text: str) -> list[tuple[str, str]]:
        asked.append(grant)
        return [("9", "Ruth Nessi")] if text.casefold() in "ruth nessi" else []

    authorization.connect(Outside(patients_of=patients_of))
    return asked


async def go_on(browser: Any, response: Any) -> Any:
    assert response.status_code == 303, response.text
    return await browser.get(response.headers["location"])


async def reach_consent(browser: Any) -> Any:
    await browser.sign_in("doc", "another password")
    page = await browser.get("/oauth/authorize", params=fields(SCOPE, purpose_of_use=BREAK_GLASS, find="ruth"))
    page = await go_on(browser, await browser.submit(page, "/oauth/emergency", reason=REASON))
    return await go_on(browser, await browser.submit(page, "/oauth/pick", chosen="9"))


async def test_an_emergency_gives_a_short_token_with_its_reason(
    browser: Any, authorization: Authorization, clock: Any, asked_with: list[Grant]
) -> None:
    page = await reach_consent(browser)
    assert "Bris de glace" in page.text
    token = await exchange(browser, await browser.submit(page, "/oauth/consent", decision="allow"))
    assert token["expires_in"] == 900
    assert "refresh_token" not in token
    assert (token["patient"], token["purpose_of_use"]) == ("9", BREAK_GLASS)
    assert token["scope"].split() == ["launch/patient", "openid", "patient/*.rs"]
    keys = KeySet.import_key_set(authorization.keys.jwks())  # type: ignore[arg-type]
    claims = jwt.decode(token["access_token"], keys, algorithms=["ES256"]).claims
    assert (claims["purpose_of_use"], claims["reason"]) == (BREAK_GLASS, REASON)
    grant = await Bearer(authorization).grant(f"Bearer {token['access_token']}")
    assert (grant.purpose_of_use, grant.reason, grant.patient_id) == (BREAK_GLASS, REASON, "9")
    assert (asked_with[-1].purpose_of_use, asked_with[-1].reason) == (BREAK_GLASS, REASON)
    clock.advance(900)
    with pytest.raises(NoBearer):
        await Bearer(authorization).grant(f"Bearer {token['access_token']}")


async def test_every_opening_is_kept_and_told(browser: Any, authorization: Authorization, clock: Any) -> None:
    told: list[Emergency] = []

    async def tell(emergency: Emergency) -> None:
        told.append(emergency)

    authorization.connect(msgspec.structs.replace(authorization.outside, tell_emergency=tell))
    page = await reach_consent(browser)
    assert await emergencies(authorization.store) == []
    await exchange(browser, await browser.submit(page, "/oauth/consent", decision="allow"))
    clock.advance(10 * 365 * 86_400)
    assert await emergencies(authorization.store) == told
    (kept,) = told
    assert (kept.actor, kept.patient_id, kept.reason) == ("Practitioner/1", "9", REASON)
    assert (kept.purpose_of_use, kept.client_id, kept.display) == (BREAK_GLASS, "app", "Dr Claire Martin")


@pytest.mark.parametrize("reason", ["", "urgence", " " * 40, "x" * 501, None])
async def test_without_a_reason_there_is_no_access(browser: Any, reason: str | None) -> None:
    await browser.sign_in("doc", "another password")
    page = await browser.get("/oauth/authorize", params=fields(SCOPE, purpose_of_use=BREAK_GLASS))
    assert "Ruth" not in page.text
    again = await browser.submit(page, "/oauth/emergency", reason=reason)
    assert again.status_code == 400
    assert "Expliquez le motif" in again.text
    forged = await browser.submit(page, "/oauth/emergency", reason=REASON, form_token="x")
    assert forged.status_code == 403


async def test_the_reason_cannot_be_passed_over(browser: Any) -> None:
    await browser.sign_in("doc", "another password")
    page = await browser.get("/oauth/authorize", params=fields("user/*.rs"))
    request = page.request.url.query.decode().replace("user%2F", "patient%2F") + f"&purpose_of_use={BREAK_GLASS}"
    answer = await browser.submit(page, "/oauth/consent", decision="allow", request=request, scope="patient/*.rs")
    assert query_of(answer)["error"] == "access_denied"


async def test_an_emergency_is_not_taken_into_another_request(browser: Any) -> None:
    page = await reach_consent(browser)
    normal = page.request.url.query.decode().replace(f"&purpose_of_use={BREAK_GLASS}", "")
    assert query_of(await browser.get(f"/oauth/authorize?{normal}"))["error"] == "invalid_request"


async def test_nobody_is_listed_who_was_not_looked_for(browser: Any) -> None:
    await browser.sign_in("doc", "another password")
    page = await browser.get("/oauth/authorize", params=fields(SCOPE, purpose_of_use="BTG"))
    page = await go_on(browser, await browser.submit(page, "/oauth/emergency", reason=REASON))
    assert "Ruth" not in page.text
    assert "Bris de glace" in page.text
    address = str(page.request.url)
    assert "Ruth" not in (await browser.get(f"{address}&find=ru")).text
    assert "Ruth" in (await browser.get(f"{address}&find=rut")).text


@pytest.mark.parametrize(
    ("login", "password", "purpose", "error"),
    [
        ("pat", "a good password", BREAK_GLASS, "access_denied"),
        ("doc", "another password", "centre_15", "access_denied"),
        ("doc", "another password", "MARKETING", "invalid_request"),
    ],
)
async def test_who_may_not_open_in_an_emergency(
    browser: Any, login: str, password: str, purpose: str, error: str
) -> None:
    await browser.sign_in(login, password)
    answer = await browser.get("/oauth/authorize", params=fields(SCOPE, purpose_of_use=purpose))
    assert query_of(answer)["error"] == error


async def test_a_regulating_doctor_opens_for_centre_15(browser: Any, authorization: Authorization) -> None:
    doctor = User("reg", "reg", "professional", "Practitioner/2", "Dr Régis", "10", is_regulator=True)
    await authorization.users.add(doctor, "third password")
    await browser.sign_in("reg", "third password")
    page = await browser.get("/oauth/authorize", params=fields(SCOPE, purpose_of_use="centre_15", lang="en"))
    assert "Emergency call centre" in page.text
    assert query_of(await browser.get("/oauth/authorize", params=fields("user/*.rs", purpose_of_use="centre_15")))[
        "error"
    ] == ("invalid_scope")
