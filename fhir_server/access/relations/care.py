"""Care: who cares for whom and since when, read from the resources that say so.

Spec: careteam.html, encounter.html; CSP L.1110-12 (care team)
"""

from typing import Any, Final

from fhir_server.access.relations.ground import CARE_TEAM, ENCOUNTER, in_force, professionals, relation_rows
from fhir_server.access.rows import references_of
from fhir_server.foundation.dates import DAY
from fhir_server.search.index_row import IndexRow

ENCOUNTER_LIMIT: Final = 90 * DAY
"""Choice: an encounter that nobody ends opens a record for 90 days after its start, not for ever."""

_PRESENT: Final = frozenset({"arrived", "triaged", "in-progress"})


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
