"""Spec: resource-operation-validate.html."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from msgspec.structs import replace

from fhir_server.access.grant import Grant, Scope
from fhir_server.foundation.operation_outcome import BadRequest, Forbidden, NotFound
from fhir_server.interactions.canonicals.profiling import Profiling
from fhir_server.interactions.request import Response, Runtime
from tests.operations.conftest import Ask, asked, parameters, parsed, patient

pytestmark = pytest.mark.anyio
WRONG = patient("1", gender="x")


def issues(response: Response) -> list[tuple[str, str]]:
    assert response.status == 200
    return [(issue["severity"], issue["code"]) for issue in parsed(response)["issue"]]


@pytest.fixture(autouse=True)
async def stored(store: Callable[..., Awaitable[None]]) -> None:
    await store(patient("1"))


@pytest.mark.parametrize("place", ["", "Patient", "Patient/1"])
async def test_validate_tells_and_stores_nothing(ask: Ask, place: str) -> None:
    assert issues(await ask("$validate", place, patient("1"))) == [("information", "informational")]
    assert issues(await ask("$validate", place, WRONG))[0][0] == "error"
    wrapped = parameters(resource={"resource": WRONG}, mode={"valueCode": "create"})
    assert issues(await ask("$validate", place, wrapped))[0][0] == "error"
    assert (await ask("read", "Patient/1")).version_id == 1


async def test_validate_what_is_stored(ask: Ask) -> None:
    assert issues(await ask("$validate", "Patient/1"))[0][0] == "information"
    assert issues(await ask("$validate", "Patient/1", mode="delete"))[0][0] == "information"
    with pytest.raises(NotFound):
        await ask("$validate", "Patient/x")
    with pytest.raises(BadRequest):
        await ask("$validate", "Patient")


async def test_validate_an_update_looks_at_the_id(ask: Ask) -> None:
    assert issues(await ask("$validate", "Patient/1", patient("2"), mode="update")) == [("error", "invalid")]
    assert issues(await ask("$validate", "Patient/1", patient("1"), mode="update"))[0][0] == "information"


async def test_validate_another_type_is_an_error(ask: Ask) -> None:
    assert issues(await ask("$validate", "Observation", patient("1")))[0][0] == "error"


async def test_validate_parameters_that_are_the_resource(ask: Ask) -> None:
    body = parameters(other={"valueString": "x"})
    assert issues(await ask("$validate", "Parameters", body)) == [("information", "informational")]


@pytest.mark.parametrize(
    "given", [{"mode": "profile"}, {"mode": "x"}, {"profile": ""}, {"other": "x"}, {"resource": "x"}]
)
async def test_validate_refuses_what_it_does_not_do(ask: Ask, given: dict[str, str]) -> None:
    with pytest.raises(BadRequest):
        await ask("$validate", "Patient/1", **given)


@pytest.mark.parametrize("part", [{"mode": {"valueInteger": 1}}, {"resource": {"valueString": "x"}}, {"mode": {}}])
async def test_validate_refuses_odd_parameters(ask: Ask, part: dict[str, Any]) -> None:
    with pytest.raises(BadRequest):
        await ask("$validate", "Patient", parameters(**part))


async def test_validate_asks_the_decision(runtime: Runtime) -> None:
    reader = Grant("patient", "Patient/1", "app", (Scope("patient", "*", frozenset("rs")),), patient_id="1")
    for mode in ("update", "delete"):
        with pytest.raises(Forbidden):
            await asked(runtime, "$validate", "Patient/1", patient("1"), grant=reader, parameters=(("mode", mode),))


@pytest.mark.spec("implementationguide-definitions.html#ImplementationGuide.global")
async def test_validate_asks_what_a_guide_demands_of_every_resource(runtime: Runtime) -> None:
    url = "http://example.org/StructureDefinition/named"
    named = {
        "resourceType": "StructureDefinition",
        "url": url,
        "type": "Patient",
        "derivation": "constraint",
        "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Patient",
        "differential": {"element": [{"path": "Patient.name", "min": 1}]},
    }
    guide: dict[str, Any] = {"status": "active", "global": [{"type": "Patient", "profile": url}]}
    profiling = Profiling(lambda canonical, kind: named if canonical == url else None)
    profiling.guides = lambda: [guide]
    knowing = replace(runtime, profiling=profiling)
    assert ("error", "required") in issues(await asked(knowing, "$validate", "Patient", patient("1")))
    assert profiling.wanted(patient("1")) == ()
    guide["status"] = "retired"
    profiling.forget([])
    assert ("error", "required") not in issues(await asked(knowing, "$validate", "Patient", patient("1")))
