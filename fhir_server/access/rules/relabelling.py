"""Relabelling: who takes a visibility label away, and which labels one item does not carry together.

Spec: CSP R.1111-49 (masking); EX_2.1-1050 (labels that exclude each other), TD3.3a and TD3.3b (DMP)
"""

from typing import Any

import msgspec

from fhir_server.access.authors import author_rows
from fhir_server.access.callers import PERSONAL_KINDS, is_himself
from fhir_server.access.grant import Grant
from fhir_server.access.labels import (
    HIDDEN_FROM_PATIENT,
    HIDDEN_FROM_PROFESSIONALS,
    HIDDEN_FROM_REPRESENTATIVES,
    label_rows,
)
from fhir_server.access.rows import AUTHOR, reference_row
from fhir_server.foundation.operation_outcome import Forbidden, Unprocessable


class Relabelling(msgspec.Struct, frozen=True):
    """The labels that a write gives an item, and those that it takes away; `kept` and `given` are what it carries."""

    given: frozenset[str]
    taken: frozenset[str]
    kept: frozenset[str]

    def __bool__(self) -> bool:
        return bool(self.given or self.taken)


def relabelling(before: dict[str, Any] | None, after: dict[str, Any]) -> Relabelling:
    """Return what a write does to the labels of an item; `before` is None when it is new."""
    old = frozenset(row[-1] for row in label_rows(before)) if before is not None else frozenset()
    new = frozenset(row[-1] for row in label_rows(after))
    return Relabelling(new - old, old - new, new & old)


def check_combination(change: Relabelling, resource_type: str) -> None:
    """Refuse, with Unprocessable (422), an item newly hidden from the patient and from professionals at once.

    Choice: only the official parameter `cumul-invisible_patient-masque_ps` allows it; see the setting of that sense.
    """
    if change.given and {HIDDEN_FROM_PATIENT, HIDDEN_FROM_PROFESSIONALS} <= change.given | change.kept:
        element = "securityLabel" if resource_type == "DocumentReference" else "meta.security"
        raise Unprocessable(
            f"An item does not carry {HIDDEN_FROM_PATIENT} and {HIDDEN_FROM_PROFESSIONALS} together: keep one of them.",
            f"{resource_type}.{element}",
        )


def check_taking(grant: Grant, change: Relabelling, is_his: bool, is_patients_mask: bool) -> None:
    """Refuse, with Forbidden (403), taking away a label that is not the caller's to take.

    Masking is undone by the patient, who represents him, or the author who masked at the deposit; what the patient
    masked, by nobody else. What is hidden from representatives is shown by the patient or the author. Choice: whoever
    may change what is not yet visible to the patient may show it, because the announcement is any professional's.
    """
    if grant.kind == "open" or grant.is_operator or grant.kind in PERSONAL_KINDS:
        return
    if HIDDEN_FROM_PROFESSIONALS in change.taken and (is_patients_mask or not is_his):
        raise _kept(HIDDEN_FROM_PROFESSIONALS, "the patient" if is_patients_mask else "the patient or the author")
    if HIDDEN_FROM_REPRESENTATIVES in change.taken and not is_his:
        raise _kept(HIDDEN_FROM_REPRESENTATIVES, "the patient or the author")


def is_work_of(grant: Grant, resource: dict[str, Any], depositor: str) -> bool:
    """Say whether the caller deposited or wrote a resource, whose references are relative."""
    himself = is_himself(grant)
    written = author_rows(resource)
    return depositor in himself or any(reference_row(AUTHOR, reference) in written for reference in himself)


def _kept(label: str, who: str) -> Forbidden:
    return Forbidden(f"The label {label} is taken away by {who} only: send it back with the resource.")
