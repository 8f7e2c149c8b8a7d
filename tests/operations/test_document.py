"""Spec: composition-operation-document.html."""

from collections.abc import Awaitable, Callable

import pytest

from fhir_server.access.grant import Grant, Scope
from fhir_server.foundation.operation_outcome import BadRequest, Forbidden, MethodNotAllowed, NotFound
from fhir_server.interactions.request import Runtime
from fhir_server.validation.validate import validate
from tests.operations.conftest import BASE_URL, Ask, asked, observation, parameters, parsed, patient

pytestmark = pytest.mark.anyio
COMPOSITION = {
    "resourceType": "Composition",
    "id": "c",
    "status": "final",
    "type": {"text": "Compte rendu"},
    "subject": {"reference": "Patient/1"},
    "date": "2026-01-01",
    "author": [{"reference": "Practitioner/doctor"}, {"reference": "http://elsewhere.example.fr/Practitioner/9"}],
    "title": "Compte rendu",
    "section": [{"entry": [{"reference": "Observation/o"}, {"reference": "Observation/gone"}]}],
}


@pytest.fixture(autouse=True)
async def stored(store: Callable[..., Awaitable[None]]) -> None:
    await store(
        COMPOSITION,
        patient("1"),
        {"resourceType": "Practitioner", "id": "doctor"},
        observation("o", performer=[{"reference": "Organization/lab"}]),
        {"resourceType": "Organization", "id": "lab", "name": "Laboratoire"},
        observation("unrelated"),
    )


async def test_document_is_the_composition_and_all_it_leads_to(ask: Ask) -> None:
    body = parsed(await ask("$document", "Composition/c"))
    validate(body)
    assert body["type"] == "document"
    names = [entry["fullUrl"].removeprefix(f"{BASE_URL}/") for entry in body["entry"]]
    assert names[0] == "Composition/c"
    assert set(names) == {"Composition/c", "Patient/1", "Practitioner/doctor", "Observation/o", "Organization/lab"}
    by_type = parsed(await ask("$document", "Composition", id="Composition/c"))
    assert [entry["fullUrl"] for entry in by_type["entry"]] == [entry["fullUrl"] for entry in body["entry"]]


async def test_document_is_stored_when_that_is_asked(ask: Ask) -> None:
    stored = parsed(await ask("$document", "Composition/c", parameters(persist={"valueBoolean": True})))
    assert parsed(await ask("read", f"Bundle/{stored['id']}"))["entry"] == stored["entry"]
    with pytest.raises(MethodNotAllowed):
        await ask("$document", "Composition/c", persist="true")


async def test_document_refusals(ask: Ask) -> None:
    with pytest.raises(NotFound):
        await ask("$document", "Composition/x")
    for given in ({"graph": "http://x"}, {"persist": "x"}, {"other": "x"}):
        with pytest.raises(BadRequest):
            await ask("$document", "Composition/c", **given)
    for name in ("", "Patient/1", "http://elsewhere.example.fr/Composition/c"):
        with pytest.raises(BadRequest):
            await ask("$document", "Composition", id=name)


async def test_document_shows_what_the_grant_reaches(runtime: Runtime) -> None:
    scopes = tuple(Scope("patient", name, frozenset("rs")) for name in ("Composition", "Patient"))
    grant = Grant("patient", "Patient/1", "app", scopes, patient_id="1")
    body = parsed(await asked(runtime, "$document", "Composition/c", grant=grant))
    assert [entry["resource"]["id"] for entry in body["entry"]] == ["c", "1"]
    persisting = parameters(persist={"valueBoolean": True})
    with pytest.raises(Forbidden):
        await asked(runtime, "$document", "Composition/c", persisting, grant=grant)
