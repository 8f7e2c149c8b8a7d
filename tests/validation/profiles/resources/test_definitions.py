"""Conformance resources are checked too: what they name, derive from and map."""

from typing import Any

import pytest

from fhir_server.terminology.terminology import Terminology
from fhir_server.validation.profiles.profile import Profiles
from fhir_server.validation.profiles.run import Environment
from fhir_server.validation.profiles.validate import validate_profiles

Resource = dict[str, Any]
COLOURS = "http://example.org/CodeSystem/colours"
LIGHT = "http://example.org/ValueSet/light"
KNOWN: dict[str, Resource] = {
    COLOURS: {
        "resourceType": "CodeSystem",
        "url": COLOURS,
        "status": "active",
        "content": "complete",
        "property": [{"code": "warm", "type": "boolean"}, {"code": "near", "type": "Coding"}],
        "concept": [{"code": "red", "display": "Red"}, {"code": "white"}],
    },
    LIGHT: {
        "resourceType": "ValueSet",
        "url": LIGHT,
        "status": "active",
        "compose": {"include": [{"system": COLOURS, "concept": [{"code": "white"}]}]},
    },
    "http://example.org/SearchParameter/name": {
        "resourceType": "SearchParameter",
        "type": "string",
        "base": ["Patient"],
    },
    "http://example.org/StructureDefinition/p": {"resourceType": "StructureDefinition", "type": "Patient"},
}


def found(resource: Resource) -> list[tuple[str, str]]:
    def resolve(canonical: str, resource_type: str = "") -> Resource | None:
        one = KNOWN.get(canonical)
        return one if one is not None and resource_type in ("", one["resourceType"]) else None

    terminology = Terminology(resolve)
    environment = Environment(Profiles(resolve), terminology.contains, terminology.validate_in_system)
    issues = validate_profiles(resource, [], environment)
    return [(issue.message_id, issue.expression[0]) for issue in issues if issue.message_id != "invariant"]


def value_set(**include: Any) -> Resource:
    return {"resourceType": "ValueSet", "status": "active", "compose": {"include": [{"system": COLOURS, **include}]}}


def concept_map(code: str, target: str) -> Resource:
    element = {"code": code, "target": [{"code": target, "equivalence": "equal"}]}
    return {
        "resourceType": "ConceptMap",
        "status": "active",
        "sourceCanonical": LIGHT,
        "group": [{"source": COLOURS, "target": COLOURS, "element": [element]}],
    }


def profile(**more: Any) -> Resource:
    return {
        "resourceType": "StructureDefinition",
        "url": "http://example.org/StructureDefinition/q",
        "name": "Q",
        "status": "active",
        "kind": "resource",
        "abstract": False,
        "type": "Patient",
        "derivation": "constraint",
        "baseDefinition": "http://example.org/StructureDefinition/p",
        **more,
    }


def differential(**element: Any) -> Resource:
    return {"element": [{"id": "Patient", "path": "Patient"}, {"id": "x", "path": "Patient.name", **element}]}


def parameter(**more: Any) -> Resource:
    return {
        "resourceType": "SearchParameter",
        "url": "http://example.org/SearchParameter/given",
        "name": "G",
        "status": "active",
        "description": "x",
        "code": "given",
        "base": ["Patient"],
        "type": "string",
        "derivedFrom": "http://example.org/SearchParameter/name",
        **more,
    }


@pytest.mark.parametrize(
    "resource",
    [
        value_set(concept=[{"code": "red"}]),
        concept_map("white", "red"),
        profile(differential=differential()),
        parameter(),
    ],
    ids=lambda one: str(one["resourceType"]),
)
def test_right_ones_are_right(resource: Resource) -> None:
    assert found(resource) == []


@pytest.mark.spec("valueset.html")
@pytest.mark.parametrize(
    ("resource", "message_id", "expression"),
    [
        (value_set(system="#c"), "system-relative", "ValueSet.compose.include[0].system"),
        (value_set(system=LIGHT), "system-value-set", "ValueSet.compose.include[0].system"),
        (value_set(concept=[{"code": "blue"}]), "concept-unknown", "ValueSet.compose.include[0].concept[0]"),
        (
            value_set(filter=[{"property": "warm", "op": "=", "value": "1"}]),
            "condition-value",
            "ValueSet.compose.include[0].filter[0]",
        ),
        (
            value_set(filter=[{"property": "near", "op": "=", "value": f"{COLOURS}#blue"}]),
            "condition-value",
            "ValueSet.compose.include[0].filter[0]",
        ),
        (value_set() | {"url": "ValueSet/1"}, "canonical-relative", "ValueSet.url"),
        (concept_map("red", "red"), "binding-required", "ConceptMap.group[0].element[0].code"),
        (concept_map("white", "blue"), "code-unknown", "ConceptMap.group[0].element[0].target[0].code"),
        (profile(type="Unheard"), "definition-type", "StructureDefinition.type"),
        (profile(type="Observation"), "definition-constraint", "StructureDefinition.type"),
        (profile(derivation="specialization"), "definition-special", "StructureDefinition.type"),
        (
            profile(differential={"element": [{"id": "x", "path": "Observation"}]}),
            "definition-path",
            "StructureDefinition.differential.element[0].path",
        ),
        (
            profile(
                differential=differential(
                    type=[{"code": "HumanName", "profile": ["http://hl7.org/fhir/StructureDefinition/Age"]}]
                )
            ),
            "definition-profile",
            "StructureDefinition.differential.element[1].type[0].profile[0]",
        ),
        (
            profile(
                differential=differential(
                    constraint=[{"key": "a", "severity": "error", "human": "x", "expression": "a..b"}]
                )
            ),
            "expression",
            "StructureDefinition.differential.element[1].constraint[0].expression",
        ),
        (parameter(expression="Patient.("), "expression", "SearchParameter.expression"),
        (parameter(type="token"), "derived-type", "SearchParameter.type"),
        (parameter(base=["Practitioner"]), "derived-base", "SearchParameter.base"),
        (
            {**KNOWN[COLOURS], "concept": [{"code": "red", "property": [{"code": "warm", "valueString": "yes"}]}]},
            "property-type",
            "CodeSystem.concept[0].property[0]",
        ),
        ({**KNOWN[COLOURS], "content": "supplement"}, "supplement", "CodeSystem.supplements"),
    ],
)
def test_a_mistake_is_found_where_it_is(resource: Resource, message_id: str, expression: str) -> None:
    assert (message_id, expression) in found(resource)


def test_a_wrong_display_is_a_warning() -> None:
    coding = {"system": COLOURS, "code": "red", "display": "Blue"}
    basic = {"resourceType": "Basic", "code": {"coding": [coding]}}
    assert found(basic) == [("display", "Basic.code.coding[0].display")]


def test_narratives_and_ids() -> None:
    div = '<div xmlns="http://www.w3.org/1999/xhtml"><a href="#b" role="x">b</a><p id="c">c</p><p id="c">d</p></div>'
    basic: Resource = {
        "resourceType": "Basic",
        "text": {"status": "generated", "div": div},
        "code": {"id": "1", "text": "x"},
        "identifier": [{"id": "1", "value": "y"}],
    }
    assert {message_id for message_id, _ in found(basic)} == {
        "narrative-attribute",
        "narrative-id",
        "narrative-link",
        "duplicate-id",
    }


def test_what_a_search_found_has_an_id() -> None:
    entry = {"fullUrl": "http://example.org/Basic/1", "resource": {"resourceType": "Basic", "code": {"text": "x"}}}
    bundle = {"resourceType": "Bundle", "type": "searchset", "entry": [entry]}
    assert ("bundle-result-id", "Bundle.entry[0].resource") in found(bundle)
