"""The patient's page: what it tells, what its buttons do, and that nobody else can press them."""

import html
import re
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
from msgspec.structs import replace

from fhir_server.access.grant import OPEN, Grant
from fhir_server.access.scopes import parse_scopes
from fhir_server.asgi.pages import pages
from fhir_server.commands.proving.records import READS_MEASUREMENTS, care_team, record_consent, with_document
from fhir_server.foundation import fhir_json
from fhir_server.foundation.operation_outcome import FhirError
from fhir_server.interactions.dispatch import dispatch
from fhir_server.interactions.request import Request, Runtime
from fhir_server.smart.authorization import Authorization
from fhir_server.smart.clients import Client
from fhir_server.smart.launch.context import LaunchContext
from fhir_server.smart.tokens.family import Family
from fhir_server.smart.users import User
from tests.asgi.pages.conftest import ISSUER, Browser

pytestmark = pytest.mark.anyio

DOCTOR = Grant(
    "professional",
    "Practitioner/1",
    "software",
    parse_scopes("user/*.cruds"),
    profession="10",
    display="Dr Claire Martin",
)
OTHER = replace(DOCTOR, actor="Practitioner/2", display="Dr Paul Autre")
ROLE = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-RoleCode", "code": "MTH"}]}
RESOURCES = (
    {"resourceType": "Patient", "id": "1", "birthDate": "2015-01-01", "name": [{"family": "Durand"}]},
    {"resourceType": "Practitioner", "id": "1", "name": [{"prefix": ["Dr"], "given": ["Claire"], "family": "Martin"}]},
    {"resourceType": "Practitioner", "id": "2", "name": [{"family": "Autre"}]},
    {"resourceType": "Device", "id": "tracker", "deviceName": [{"name": "Tension <plus>", "type": "model-name"}]},
    {"resourceType": "RelatedPerson", "id": "m", "patient": {"reference": "Patient/1"}, "relationship": [ROLE]},
    care_team("team", "1", "Practitioner/1"),
    record_consent("pairing", "1", "app-access", READS_MEASUREMENTS),
    *with_document("d", "1", "Compte rendu", 1),
)


@pytest.fixture
async def runtime(store: Any, clock: Any) -> Runtime:
    ids = iter(range(10**6))
    runtime = Runtime(store, clock, lambda: f"r{next(ids)}")
    for resource in RESOURCES:
        place = resource["resourceType"], resource["id"]
        await dispatch(Request("update", OPEN, *place, content=fhir_json.format(resource)), runtime)
    return runtime


@pytest.fixture
async def browser(authorization: Authorization, runtime: Runtime) -> AsyncIterator[Browser]:
    app = pages(authorization, "x", runtime)
    async with Browser(transport=httpx.ASGITransport(app=app), base_url=ISSUER) as browser:
        yield browser


async def may_read(grant: Grant, runtime: Runtime, reference: str = "Patient/1") -> bool:
    try:
        await dispatch(Request("read", grant, *reference.split("/")), runtime)
    except FhirError:
        return False
    return True


async def begin(authorization: Authorization, family: Family) -> None:
    await authorization.store.transact(lambda transaction: authorization.families.put(transaction, family))


def sections(page: httpx.Response) -> dict[str, str]:
    """The text of each section, tags and white space aside."""
    found = re.findall(r'<section aria-labelledby="([\w-]+)">(.*?)</section>', page.text, re.S)
    return {name: " ".join(html.unescape(re.sub(r"<[^>]*>", " ", text)).split()) for name, text in found}


async def press(browser: Browser, page: httpx.Response, act: str) -> httpx.Response:
    """Press the button of the page whose act begins like that, and show what comes after."""
    buttons = re.findall(r'<form method="post" action="/account/access"[^>]*>(.*?)</form>', page.text, re.S)
    (form,) = [one for one in buttons if f'name="act" value="{act}' in one]
    fields = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', form))
    value = re.findall(r'name="act" value="([^"]*)"', form)[0]
    done = await browser.post("/account/access", data={**fields, "act": html.unescape(value)})
    assert done.status_code == 303, done.text
    return await browser.get(done.headers["location"])


async def test_the_page_says_who_may_and_why_and_blocks_in_two_clicks(browser: Browser, runtime: Runtime) -> None:
    await browser.sign_in()
    page = await browser.get("/account/access")
    told = sections(page)
    assert told["may"].startswith("Peuvent voir ce dossier Dr Claire Martin – Membre de l'équipe de soins.")
    assert "RelatedPerson/m – C'est son dossier" in told["may"]
    question = await browser.get("/account/access/block", params={"who": "Practitioner/1"})
    assert "Aujourd’hui : <strong>Dr Claire Martin</strong> voit ce dossier." in question.text
    assert "ne voit pas ce dossier. Le patient a bloqué cet accès." in question.text
    assert await may_read(DOCTOR, runtime)
    page = await press(browser, question, "block Practitioner/1")
    assert not await may_read(DOCTOR, runtime)
    assert "Dr Claire Martin – Le patient a bloqué cet accès." in sections(page)["may-not"]
    page = await press(browser, page, "withdraw Consent/r")
    assert await may_read(DOCTOR, runtime)
    assert 'role="status"' in page.text


async def test_a_document_is_masked_and_shown_again(browser: Browser, runtime: Runtime) -> None:
    await browser.sign_in()
    page = await press(browser, await browser.get("/account/access"), "mask DocumentReference/d")
    assert "masqué aux professionnels" in sections(page)["documents"]
    assert not await may_read(DOCTOR, runtime, "DocumentReference/d")
    assert not await may_read(DOCTOR, runtime, "Observation/d-result")
    page = await press(browser, page, "show DocumentReference/d")
    assert "masqué" not in sections(page)["documents"]
    assert await may_read(DOCTOR, runtime, "Observation/d-result")


async def test_a_pairing_ends_with_the_tokens_of_the_app(
    browser: Browser, runtime: Runtime, authorization: Authorization, clock: Any
) -> None:
    tracker = Client(
        client_id="tracker",
        name="Tension",
        kind="public",
        scopes=("patient/*.rs",),
        redirect_uris=("https://t.example/",),
        purpose="care",
        catalogue="application",
    )
    await authorization.clients.register(tracker)
    ends = clock() + timedelta(hours=1)
    family = Family("f", "tracker", ("patient/*.rs",), ends, user_id="pat", patient_id="1")
    await begin(authorization, family)
    await browser.sign_in()
    page = await browser.get("/account/access", headers={"Accept-Language": "en"})
    assert sections(page)["apps"].startswith("Apps paired with this record Tension <plus> – reads measurements")
    page = await press(browser, page, "withdraw Consent/pairing")
    assert await authorization.families.of_user("pat") == []
    assert "Tension" not in sections(page)["apps"]


@pytest.mark.parametrize("category", ["mask-all", "no-break-glass", "no-regulation", "closing"])
async def test_the_whole_record_is_decided_about_and_opened_again(
    browser: Browser, runtime: Runtime, category: str
) -> None:
    await browser.sign_in()
    page = await press(browser, await browser.get("/account/access"), f"decide {category}")
    assert "Oui" in sections(page)["record"]
    assert await may_read(DOCTOR, runtime, "Observation/d-result") == (category in ("no-break-glass", "no-regulation"))
    page = await press(browser, page, "withdraw Consent/r")
    assert "Oui" not in sections(page)["record"]
    assert await may_read(DOCTOR, runtime, "Observation/d-result")


async def test_who_looked_is_told_and_his_own_visits_are_not(browser: Browser, runtime: Runtime) -> None:
    breaking = {"purpose_of_use": "bris_de_glace", "patient_id": "1", "reason": "Inconsciente aux urgences"}
    opened = replace(OTHER, **breaking, expires_at=runtime.now() + timedelta(minutes=5))
    assert await may_read(opened, runtime, "Observation/d-result")
    await browser.sign_in()
    await browser.get("/account/access")
    told = sections(await browser.get("/account/access"))["looks"]
    assert "Dr Paul Autre a lu Observation/d-result – Inconsciente aux urgences" in told
    assert "Pat Durand" not in told


async def test_a_form_of_another_site_does_nothing(browser: Browser, runtime: Runtime) -> None:
    await browser.sign_in()
    for fields in ({}, {"form_token": "x"}):
        answer = await browser.post("/account/access", data={**fields, "act": "block Practitioner/1"})
        assert answer.status_code == 403
    assert await may_read(DOCTOR, runtime)


async def test_nobody_who_is_not_signed_in_sees_or_does_anything(browser: Browser) -> None:
    page = await browser.get("/account/access")
    assert (page.status_code, "/sign-in" in page.headers["location"]) == (303, True)
    assert (await browser.get("/account/access/block", params={"who": "Practitioner/1"})).status_code == 403
    assert (await browser.post("/account/access", data={"act": "decide closing"})).status_code == 403


@pytest.mark.parametrize(
    "act",
    ["block nobody", "block Group/1", "withdraw Consent/none", "mask Patient/1", "mask Binary/x", "decide x", "fly"],
)
async def test_what_cannot_be_done_is_told(browser: Browser, act: str) -> None:
    await browser.sign_in()
    page = await browser.get("/account/access")
    token = re.findall(r'name="form_token" value="([^"]*)"', page.text)[0]
    answer = await browser.post("/account/access", data={"form_token": token, "act": act})
    assert answer.status_code in (400, 409)
    assert 'role="alert"' in answer.text


async def test_who_represents_the_patient_sees_and_decides(
    browser: Browser, runtime: Runtime, authorization: Authorization
) -> None:
    mother = User("m", "mum", "representative", "RelatedPerson/m", "Mme Durand", represents="1")
    await authorization.users.add(mother, "a third password")
    await browser.sign_in("mum", "a third password")
    page = await press(browser, await browser.get("/account/access"), "mask DocumentReference/d")
    assert "masqué" in sections(page)["documents"]
    assert not await may_read(DOCTOR, runtime, "DocumentReference/d")


async def test_a_professional_sees_the_banner_of_his_mode_and_ends_it(
    browser: Browser, authorization: Authorization, clock: Any
) -> None:
    await browser.sign_in("doc", "another password")
    assert "aucun accès en urgence" in (await browser.get("/account/access")).text
    context = LaunchContext(purpose_of_use="bris_de_glace", reason="Patient inconscient")
    ends = clock() + timedelta(minutes=10)
    family = Family("f", "app", ("user/*.rs",), ends, user_id="doc", patient_id="1", context=context)
    await begin(authorization, family)
    page = await browser.get("/account/access")
    assert 'class="alert emergency"><strong>Bris de glace en cours' in page.text
    assert "Motif : Patient inconscient" in page.text
    page = await press(browser, page, "end f")
    assert "aucun accès en urgence" in page.text
    assert await authorization.families.get("f") is None
