"""`$fhirpath` in the form of the FHIRPath Lab."""

import json
from collections.abc import Awaitable, Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from fhir_server.access.grant import OPEN, Grant, Scope
from fhir_server.conformance.publish import definitions
from fhir_server.foundation import fhir_json
from fhir_server.foundation.operation_outcome import BadRequest, FhirError, Forbidden, TooCostly, Unprocessable
from fhir_server.interactions.canonicals.profiling import Profiling
from fhir_server.interactions.request import Request, Runtime
from fhir_server.operations.fhirpath.evaluate import evaluate as operate
from fhir_server.validation.validate import validate
from tests.fhirpath.cases import CASES, javascript, official
from tests.operations.conftest import Ask, asked, parameters, parsed

pytestmark = pytest.mark.anyio
PATIENT = {
    "resourceType": "Patient",
    "id": "1",
    "name": [{"family": "Durand", "given": ["Zoé", "Ève"]}, {"text": "Z"}],
    "contact": [{"gender": "female"}],
    "birthDate": "1980-02",
    "_birthDate": {"extension": [{"url": "http://x", "valueString": "y"}]},
    "active": True,
}
WRONG = {"resourceType": "Patient", "x": 1}
XML = '<Patient xmlns="http://hl7.org/fhir"><id value="1"/></Patient>'
JSON_VALUE = "http://fhir.forms-lab.com/StructureDefinition/json-value"
Evaluate = Callable[..., Awaitable[list[dict[str, Any]]]]


@pytest.fixture
def results(runtime: Runtime) -> Evaluate:
    """Evaluate on the patient; the results, after the whole answer was found to be FHIR."""

    async def results(expression: str, **named: Any) -> list[dict[str, Any]]:
        given = {"expression": {"valueString": expression}, "resource": {"resource": PATIENT}, **named}
        answer = fhir_json.parse((await asked(runtime, "$fhirpath", "", parameters(**given))).content)
        validate(answer, expected_type="Parameters")
        assert answer["id"] == "fhirpath"
        assert answer["parameter"][0]["name"] == "parameters"
        return [one for one in answer["parameter"] if one["name"] == "result"]

    return results


def told(part: dict[str, Any]) -> tuple[str, Any, str]:
    """Type, value and path of a part."""
    path = next((e["valueString"] for e in part.get("extension", ()) if e["url"].endswith("resource-path")), "")
    return part["name"], next((v for k, v in part.items() if k.startswith("value")), part.get("resource")), path


@pytest.mark.spec("fhirpath.html")
@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("name.family", ("string", "Durand", "Patient.name[0].family")),
        ("name[0].given[1]", ("string", "Ève", "Patient.name[0].given[1]")),
        ("name[1]", ("HumanName", {"text": "Z"}, "Patient.name[1]")),
        ("birthDate", ("date", "1980-02", "Patient.birthDate")),
        ("active and true", ("boolean", True, "")),
        ("1 + 1", ("integer", 2, "")),
        ("1.50", ("decimal", Decimal("1.50"), "")),
        ("''", ("empty-string", None, "")),
        ("@2020-01-01", ("date", "2020-01-01", "")),
        ("@T10:30:00", ("time", "10:30:00", "")),
        ("4 'mg'", ("Quantity", {"value": 4, "unit": "mg", "system": "http://unitsofmeasure.org", "code": "mg"}, "")),
        ("2 days", ("Quantity", {"value": 2, "unit": "days"}, "")),
        ("$this", ("Patient", PATIENT, "Patient")),
        ("%a & %resource.id", ("string", "v1", "")),
        ("'<script/>'.htmlChecks()", ("boolean", False, "")),
    ],
)
async def test_an_item_has_its_type_and_its_place(results: Evaluate, expression: str, expected: Any) -> None:
    variables = {"part": [{"name": "a", "valueString": "v"}, {"name": "n", "valueHumanName": {"family": "F"}}]}
    (result,) = await results(expression, variables=variables)
    assert [told(part) for part in result["part"]] == [expected]


async def test_what_parameters_cannot_hold_is_json(results: Evaluate) -> None:
    for expression, name, value in (
        ("contact", "Patient.contact", {"gender": "female"}),
        ("3000000000L", "Long", 3_000_000_000),
        ("1.type()", "TypeInfo", {"namespace": "System", "name": "Integer"}),
    ):
        (result,) = await results(expression)
        (part,) = result["part"]
        assert part["name"] == name
        (text,) = (one["valueString"] for one in part["extension"] if one["url"] == JSON_VALUE)
        assert json.loads(text) == value
    (result,) = await results("@2020-01-01T10")
    assert result["part"][0]["extension"] == [{"url": JSON_VALUE, "valueString": "2020-01-01T10"}]


async def test_each_context_has_its_result_and_traces(results: Evaluate) -> None:
    first, second = await results("given.trace('g').join('+')", context={"valueString": "name"})
    assert (first["valueString"], second["valueString"]) == ("Patient.name[0]", "Patient.name[1]")
    assert told(first["part"][0]) == ("string", "Zoé+Ève", "")
    trace = first["part"][1]
    assert (trace["name"], trace["valueString"]) == ("trace", "g")
    assert [told(part) for part in trace["part"]] == [
        ("string", "Zoé", "Patient.name[0].given[0]"),
        ("string", "Ève", "Patient.name[0].given[1]"),
    ]
    assert await results("1", context={"valueString": "photo"}) == []


async def test_terminology_is_asked(results: Evaluate) -> None:
    (result,) = await results("gender.memberOf('http://hl7.org/fhir/ValueSet/administrative-gender')")
    assert "part" not in result
    (result,) = await results("contact.gender.memberOf('http://hl7.org/fhir/ValueSet/administrative-gender')")
    assert told(result["part"][0]) == ("boolean", True, "")


async def test_profiles_are_asked(runtime: Runtime) -> None:
    url = "http://example.org/StructureDefinition/named"
    named = {
        "resourceType": "StructureDefinition",
        "url": url,
        "type": "Patient",
        "derivation": "constraint",
        "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Patient",
        "differential": {"element": [{"id": "Patient.photo", "path": "Patient.photo", "min": 1}]},
    }
    profiling = Profiling(lambda canonical, resource_type: named if canonical == url else None)
    knowing = replace(runtime, profiling=profiling)
    for profile, expected in ((url, False), ("http://hl7.org/fhir/StructureDefinition/Patient", True)):
        given = {"expression": {"valueString": f"conformsTo('{profile}')"}, "resource": {"resource": PATIENT}}
        answer = parsed(await asked(knowing, "$fhirpath", "", parameters(**given)))
        assert told(answer["parameter"][1]["part"][0])[1] is expected
    given = {"expression": {"valueString": "conformsTo('http://unknown')"}, "resource": {"resource": PATIENT}}
    with pytest.raises(Unprocessable, match="not known"):
        await asked(knowing, "$fhirpath", "", parameters(**given))


async def test_a_resource_as_text_and_a_stored_one(runtime: Runtime, results: Evaluate, ask: Ask, store: Any) -> None:
    for kind, text in (
        ("json", json.dumps(PATIENT)),
        ("xml", '<Patient xmlns="http://hl7.org/fhir"><id value="1"/></Patient>'),
    ):
        url = f"http://fhir.forms-lab.com/StructureDefinition/{kind}-value"
        (result,) = await results("id", resource={"extension": [{"url": url, "valueString": text}]})
        assert told(result["part"][0])[1] == "1"
    await store(PATIENT)
    answer = parsed(await ask("$fhirpath", "Patient/1", expression="name.family"))
    assert told(answer["parameter"][1]["part"][0])[1] == "Durand"
    other = Grant("patient", "Patient/2", "app", (Scope("patient", "Device", frozenset("rs")),), patient_id="2")
    with pytest.raises(Forbidden):
        await asked(runtime, "$fhirpath", "Patient/1", grant=other, parameters=(("expression", "id"),))


async def test_a_strict_reading_and_the_tree(runtime: Runtime) -> None:
    given = {
        "expression": {"valueString": "nam"},
        "resource": {"resource": PATIENT},
        "validate": {"valueBoolean": True},
    }
    answer = parsed(await asked(runtime, "$fhirpath", "", parameters(**given)))
    echo = {part["name"]: part for part in answer["parameter"][0]["part"]}
    assert "'nam' is no element" in echo["parseDebug"]["valueString"]
    assert json.loads(echo["parseDebugTree"]["valueString"])["Name"] == "nam"


@pytest.mark.parametrize(
    ("given", "refusal"),
    [
        ({"expression": {"valueString": "1 +"}}, BadRequest),
        ({"expression": {"valueInteger": 1}}, BadRequest),
        ({"expression": {"valueString": "name.single()"}}, Unprocessable),
        ({"expression": {"valueString": "repeatAll($this)"}}, TooCostly),
        ({"expression": {"valueString": "%unknown"}}, Unprocessable),
        ({"expression": {"valueString": "1"}, "context": {"valueString": "1 + 1"}}, BadRequest),
        ({"expression": {"valueString": "1"}, "resource": {"valueString": "x"}}, BadRequest),
        (
            {"expression": {"valueString": "1"}, "resource": {"resource": WRONG}},
            FhirError,
        ),
        ({"expression": {"valueString": "1"}, "surprise": {"valueString": "x"}}, BadRequest),
        ({}, BadRequest),
    ],
)
async def test_refusals(runtime: Runtime, given: dict[str, Any], refusal: Any) -> None:
    with pytest.raises(refusal):
        await asked(runtime, "$fhirpath", "", parameters(**{"resource": {"resource": PATIENT}, **given}))


@pytest.mark.skipif(not CASES.is_dir(), reason="the public FHIRPath cases are not beside the repository")
async def test_whatever_is_answered_is_fhir(runtime: Runtime) -> None:
    """The public cases, many of odd values, through the operation."""
    answered = 0
    for case in (*official(), *javascript()):
        if case.resource.get("resourceType", "Basic") == "Basic" or case.base or case.start or case.variables:
            continue
        given = {"expression": {"valueString": case.expression}, "resource": {"resource": case.resource}}
        try:
            response = await operate(Request("$fhirpath", OPEN, resource=parameters(**given)), runtime)
        except FhirError as refusal:
            assert refusal.status < 500  # noqa: PT017 - an answer is right, and so is a refusal
        else:
            validate(fhir_json.parse(response.content), expected_type="Parameters")
            answered += 1
    assert answered > 500


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("securityLabel.slice('{profile}', 'visibility').coding.code", ["MASQUE_PS"]),
        ("securityLabel.slice('{profile}', 'none')", []),
        ("subject.slice('{profile}', 'visibility')", []),
        ("subject.elementDefinition().path", ["DocumentReference.subject"]),
        ("content.attachment.url.elementDefinition().type.code", ["url"]),
        ("elementDefinition().path", ["DocumentReference"]),
        ("'text'.elementDefinition()", []),
    ],
)
async def test_definitions_of_elements_and_slices(runtime: Runtime, expression: str, expected: list[str]) -> None:
    known = {(one.get("url"), one["resourceType"]): one for one in definitions()}
    knowing = replace(runtime, profiling=Profiling(lambda canonical, kind: known.get((canonical, kind))))
    profile = "https://fhir-server.example.fr/fhir/StructureDefinition/masked-document"
    example = Path(__file__).parents[3] / "profiles/dossier/examples/document-masked.json"
    given = {
        "expression": {"valueString": expression.replace("{profile}", profile)},
        "resource": {"resource": fhir_json.parse(example.read_bytes())},
    }
    answer = parsed(await asked(knowing, "$fhirpath", "", parameters(**given)))
    assert [told(part)[1] for part in answer["parameter"][1].get("part", ())] == expected
    given["expression"] = {"valueString": "subject.slice('http://unknown', 'x')"}
    with pytest.raises(Unprocessable, match="not known"):
        await asked(knowing, "$fhirpath", "", parameters(**given))
