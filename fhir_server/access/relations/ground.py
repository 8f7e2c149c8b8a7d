"""Grounds: the relations that join an actor to a patient's record, and when they are in force.

Spec: CSP L.1110-12 (care team), L.1111-17 (emergencies), R.1111-46 to R.1111-50
"""

from collections.abc import Iterable
from typing import Any, Final

from fhir_server.foundation.dates import interval
from fhir_server.foundation.operation_outcome import BadRequest
from fhir_server.search.index_row import MAX_INSTANT, MIN_INSTANT, RELATION, IndexRow

CARE_TEAM: Final = "care-team"
CONSENT: Final = "consent"
ENCOUNTER: Final = "encounter"
CARE_GROUNDS: Final = (CARE_TEAM, CONSENT, ENCOUNTER)
"""Grounds on which a professional may consult; BLOCK takes all of them away."""

BLOCK: Final = "block"
CLOSED: Final = "closed"
NO_BREAK_GLASS: Final = "no-break-glass"
NO_REGULATION: Final = "no-regulation"
MASK_ALL: Final = "mask-all"
"""What takes a whole record away: of a professional or EVERYONE (BLOCK), and of EVERYONE (the others)."""

PARENT: Final = "parent"
GUARDIAN: Final = "guardian"
MINOR: Final = "minor"
"""A parent represents a patient while he is a MINOR, whose actor is the patient himself; a guardian always."""

EVERYONE: Final = "*"
"""The actor of a block that names nobody: every professional."""

_ACTOR_TYPES: Final = frozenset({"Practitioner", "PractitionerRole", "Organization"})

Interval = tuple[int, int]
ALWAYS_IN_FORCE: Final[Interval] = (MIN_INSTANT, MAX_INSTANT)
NEVER_IN_FORCE: Final[Interval] = (MAX_INSTANT, MIN_INSTANT)


def in_force(*periods: Any) -> Interval:
    """Return the half-open interval, in microseconds, common to FHIR Periods; None and {} say nothing.

    A date that cannot be read makes it NEVER_IN_FORCE. `end` is included to its precision: a day ends at midnight UTC.
    """
    low, high = ALWAYS_IN_FORCE
    try:
        for period in periods:
            if period and period.get("start"):
                low = max(low, interval(period["start"])[0])
            if period and period.get("end"):
                high = min(high, interval(period["end"])[1])
    except BadRequest:
        return NEVER_IN_FORCE
    return low, high


def relation_rows(ground: str, actors: Iterable[str], patients: Iterable[str], force: Interval) -> list[IndexRow]:
    """Return one row for each actor and patient, none when the interval is empty."""
    if force[0] >= force[1]:
        return []
    ids = [reference.partition("/")[2] for reference in patients if reference.startswith("Patient/")]
    return [(RELATION, ground, 0, actor, patient_id, *force) for actor in actors for patient_id in ids]


def blockable(references: Iterable[str]) -> list[str]:
    """Return those of the references whom a patient can block: professionals, apps, and who represents him."""
    known = _ACTOR_TYPES | {"Device", "RelatedPerson"}
    return [reference for reference in references if reference.partition("/")[0] in known]


def professionals(references: Iterable[str]) -> list[str]:
    """Return those of the references that a professional can act as."""
    return [reference for reference in references if reference.partition("/")[0] in _ACTOR_TYPES]
