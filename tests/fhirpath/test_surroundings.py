"""What the caller lends: clock, references, terminology, profiles, tracing, variables."""

from typing import Any

import pytest

from fhir_server import fhirpath
from fhir_server.fhirpath import Context, EvaluationFailed, Node
from tests.fhirpath.cases import NOW

BUNDLE: dict[str, Any] = {
    "resourceType": "Bundle",
    "entry": [
        {"fullUrl": "http://a/Patient/1", "resource": {"resourceType": "Patient", "id": "1"}},
        {
            "fullUrl": "http://a/Observation/2",
            "resource": {
                "resourceType": "Observation",
                "id": "2",
                "subject": {"reference": "Patient/1"},
                "performer": [{"reference": "urn:uuid:3"}, {"reference": "Practitioner/elsewhere"}],
            },
        },
        {"fullUrl": "urn:uuid:3", "resource": {"resourceType": "Practitioner", "id": "3"}},
    ],
}


def test_references_resolve_in_the_bundle_and_then_by_the_caller() -> None:
    asked: list[str] = []

    def resolve(reference: str) -> dict[str, Any] | None:
        asked.append(reference)
        return {"resourceType": "Practitioner", "id": "elsewhere"}

    context = Context(resolve=resolve)
    observation = fhirpath.evaluate("entry.resource.ofType(Observation)", BUNDLE)[0]
    assert [node.value["id"] for node in fhirpath.evaluate("subject.resolve()", observation, context)] == ["1"]
    found = fhirpath.evaluate("performer.resolve().where($this is Practitioner).id", observation, context)
    assert [node.value for node in found] == ["3", "elsewhere"]
    assert asked == ["Practitioner/elsewhere"]


def test_the_clock_stands_still_within_an_expression() -> None:
    context = Context(now=lambda: NOW)
    assert fhirpath.evaluate("now() = now() and today() = @2026-11-22", {}, context) == [True]
    assert str(fhirpath.evaluate("timeOfDay()", {}, context)[0]) == "10:00:00.123"


def test_terminology_is_the_callers() -> None:
    def member_of(item: Any, url: str) -> bool | None:
        return {"known": True, "other": False}.get(url)

    def subsumes(one: Node, other: Node) -> bool:
        return str(other.value).startswith(str(one.value))

    resource = {"resourceType": "Patient", "gender": "male", "language": "m"}
    context = Context(member_of=member_of, subsumes=subsumes)
    assert fhirpath.evaluate("gender.memberOf('known')", resource, context) == [True]
    assert fhirpath.evaluate("gender.memberOf('unknown')", resource, context) == []
    assert fhirpath.evaluate("language.subsumes(gender) and gender.subsumedBy(language)", resource, context) == [True]


def test_profiles_are_the_callers_but_for_fhirs_own_types() -> None:
    patient = {"resourceType": "Patient"}
    core = "http://hl7.org/fhir/StructureDefinition"
    assert fhirpath.evaluate(f"conformsTo('{core}/Patient')", patient) == [True]
    assert fhirpath.evaluate(f"conformsTo('{core}/Person')", patient) == [False]
    context = Context(conforms_to=lambda node, url: url == "urn:mine")
    assert fhirpath.evaluate("conformsTo('urn:mine')", patient, context) == [True]


def test_narratives_are_checked_by_the_caller() -> None:
    resource = {"resourceType": "Patient", "text": {"status": "generated", "div": "<div>x</div>"}}
    context = Context(checks_html=lambda text: text == "<div>x</div>")
    assert fhirpath.evaluate("text.div.htmlChecks()", resource, context) == [True]


def test_a_trace_is_told_and_changes_nothing() -> None:
    told: list[tuple[str, int]] = []
    context = Context(trace=lambda name, items: told.append((name, len(items))))
    assert fhirpath.evaluate("(1|2|3).trace('all').count()", {}, context) == [3]
    assert fhirpath.evaluate("(1|2).trace('twice', $this * 2).first()", {}, context) == [1]
    assert told == [("all", 3), ("twice", 2)]


def test_variables_are_resources_values_or_lists() -> None:
    context = Context(variables={"patient": {"resourceType": "Patient", "id": "x"}, "n": 2, "many": ["a", "b"]})
    assert fhirpath.evaluate("%patient.id & %n.toString() & %many.last()", {}, context) == ["x2b"]
    assert fhirpath.evaluate("%sct & %`vs-a`", {}) == ["http://snomed.info/scthttp://hl7.org/fhir/ValueSet/a"]


def test_a_defined_variable_ends_with_its_scope() -> None:
    text = "defineVariable('a', 1).select(%a + 1).first() + iif(true, defineVariable('a', 5).select(%a))"
    assert fhirpath.evaluate(text, {"resourceType": "Patient"}) == [7]


def test_modifier_extensions_that_are_not_known_are_an_error() -> None:
    observation = {"resourceType": "Observation", "modifierExtension": [{"url": "http://a"}, {"url": "http://b"}]}
    assert fhirpath.evaluate("checkModifiers('http://a', 'http://b').count()", observation) == [1]
    for expression in ("checkModifiers()", "Observation.checkModifiers('http://a')"):
        with pytest.raises(EvaluationFailed, match="modifier extension"):
            fhirpath.evaluate(expression, observation)
