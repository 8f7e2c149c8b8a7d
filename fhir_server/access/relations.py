"""Relations: who cares for whom and since when, read from the resources that say so.

Spec: careteam.html, encounter.html; CSP L.1110-12 (care team)
"""

from collections.abc import Iterable
from typing import Any, Final

from fhir_server.access.rows import references_of
from fhir_server.foundation.dates import DAY, interval
from fhir_server.foundation.operation_outcome import BadRequest
from fhir_server.search.index_row import MAX_INSTANT, MIN_INSTANT, RELATION, IndexRow

CARE_TEAM: Final = "care-team"
CONSENT: Final = "consent"
ENCOUNTER: Final = "encounter"
BLOCK: Final = "block"
CARE_GROUNDS: Final = (CARE_TEAM, CONSENT, ENCOUNTER)
"""Grounds on which a professional may consult; BLOCK takes all of them away."""

EVERYONE: Final = "*"
"""The actor of a block that names nobody: every professional."""

ENCOUNTER_LIMIT: Final = 90 * DAY
"""Choice: an encounter that nobody ends opens a record for 90 days after its start, not for ever."""

_ACTOR_TYPES: Final = frozenset({"Practitioner", "PractitionerRole", "Organization"})
_PRESENT: Final = frozenset({"arrived", "triaged", "in-progress"})

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


def care_team_rows(resource: dict[str, Any]) -> list[IndexRow]:
    """Return the relations of an active CareTeam: its members, while both the team and the membership last."""
    if resource.get("status") != "active":
        return []
    rows: list[IndexRow] = []
    for participant in resource.get("participant", ()):
        actors = professionals(references_of(participant.get("member")))
        force = in_force(resource.get("period"), participant.get("period"))
        rows += relation_rows(CARE_TEAM, actors, references_of(resource.get("subject")), force)
    return rows


def encounter_rows(resource: dict[str, Any], depositor: str) -> list[IndexRow]:
    """Return the relations of an encounter under way: those who take part in it.

    Choice: only what a system deposited counts (or an open server): a professional, who may write an Encounter about
    anyone, would otherwise open any record to himself. It needs a start, and ends at most ENCOUNTER_LIMIT later.
    """
    start = resource.get("period", {}).get("start")
    if resource.get("status") not in _PRESENT or not start or (depositor and not depositor.startswith("Device/")):
        return []
    low, high = in_force(resource["period"])
    rows: list[IndexRow] = []
    for participant in resource.get("participant", ()):
        actors = professionals(references_of(participant.get("individual")))
        ends = in_force({"start": start}, participant.get("period"))
        force = max(low, ends[0]), min(high, ends[1], low + ENCOUNTER_LIMIT)
        rows += relation_rows(ENCOUNTER, actors, references_of(resource.get("subject")), force)
    return rows


def professionals(references: Iterable[str]) -> list[str]:
    """Return those of the references that a professional can act as."""
    return [reference for reference in references if reference.partition("/")[0] in _ACTOR_TYPES]
