"""Patients: whose resources a condition asks for, as far as it tells itself.

Most questions are about one patient: a backend then knows where to look, and whose relations to ask for once.
"""

from fhir_server.search.condition import Compare, Condition, Identity, Or, Test
from fhir_server.search.index_row import COMPARTMENT, REFERENCE
from fhir_server.storage.rank import parts


def patients_of(resource_type: str, condition: Condition) -> frozenset[str] | None:
    """Return the ids of the patients that the condition asks for, or None when it may hold for others' resources."""
    asked = (_patients(resource_type, part) for part in parts(condition))
    return min((ids for ids in asked if ids is not None), key=len, default=None)


def patient_of(resource_type: str, condition: Condition) -> str:
    """Return the id of the one patient that the condition asks for, "" when it names none, or several."""
    asked = patients_of(resource_type, condition) or ()
    return next(iter(asked)) if len(asked) == 1 else ""


def _patients(resource_type: str, condition: Condition) -> frozenset[str] | None:
    if isinstance(condition, Or):
        each = [patients_of(resource_type, part) for part in condition.conditions]
        known = [ids for ids in each if ids is not None]
        return frozenset().union(*known) if known and len(known) == len(each) else None
    if isinstance(condition, Identity):
        return frozenset(condition.resource_ids) if resource_type == "Patient" else None
    return _patient_ids(condition) if isinstance(condition, Compare) else None


def _patient_ids(condition: Compare) -> frozenset[str] | None:
    if condition.family == COMPARTMENT and condition.parameter == "Patient":
        return named(condition.tests, "compartment_id")
    if condition.family == REFERENCE and ("target_type", "eq", "Patient") in condition.tests:
        return named(condition.tests, "target_id")
    return None


def named(tests: tuple[Test, ...], column: str) -> frozenset[str] | None:
    """Return the values of which a column has one, None when the tests do not tell."""
    for name, operator, value in tests:
        if name == column and operator in ("eq", "in"):
            return frozenset((value,) if operator == "eq" else value)
    return None
