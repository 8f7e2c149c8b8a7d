"""Refusals name the place and how to mend it; the check before evaluation finds names that do not exist."""

import pytest

from fhir_server import fhirpath
from fhir_server.fhirpath import EvaluationFailed, InvalidExpression

PATIENT = {"resourceType": "Patient", "name": [{"family": "A"}, {"family": "B"}]}


@pytest.mark.parametrize(
    ("text", "position", "words"),
    [
        ("", 0, "a value or a path is missing"),
        ("name.", 5, "a name is missing"),
        ("name.frist()", 5, "Do you mean first()?"),
        ("name where", 5, "an operator is missing"),
        ("'open", 0, "end it with '"),
        ("1 + /* open", 4, "end it with */"),
        ("name[0", 6, "']' is missing"),
        ("@2019-02-30", 0, "no day or hour"),
        ("@T14:34:28Z", 10, "an operator is missing"),
        ("and true", 0, "is an operator"),
        ("name is Nothing", 5, "no type"),
        ("name.ofType('x')", 12, "name of a type"),
        ("name.first(1)", 5, "takes 0 arguments, not 1"),
        ("$that", 0, "only $this"),
        ("name ? 1", 5, "no meaning"),
    ],
)
def test_a_wrong_text_is_refused_at_its_place(text: str, position: int, words: str) -> None:
    with pytest.raises(InvalidExpression) as refusal:
        fhirpath.compile(text)
    assert refusal.value.position == position
    assert words in str(refusal.value)
    assert refusal.value.status == 400


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name.given1", "no element of HumanName"),
        ("Encounter.name", "no element of Patient"),
        ("deceasedBoolean", "deceased.ofType(boolean)"),
        ("(deceased as Period).unit", "no element of Period"),
        ("children().first()", "no order"),
        ("descendants()[0]", "no order"),
        ("name.upper()", "takes strings"),
        ("@2020 + 1", "give it a unit"),
        ("name.where(givn = 'A')", "no element of HumanName"),
        ("contact.telecom.select(valu)", "no element of ContactPoint"),
        ("birthDate.year", "no element of date"),
    ],
)
def test_a_strict_check_finds_what_cannot_be(text: str, words: str) -> None:
    fhirpath.compile(text)
    with pytest.raises(InvalidExpression) as refusal:
        fhirpath.compile(text, root_type="Patient", is_strict=True)
    assert words in str(refusal.value)


@pytest.mark.parametrize(
    "text",
    [
        "Patient.name.given.first() + 'x'",
        "contained.id | contained.name",
        "extension.value.unit",
        "birthDate.extension('x').value.exists()",
        "deceased.ofType(boolean) or deceased is dateTime",
        "name.select(given | family).distinct()",
        "managingOrganization.resolve().name",
        "%resource.anything",
        "resourceType = 'Patient'",
        "link.other.resolve().ofType(Patient).birthDate",
    ],
)
def test_a_strict_check_lets_pass_what_can_be(text: str) -> None:
    fhirpath.compile(text, root_type="Patient", is_strict=True)


def test_a_strict_check_starts_from_a_path() -> None:
    fhirpath.compile("name.family", root_type="Patient.contact", is_strict=True)
    fhirpath.compile("unit", root_type="Observation.value[x]", is_strict=True)
    with pytest.raises(InvalidExpression, match="no type or path"):
        fhirpath.compile("name", root_type="Patient.nothing", is_strict=True)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name.single()", "2 items"),
        ("name.family.upper()", "takes one item"),
        ("name.family + 'x'", "takes one item"),
        ("1 < 'a'", "no order between them"),
        ("1 + 'a'", "fit each other"),
        ("-'a'", "takes a number"),
        ("%nothing", "%nothing is not known"),
        ("now()", "needs 'now'"),
        ("id.memberOf('x')", ""),
        ("name.first().memberOf('x')", "needs 'memberOf'"),
        ("'a'.matches('(')", "no regular expression"),
        ("'a'.matches('a(?=b)')", "look-around"),
        ("name as HumanName", "ofType()"),
        ("@2020 + 1 'cm'", "calendar unit"),
    ],
)
def test_an_evaluation_that_cannot_be_is_refused(text: str, words: str) -> None:
    if not words:
        assert fhirpath.evaluate(text, PATIENT) == []
        return
    with pytest.raises(EvaluationFailed) as refusal:
        fhirpath.evaluate(text, PATIENT)
    assert words in str(refusal.value)
    assert refusal.value.status == 422


def test_as_filters_when_asked() -> None:
    expression = fhirpath.compile("(name as HumanName).family", is_as_filter=True)
    assert [node.value for node in expression(PATIENT)] == ["A", "B"]
    assert len(fhirpath.compile("name.as(HumanName)", is_as_filter=True)(PATIENT)) == 2
