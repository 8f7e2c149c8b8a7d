"""The page of authorised apps, and agreements that are remembered.

https://hl7.org/fhir/smart-app-launch/STU2.2/conformance.html#metadata
"""

from typing import Any

import pytest

from fhir_server.smart.authorization import Authorization
from fhir_server.smart.bearer import Bearer, NoBearer
from fhir_server.smart.clients import Client
from tests.asgi.pages.flow import exchange, fields, query_of, refresh

pytestmark = [pytest.mark.anyio, pytest.mark.spec("smart-app-launch/STU2.2/conformance.html#metadata")]
LASTING = "launch/patient patient/Immunization.rs offline_access"


async def authorise(browser: Any, scope: str = LASTING, **changes: Any) -> Any:
    page = await browser.get("/oauth/authorize", params=fields(scope))
    answer = await browser.submit(page, "/oauth/consent", decision="allow", **{"remember": None, **changes})
    return await exchange(browser, answer)


async def test_the_page_says_what_each_app_may_do_and_takes_it_back(
    browser: Any, authorization: Authorization, clock: Any
) -> None:
    await browser.sign_in()
    token = await authorise(browser)
    await authorise(browser, "patient/Observation.rs")
    clock.advance(120)
    token = (await refresh(browser, token["refresh_token"])).json()
    page = await browser.get("/account/apps")
    assert page.text.count("Mon &lt;carnet&gt;</h2>") == 1
    assert "Consulter : vaccinations" in page.text
    assert "Consulter : mesures" in page.text
    assert f"{clock():%d/%m/%Y %H:%M} UTC" in page.text
    bearer = Bearer(authorization)
    await bearer.grant(f"Bearer {token['access_token']}")
    done = await browser.submit(page, "/account/apps/revoke", client_id="app")
    after = await browser.get(done.headers["location"])
    assert "L’accès est retiré" in after.text
    assert "Vous n’avez autorisé aucune application" in after.text
    with pytest.raises(NoBearer):
        await bearer.grant(f"Bearer {token['access_token']}")
    assert (await refresh(browser, token["refresh_token"])).json()["error"] == "invalid_grant"


async def test_each_person_sees_and_ends_his_own_only(browser: Any, authorization: Authorization) -> None:
    await browser.sign_in()
    token = await authorise(browser)
    await browser.sign_in("doc", "another password")
    page = await browser.get("/account/apps?lang=en")
    assert "You have authorised no app" in page.text
    session_form = await browser.get("/account")
    form_token = session_form.text.partition('name="form_token" value="')[2].partition('"')[0]
    await browser.post("/account/apps/revoke", data={"form_token": form_token, "client_id": "app"})
    assert (await refresh(browser, token["refresh_token"])).status_code == 200


async def test_the_page_needs_a_person_and_its_form_a_session(browser: Any) -> None:
    to_sign_in = await browser.get("/account/apps")
    assert to_sign_in.headers["location"] == "https://record.example/sign-in?next=%2Faccount%2Fapps"
    assert (await browser.post("/account/apps/revoke", data={"client_id": "app"})).status_code == 403
    form = await browser.get("/sign-in?next=/account/apps")
    back = await browser.submit(form, "/sign-in", login="pat", password="a good password")
    assert back.headers["location"] == "https://record.example/account/apps"
    await authorise(browser)
    page = await browser.get("/account/apps")
    forged = await browser.submit(page, "/account/apps/revoke", client_id="app", form_token="x")
    assert forged.status_code == 403


@pytest.fixture
async def web(authorization: Authorization) -> None:
    """The app again, with one https address: another app cannot pass for it."""
    app = await authorization.clients.get("app")
    assert app is not None
    web = Client("app", "Carnet", "public", app.scopes, ("https://app.example/back",))
    await authorization.clients.register(web, is_replacing=True)


@pytest.mark.usefixtures("web")
@pytest.mark.spec("openid-connect-core-1_0.html#AuthRequest")
async def test_a_remembered_agreement_is_not_asked_again(browser: Any, clock: Any) -> None:
    await browser.sign_in()
    await authorise(browser, remember="yes")
    again = await browser.get("/oauth/authorize", params=fields("patient/Immunization.rs", prompt="none"))
    assert (await exchange(browser, again))["scope"] == "patient/Immunization.rs"
    more = await browser.get("/oauth/authorize", params=fields(f"{LASTING} patient/Observation.rs"))
    assert "Autoriser" in more.text
    asked = await browser.get("/oauth/authorize", params=fields(LASTING, prompt="consent"))
    assert "Autoriser" in asked.text
    page = await browser.get("/account/apps")
    assert "Votre accord est retenu" in page.text
    await browser.submit(page, "/account/apps/revoke", client_id="app")
    forgotten = await browser.get("/oauth/authorize", params=fields(LASTING, prompt="none"))
    assert query_of(forgotten)["error"] == "consent_required"


@pytest.mark.usefixtures("web")
async def test_an_agreement_counts_for_who_gave_it_only(browser: Any) -> None:
    await browser.sign_in()
    await authorise(browser, "patient/Immunization.rs openid", remember="yes")
    await browser.sign_in("doc", "another password")
    asked = await browser.get("/oauth/authorize", params=fields("openid", prompt="none"))
    assert query_of(asked)["error"] == "consent_required"


@pytest.mark.spec("rfc8252#section-8.6")
async def test_an_app_that_another_could_pass_for_is_always_asked(browser: Any) -> None:
    await browser.sign_in()
    page = await browser.get("/oauth/authorize", params=fields(LASTING))
    assert "remember" not in page.text
    await authorise(browser, remember="yes")
    again = await browser.get("/oauth/authorize", params=fields(LASTING, prompt="none"))
    assert query_of(again)["error"] == "consent_required"
