"""EHR launch, launch context and pickers, through the pages.

https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html
"""

import base64
import json
from typing import Any

import msgspec
import pytest

from fhir_server.access.grant import Grant
from fhir_server.smart.authorization import Authorization
from fhir_server.smart.bearer import Bearer
from fhir_server.smart.clients import Client
from fhir_server.smart.outside import Outside
from tests.asgi.pages.flow import exchange, fields, query_of, refresh

pytestmark = pytest.mark.anyio
EHR = "launch openid fhirUser patient/*.rs user/*.rs offline_access"
CONTEXTS = "smart-app-launch/STU2.2/scopes-and-launch-context.html"


@pytest.fixture(autouse=True)
async def host(authorization: Authorization) -> dict[str, str]:
    """A host software; returns its header."""
    client = Client(
        "host", "Logiciel", "confidential-symmetric", ("user/*.rs",), ("https://host.example/",), is_launch_host=True
    )
    secret = await authorization.clients.register(client)
    app = await authorization.clients.get("app")
    assert app is not None
    scopes = ("launch", "launch/encounter", "online_access", *app.scopes)
    await authorization.clients.register(msgspec.structs.replace(app, scopes=scopes), is_replacing=True)
    return {"Authorization": "Basic " + base64.b64encode(f"host:{secret}".encode()).decode()}


@pytest.fixture
async def pickers(authorization: Authorization) -> list[Grant]:
    """Pickers over two patients and one encounter; the list receives the grants that asked."""
    asked: list[Grant] = []

    async def patients_of(grant: Grant, text: str) -> list[tuple[str, str]]:
        asked.append(grant)
        people = [("1", "Pat <Durand>"), ("2", "Ruth Nessi")]
        return [(id_, words) for id_, words in people if text.casefold() in words.casefold()]

    async def encounters_of(grant: Grant, patient_id: str, text: str) -> list[tuple[str, str]]:
        return [("e1", "Consultation")] if patient_id == "1" else []

    authorization.connect(Outside(patients_of=patients_of, encounters_of=encounters_of))
    return asked


async def open_launch(browser: Any, host: dict[str, str], **changes: str) -> Any:
    form = {"user": "doc", "patient": "1", "app": "app", **changes}
    return await browser.post("/oauth/launch", data=form, headers=host)


@pytest.mark.spec("smart-app-launch/STU2.2/app-launch.html#launch-app-ehr-launch")
async def test_an_ehr_launch_brings_its_whole_context_to_the_token_and_to_its_refresh(
    browser: Any, host: dict[str, str], authorization: Authorization
) -> None:
    image = {"reference": "ImagingStudy/7"}
    more = {"encounter": "Encounter/e1", "intent": "reconcile-medications", "tenant": "chu", "app": "app"}
    opened = await open_launch(
        browser, host, **more, fhirContext=json.dumps([image]), need_patient_banner="false", user="Practitioner/1"
    )
    assert opened.status_code == 200
    assert opened.json()["iss"] == "https://record.example/fhir"
    assert opened.headers["cache-control"] == "no-store"
    await browser.sign_in("doc", "another password")
    page = await browser.get("/oauth/authorize", params=fields(EHR, launch=opened.json()["launch"]))
    token = await exchange(browser, await browser.submit(page, "/oauth/consent", decision="allow"))
    expected = {
        "patient": "1",
        "encounter": "e1",
        "fhirContext": [image],
        "intent": "reconcile-medications",
        "tenant": "chu",
        "need_patient_banner": False,
        "smart_style_url": "https://record.example/oauth/smart-style.json",
    }
    assert {name: token.get(name) for name in expected} == expected
    assert {"launch", "patient/*.rs", "user/*.rs"} <= set(token["scope"].split())
    again = (await refresh(browser, token["refresh_token"])).json()
    assert {name: again.get(name) for name in expected} == expected
    state = await browser.post("/oauth/introspect", data={"token": again["access_token"]}, headers=host)
    assert {name: state.json().get(name) for name in expected} == expected
    grant = await Bearer(authorization).grant(f"Bearer {again['access_token']}")
    assert (grant.kind, grant.patient_id) == ("professional", "1")
    narrow = (await refresh(browser, again["refresh_token"], scope="user/*.rs")).json()
    assert not set(expected) & set(narrow)


@pytest.mark.spec("smart-app-launch/STU2.2/app-launch.html#launch-app-ehr-launch")
async def test_a_launch_is_good_once_for_one_person_one_app_and_some_minutes(
    browser: Any, host: dict[str, str], clock: Any
) -> None:
    await browser.sign_in("doc", "another password")

    async def answer(handle: str) -> Any:
        return await browser.get("/oauth/authorize", params=fields(EHR, launch=handle))

    handle = (await open_launch(browser, host)).json()["launch"]
    page = await answer(handle)
    assert "code" in query_of(await browser.submit(page, "/oauth/consent", decision="allow"))
    assert query_of(await browser.submit(page, "/oauth/consent", decision="allow"))["error"] == "invalid_request"
    assert query_of(await answer(handle))["error"] == "invalid_request"
    assert query_of(await answer("guess"))["error"] == "invalid_request"
    of_another = (await open_launch(browser, host, user="pat")).json()["launch"]
    assert query_of(await answer(of_another))["error"] == "access_denied"
    old = (await open_launch(browser, host)).json()["launch"]
    clock.advance(301)
    assert query_of(await answer(old))["error"] == "invalid_request"


async def test_a_launch_of_another_app_or_another_patients_record_is_refused(
    browser: Any, host: dict[str, str], authorization: Authorization
) -> None:
    other = Client("other", "Autre", "public", ("launch",), ("https://other.example/",))
    await authorization.clients.register(other)
    await browser.sign_in("pat", "a good password")
    for changes in ({"app": "other", "user": "pat"}, {"user": "pat", "patient": "2"}):
        handle = (await open_launch(browser, host, **changes)).json()["launch"]
        assert "error" in query_of(await browser.get("/oauth/authorize", params=fields(EHR, launch=handle)))


async def test_without_a_launch_the_launch_scope_is_not_granted(browser: Any) -> None:
    await browser.sign_in()
    page = await browser.get("/oauth/authorize", params=fields("launch launch/patient patient/*.rs"))
    token = await exchange(browser, await browser.submit(page, "/oauth/consent", decision="allow"))
    assert token["scope"] == "launch/patient patient/*.rs"


@pytest.mark.parametrize(
    "wrong",
    [
        {"patient": "../1"},
        {"user": ""},
        {"need_patient_banner": "yes"},
        {"fhirContext": "{"},
        {"fhirContext": '[{"role":"x"}]'},
        {"fhirContext": '[{"reference":"ImagingStudy/1","role":""}]'},
        {"fhirContext": '[{"reference":"Patient/1"}]'},
        {"fhirContext": '[{"reference":"Encounter/1","role":"launch"}]'},
        {"fhirContext": '[{"identifier":{"value":"1"},"type":"Patient"}]'},
        {"fhirContext": '[{"reference":"https://elsewhere.example/Patient/1"}]'},
        {"app": "nobody"},
        {"intent": "x" * 256},
    ],
)
@pytest.mark.spec(f"{CONTEXTS}#fhircontext")
async def test_a_context_that_smart_forbids_is_refused(browser: Any, host: dict[str, str], wrong: Any) -> None:
    response = await open_launch(browser, host, **wrong)
    assert (response.status_code, response.json()["error"]) == (400, "invalid_request")


@pytest.mark.spec(f"{CONTEXTS}#fhircontext")
async def test_a_patient_in_another_role_may_be_in_the_fhir_context(browser: Any, host: dict[str, str]) -> None:
    mother = '[{"reference":"Patient/2","role":"https://roles.example/mother"},{"canonical":"http://x.example|1"}]'
    assert (await open_launch(browser, host, fhirContext=mother)).status_code == 200


async def test_only_a_host_may_open_a_launch(browser: Any, host: dict[str, str], authorization: Authorization) -> None:
    assert (await browser.post("/oauth/launch", data={"user": "doc"})).status_code == 401
    assert (await browser.post("/oauth/launch", data={"user": "doc", "client_id": "app"})).status_code == 403
    assert (await open_launch(browser, {"Authorization": "Bearer x"})).status_code == 401
    client = await authorization.clients.get("host")
    assert client is not None
    await authorization.clients.register(msgspec.structs.replace(client, is_launch_host=False), is_replacing=True)
    assert (await open_launch(browser, host)).json()["error"] == "unauthorized_client"


@pytest.mark.spec(f"{CONTEXTS}#requesting-context-with-scopes")
async def test_a_professional_picks_the_patient_and_the_encounter(
    browser: Any, pickers: list[Grant], authorization: Authorization
) -> None:
    await browser.sign_in("doc", "another password")
    asked = fields("launch/patient launch/encounter patient/*.rs offline_access")
    page = await browser.get("/oauth/authorize", params=asked)
    assert "Choisir le patient" in page.text
    assert "Pat &lt;Durand&gt;" in page.text
    assert (pickers[0].actor, pickers[0].kind, pickers[0].profession) == ("Practitioner/1", "professional", "10")
    found = await browser.get("/oauth/authorize", params={**asked, "find": "nessi", "lang": "en"})
    assert "Ruth Nessi" in found.text
    assert "Durand" not in found.text
    assert "Choose the patient" in found.text
    chosen = await browser.submit(page, "/oauth/pick", chosen="1")
    page = await browser.get(chosen.headers["location"])
    assert "Consultation" in page.text
    chosen = await browser.submit(page, "/oauth/pick", chosen="e1")
    page = await browser.get(chosen.headers["location"])
    token = await exchange(browser, await browser.submit(page, "/oauth/consent", decision="allow"))
    assert (token["patient"], token["encounter"], token["need_patient_banner"]) == ("1", "e1", True)
    assert "intent" not in token
    again = (await refresh(browser, token["refresh_token"])).json()
    assert (again["patient"], again["encounter"]) == ("1", "e1")


@pytest.mark.spec(f"{CONTEXTS}#requesting-context-with-scopes")
async def test_what_was_not_offered_cannot_be_picked(browser: Any, pickers: list[Grant]) -> None:
    await browser.sign_in("doc", "another password")
    page = await browser.get("/oauth/authorize", params=fields("patient/*.rs", find="nessi"))
    for chosen in ("3", "1", "", None):
        assert (await browser.submit(page, "/oauth/pick", chosen=chosen)).status_code == 403
    assert (await browser.submit(page, "/oauth/pick", chosen="2", form_token="x")).status_code == 403
    picked = await browser.submit(page, "/oauth/pick", chosen="2")
    assert "find=" not in picked.headers["location"]
    again = await browser.get(picked.headers["location"])
    await browser.sign_in("pat", "a good password")
    stolen = await browser.get(picked.headers["location"])
    assert query_of(stolen)["error"] == "access_denied"
    assert "Autoriser" in again.text


@pytest.mark.usefixtures("pickers")
async def test_an_encounter_need_not_be_picked(browser: Any) -> None:
    await browser.sign_in()
    page = await browser.get("/oauth/authorize", params=fields("launch/encounter patient/*.rs"))
    assert "Choisir le séjour" in page.text
    chosen = await browser.submit(page, "/oauth/pick", chosen="")
    page = await browser.get(chosen.headers["location"])
    token = await exchange(browser, await browser.submit(page, "/oauth/consent", decision="allow"))
    assert "encounter" not in token
    assert token["patient"] == "1"


@pytest.mark.usefixtures("pickers")
async def test_a_consent_cannot_pass_over_the_picker(browser: Any) -> None:
    await browser.sign_in("doc", "another password")
    asked = fields("patient/*.rs user/*.rs")
    page = await browser.get("/oauth/authorize", params={**asked, "scope": "user/*.rs"})
    request = str(page.request.url.query.decode()).replace("user%2F", "patient%2F")
    skipped = await browser.submit(page, "/oauth/consent", decision="allow", request=request, scope="patient/*.rs")
    assert query_of(skipped)["error"] == "access_denied"


@pytest.mark.spec(f"{CONTEXTS}#scopes-for-requesting-a-refresh-token")
async def test_online_access_lasts_as_long_as_the_session(browser: Any, clock: Any) -> None:
    await browser.sign_in()
    page = await browser.get("/oauth/authorize", params=fields("patient/*.rs online_access"))
    token = await exchange(browser, await browser.submit(page, "/oauth/consent", decision="allow"))
    clock.advance(60)
    again = await refresh(browser, token["refresh_token"])
    assert again.status_code == 200
    await browser.submit(await browser.get("/account"), "/sign-out")
    ended = await refresh(browser, again.json()["refresh_token"])
    assert (ended.status_code, ended.json()["error"]) == (400, "invalid_grant")


@pytest.mark.spec(f"{CONTEXTS}#styling")
async def test_the_style_is_readable_by_any_page(browser: Any) -> None:
    response = await browser.get("/oauth/smart-style.json")
    assert response.headers["access-control-allow-origin"] == "*"
    assert response.json()["color_background"] == "#ffffff"


@pytest.mark.spec(f"{CONTEXTS}#scopes-for-requesting-fhir-resources")
async def test_scopes_in_uri_form_mean_the_same(browser: Any) -> None:
    await browser.sign_in()
    prefix = "http://smarthealthit.org/fhir/scopes/"
    page = await browser.get("/oauth/authorize", params=fields(f"{prefix}launch/patient {prefix}patient/*.read"))
    token = await exchange(browser, await browser.submit(page, "/oauth/consent", decision="allow"))
    assert token["scope"] == "launch/patient patient/*.read"
