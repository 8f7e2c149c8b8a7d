"""https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html#obtain-authorization-code"""

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from fhir_server.asgi.pages.scope_words import describe
from fhir_server.asgi.pages.texts import TEXTS

pytestmark = [pytest.mark.anyio, pytest.mark.spec("smart-app-launch/STU2.2/app-launch.html#obtain-authorization-code")]
Fields = dict[str, str]


def query_of(response: Any) -> dict[str, str]:
    assert response.status_code == 303
    return {name: values[0] for name, values in parse_qs(urlsplit(response.headers["location"]).query).items()}


async def test_who_is_not_signed_in_signs_in_first_and_comes_back(browser: Any, request_fields: Fields) -> None:
    first = await browser.get("/oauth/authorize", params=request_fields)
    assert first.headers["location"].startswith("https://record.example/sign-in?next=")
    form = await browser.get(first.headers["location"])
    back = await browser.submit(form, "/sign-in", login="pat", password="a good password")
    page = await browser.get(back.headers["location"])
    assert page.status_code == 200
    assert "Pat Durand" in page.text
    assert "Mon &lt;carnet&gt;" in page.text
    assert "app.example" in page.text
    assert "Consulter : toutes les données du dossier" in page.text


async def test_allowing_brings_a_code_back_with_state(browser: Any, request_fields: Fields) -> None:
    await browser.sign_in()
    page = await browser.get("/oauth/authorize", params=request_fields)
    response = await browser.submit(page, "/oauth/consent", decision="allow")
    assert response.headers["location"].startswith("https://app.example/back?code=")
    query = query_of(response)
    assert query["state"] == "st&te"
    assert query["iss"] == "https://record.example"
    assert response.headers["referrer-policy"] == "no-referrer"


async def test_browsers_let_the_form_lead_to_the_app(browser: Any, request_fields: Fields) -> None:
    await browser.sign_in()
    for redirect_uri, source in (
        ("https://app.example/back", "https://app.example"),
        ("fr.carnet:/back", "fr.carnet:"),
    ):
        page = await browser.get("/oauth/authorize", params={**request_fields, "redirect_uri": redirect_uri})
        assert f"form-action 'self' {source}" in page.headers["content-security-policy"]


async def test_denying_tells_the_app(browser: Any, request_fields: Fields) -> None:
    await browser.sign_in()
    page = await browser.get("/oauth/authorize", params=request_fields)
    for decision in ("deny", None):
        query = query_of(await browser.submit(page, "/oauth/consent", decision=decision))
        assert (query["error"], query["state"]) == ("access_denied", "st&te")
        assert "code" not in query


async def test_each_scope_is_the_persons_choice(browser: Any, authorization: Any, request_fields: Fields) -> None:
    await browser.sign_in()
    fields = {**request_fields, "scope": "openid patient/Observation.rs patient/Immunization.rs"}
    page = await browser.get("/oauth/authorize", params=fields)
    chosen = ["patient/Immunization.rs", "patient/*.cruds"]
    query = query_of(await browser.submit(page, "/oauth/consent", decision="allow", scope=chosen))
    (content,) = [content for _, content in await authorization.store.records("code")]
    assert b'"scopes":["patient/Immunization.rs"]' in content
    assert query["code"].encode() not in content
    nothing = await browser.submit(page, "/oauth/consent", decision="allow", scope=None)
    assert query_of(nothing)["error"] == "access_denied"


@pytest.mark.spec("rfc6749#section-10.12")
async def test_a_consent_that_another_site_sends_is_refused(browser: Any, request_fields: Fields) -> None:
    await browser.sign_in()
    page = await browser.get("/oauth/authorize", params=request_fields)
    for form_token in ("guess", "", "é", None):
        response = await browser.submit(page, "/oauth/consent", decision="allow", form_token=form_token)
        assert response.status_code == 403
        assert "location" not in response.headers


async def test_a_form_of_another_session_is_refused(browser: Any, request_fields: Fields) -> None:
    await browser.sign_in()
    page = await browser.get("/oauth/authorize", params=request_fields)
    await browser.sign_in("doc", "another password")
    assert (await browser.submit(page, "/oauth/consent", decision="allow")).status_code == 403


async def test_a_changed_request_is_checked_again(browser: Any, request_fields: Fields) -> None:
    await browser.sign_in()
    page = await browser.get("/oauth/authorize", params=request_fields)
    changed = page.request.url.query.decode().replace("app.example", "evil.example")
    response = await browser.submit(page, "/oauth/consent", decision="allow", request=changed)
    assert response.status_code == 400
    assert "location" not in response.headers


async def test_a_session_that_ended_meanwhile_signs_in_again(browser: Any, request_fields: Fields, clock: Any) -> None:
    await browser.sign_in()
    page = await browser.get("/oauth/authorize", params=request_fields)
    clock.advance(3601)
    response = await browser.submit(page, "/oauth/consent", decision="allow")
    assert "/sign-in?next=" in response.headers["location"]


@pytest.mark.parametrize("changes", [{"client_id": "nobody"}, {"redirect_uri": "https://evil.example/"}])
async def test_an_untrusted_address_gets_a_page_and_no_redirect(
    browser: Any, request_fields: Fields, changes: Fields
) -> None:
    response = await browser.get("/oauth/authorize", params={**request_fields, **changes})
    assert response.status_code == 400
    assert "text/html" in response.headers["content-type"]
    assert "evil.example" not in str(response.headers)


@pytest.mark.spec("rfc7636#section-4.4.1")
async def test_missing_pkce_goes_back_to_the_app(browser: Any, request_fields: Fields) -> None:
    del request_fields["code_challenge"]
    query = query_of(await browser.get("/oauth/authorize", params=request_fields))
    assert (query["error"], query["state"]) == ("invalid_request", "st&te")


async def test_post_is_accepted_as_get(browser: Any, request_fields: Fields) -> None:
    await browser.sign_in()
    posted = await browser.post("/oauth/authorize", data=request_fields)
    assert posted.status_code == 303
    assert "Pat Durand" in (await browser.get(posted.headers["location"])).text


@pytest.mark.spec("openid-connect-core-1_0.html#AuthRequest")
async def test_prompt_and_max_age_are_followed(browser: Any, request_fields: Fields, clock: Any) -> None:
    silent = {**request_fields, "prompt": "none"}
    assert query_of(await browser.get("/oauth/authorize", params=silent))["error"] == "login_required"
    await browser.sign_in()
    assert query_of(await browser.get("/oauth/authorize", params=silent))["error"] == "consent_required"
    again = await browser.get("/oauth/authorize", params={**request_fields, "prompt": "login"})
    assert "/sign-in?next=" in again.headers["location"]
    assert "prompt" not in again.headers["location"]
    for prompt, left in (("login consent", "prompt%253Dconsent"), ("consent select_account", "prompt%253Dconsent")):
        again = await browser.get("/oauth/authorize", params={**request_fields, "prompt": prompt})
        assert "/sign-in?next=" in again.headers["location"]
        assert left in again.headers["location"].replace("%3D", "%253D")
        assert "login" not in again.headers["location"].partition("?")[2]
    clock.advance(61)
    old = await browser.get("/oauth/authorize", params={**request_fields, "max_age": "60"})
    assert "/sign-in?next=" in old.headers["location"]
    assert (await browser.get("/oauth/authorize", params={**request_fields, "max_age": "120"})).status_code == 200


async def test_a_professional_is_named_and_decides_for_his_own_access(browser: Any, request_fields: Fields) -> None:
    await browser.sign_in("doc", "another password")
    fields = {**request_fields, "scope": "user/Observation.rs patient/*.rs"}
    page = await browser.get("/oauth/authorize", params=fields, headers={"Accept-Language": "en"})
    assert "Dr Claire Martin" in page.text
    assert "in your name" in page.text
    assert "Read: measurements and results" in page.text
    assert "everything in the record" not in page.text


async def test_the_language_switch_keeps_the_request(browser: Any, request_fields: Fields) -> None:
    await browser.sign_in()
    page = await browser.get("/oauth/authorize", params={**request_fields, "lang": "en"})
    assert "asks for access to health data" in page.text
    query = query_of(await browser.submit(page, "/oauth/consent", decision="allow"))
    assert query["code"]


async def test_markup_in_a_request_is_only_text(browser: Any, request_fields: Fields) -> None:
    await browser.sign_in()
    page = await browser.get("/oauth/authorize", params={**request_fields, "state": '"><script>alert(1)</script>'})
    assert "<script" not in page.text


@pytest.mark.parametrize(
    ("scope", "language", "words"),
    [
        ("patient/Observation.rs", "fr", "Consulter : mesures et résultats d’examens"),
        ("patient/Immunization.cruds", "fr", "Consulter, ajouter, modifier et supprimer : vaccinations"),
        ("patient/Immunization.write", "en", "Add, change and delete: vaccinations"),
        (
            "patient/Observation.rs?category=laboratory",
            "fr",
            "Consulter : mesures et résultats d’examens (seulement category = laboratory)",
        ),
        (
            "patient/Condition.r?category=a&code=s%7Cc",
            "en",
            "Read: conditions and health problems (only category = a, code = s|c)",
        ),
        ("user/Basic.c", "en", "Add: Basic"),
        ("openid", "en", "Know that it is you who signs in"),
    ],
)
async def test_scopes_are_told_in_words(scope: str, language: str, words: str) -> None:
    assert describe(scope, language) == words


async def test_both_languages_have_every_text() -> None:
    assert TEXTS["fr"].keys() == TEXTS["en"].keys()
