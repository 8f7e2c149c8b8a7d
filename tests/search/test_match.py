from collections.abc import Iterable

import pytest

from fhir_server.search.condition import (
    ALWAYS,
    NEVER,
    And,
    Compare,
    Condition,
    Exists,
    Identity,
    Not,
    OfType,
    Or,
    Related,
    Same,
    Updated,
)
from fhir_server.search.index_row import COMPARTMENT, DATE, QUANTITY, REFERENCE, RELATION, STRING, TOKEN, IndexRow
from fhir_server.search.match import Alone, Subject, match

PATIENT = Subject(
    "Patient",
    "1",
    100,
    [
        (TOKEN, "gender", 0, "", "female"),
        (STRING, "name", 0, "helene durand", "Hélène Durand"),
        (DATE, "birthdate", 0, 10, 20),
        (COMPARTMENT, "Patient", 0, "1"),
    ],
)
PRESSURE = Subject(
    "Observation",
    "2",
    200,
    [
        (TOKEN, "component-code-value-quantity", 1, "loinc", "systolic"),
        (QUANTITY, "component-code-value-quantity", 1, 140.0, 141.0, "", "mm[Hg]"),
        (TOKEN, "component-code-value-quantity", 2, "loinc", "diastolic"),
        (QUANTITY, "component-code-value-quantity", 2, 90.0, 91.0, "", "mm[Hg]"),
        (TOKEN, "code", 0, "loinc", "85354-9"),
        (REFERENCE, "subject", 0, "Patient", "1", ""),
        (COMPARTMENT, "Patient", 0, "1"),
    ],
)
FEMALE = Compare(TOKEN, "gender", (("code", "eq", "female"),))


class Two:
    """A world of the patient and the observation."""

    now = 50

    def find(self, resource_type: str, resource_id: str) -> Subject | None:
        return next(
            (s for s in (PATIENT, PRESSURE) if (s.resource_type, s.resource_id) == (resource_type, resource_id)), None
        )

    def all_of_type(self, resource_type: str) -> Iterable[Subject]:
        return [s for s in (PATIENT, PRESSURE) if s.resource_type == resource_type]

    def relations(self) -> Iterable[IndexRow]:
        return [(RELATION, "care-team", 0, "Practitioner/9", "1", 0, 60)]


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (ALWAYS, True),
        (NEVER, False),
        (FEMALE, True),
        (Not(FEMALE), False),
        (And((FEMALE, NEVER)), False),
        (Or((NEVER, FEMALE)), True),
        (Compare(TOKEN, "gender"), True),
        (Compare(TOKEN, "deceased"), False),
        (Compare(TOKEN, "gender", (("code", "in", ("male", "female")),)), True),
        (Compare(TOKEN, "gender", (("code", "ne", "female"),)), False),
        (Compare(STRING, "name", (("folded", "prefix", "hel"),)), True),
        (Compare(STRING, "name", (("folded", "contains", "dur"),)), True),
        (Compare(STRING, "name", (("exact", "eq", "helene durand"),)), False),
        (Compare(DATE, "birthdate", (("low", "ge", 10), ("high", "le", 20))), True),
        (Compare(DATE, "birthdate", (("low", "gt", 10), ("high", "lt", 30))), False),
        (Identity(("7", "1")), True),
        (Identity(()), False),
        (Updated((("last_updated", "ge", 100), ("last_updated", "lt", 101))), True),
        (Updated((("last_updated", "gt", 100),)), False),
        (OfType(("Patient",)), True),
        (OfType(("Observation",)), False),
    ],
)
def test_one_resource(condition: Condition, expected: bool) -> None:
    assert match(condition, PATIENT) is expected


@pytest.mark.spec("search.html#composite")
def test_same_wants_one_element() -> None:
    def pressure(code: str, value: float) -> Same:
        parameter = "component-code-value-quantity"
        return Same(
            (
                Compare(TOKEN, parameter, (("code", "eq", code),)),
                Compare(QUANTITY, parameter, (("low", "le", value), ("high", "gt", value))),
            )
        )

    assert match(pressure("systolic", 140), PRESSURE)
    assert not match(pressure("diastolic", 140), PRESSURE)


@pytest.mark.spec("search.html#chaining")
def test_exists_follows_references_forward_and_backward() -> None:
    forward = Exists("subject", "Patient", FEMALE)
    backward = Exists("subject", "Observation", Compare(TOKEN, "code"), is_reverse=True)
    assert match(forward, PRESSURE, Two())
    assert not match(Exists("subject", "Patient", NEVER), PRESSURE, Two())
    assert not match(Exists("subject", "Group", ALWAYS), PRESSURE, Two())
    assert match(backward, PATIENT, Two())
    assert not match(Exists("performer", "Observation", ALWAYS, is_reverse=True), PATIENT, Two())
    assert not match(forward, PRESSURE)
    assert not match(backward, PATIENT)


def test_related_asks_ground_actor_patient_and_time() -> None:
    related = Related(("Practitioner/9",), ("care-team",))
    assert match(related, PRESSURE, Two())
    assert not match(Related(("Practitioner/8",), ("care-team",)), PRESSURE, Two())
    assert not match(Related(("Practitioner/9",), ("consent",)), PRESSURE, Two())
    assert not match(related, Subject("Observation", "3", 0, []), Two())
    rows = tuple(Two().relations())
    assert match(related, PRESSURE, Alone(0, rows))
    assert not match(related, PRESSURE, Alone(60, rows))
