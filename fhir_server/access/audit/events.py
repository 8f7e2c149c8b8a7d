"""Audit events: what a journal entry says, as AuditEvents, one for each patient whom it concerns.

Spec: auditevent.html, https://profiles.ihe.net/ITI/BALP/ (Basic Audit Log Patterns)
"""

from base64 import b64encode
from collections.abc import Iterable, Sequence
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec

from fhir_server.access.audit.entry import QUERY_CHARACTERS, AccessEntry
from fhir_server.access.callers import PERSONAL_KINDS
from fhir_server.access.labels import HIDDEN_FROM_REPRESENTATIVES, VISIBILITY_SYSTEM
from fhir_server.access.modes import NORMAL, mode_of, purpose_system
from fhir_server.access.rows import local_reference
from fhir_server.foundation.dates import format_instant, from_microseconds


class Seen(msgspec.Struct, frozen=True):
    """What a request touched: one resource, the patients whose record it is in, and what governs or labels it.

    `governor` is "" for a resource that nothing governs and that carries no label.
    """

    reference: str
    patients: tuple[str, ...] = ()
    governor: str = ""


POLICY_BASE: Final = "https://fhir-server.example.fr/fhir/policy/"
"""Followed by a mode of `access.modes`."""

_TYPES: Final = "http://terminology.hl7.org/CodeSystem/audit-event-type"
_INTERACTIONS: Final = "http://hl7.org/fhir/restful-interaction"
_ENTITIES: Final = "http://terminology.hl7.org/CodeSystem/audit-entity-type"
_ROLES: Final = "http://terminology.hl7.org/CodeSystem/object-role"
_DICOM: Final = "http://dicom.nema.org/resources/ontology/DCM"
_PARTICIPATION: Final = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
_BALP_ENTITIES: Final = "https://profiles.ihe.net/ITI/BALP/CodeSystem/BasicAuditEntityType"

_SOURCE: Final = {"system": _DICOM, "code": "110153", "display": "Source Role ID"}
_DESTINATION: Final = {"system": _DICOM, "code": "110152", "display": "Destination Role ID"}
_PATIENT_PARAMETERS: Final = frozenset({"patient", "subject", "patient:Patient", "subject:Patient"})
_USERS: Final = PERSONAL_KINDS | {"professional"}
_READS: Final = frozenset({"read", "vread", "history"})
_ACTIONS: Final = {"create": "C", "read": "R", "vread": "R", "history": "R", "update": "U", "patch": "U", "delete": "D"}


def variants(entry: AccessEntry, seen: Sequence[Seen]) -> list[dict[str, Any]]:
    """Return what the AuditEvents of an entry say beside its frame: one for each patient and governor, at least one.

    `seen` is what `entry` names or showed, in order. The event of a search names no result but the governing document,
    so that hiding a document hides just the events about it; that of a read names what was read.
    What a patient does himself is in his own record too, whatever he does it to.
    Choice: the text of a search is in a patient's event only when it asks for this patient alone; any other search has
    one more event for the operator that holds it, because it may name other people.
    """
    asked = asked_patient(entry)
    groups = _groups(entry, seen, asked)
    recorded = format_instant(from_microseconds(entry.instant))
    told = [_entities(entry, patient, references, patient == asked) for (patient, _), references in groups.items()]
    if not told or (not _names_one(entry) and not asked):
        told.append(_entities(entry, "", _named(entry), True))
    when = {"period": {"start": recorded}, "recorded": recorded}
    return [when | ({"entity": entities} if entities else {}) for entities in told]


def _groups(entry: AccessEntry, seen: Sequence[Seen], asked: str) -> dict[tuple[str, str], tuple[str, ...]]:
    groups: dict[tuple[str, str], tuple[str, ...]] = {(asked, ""): ()} if asked else {}
    if _is_own_failure(entry):
        return groups
    own = (entry.actor.removeprefix("Patient/"),) if entry.kind == "patient" and _names_one(entry) else ()
    for one in seen:
        shown = one.reference if _names_one(entry) else one.governor
        for patient in dict.fromkeys((*own, *one.patients)):
            known = groups.get((patient, one.governor), ())
            groups[patient, one.governor] = tuple(dict.fromkeys((*known, shown))) if shown else known
    return groups


def _is_own_failure(entry: AccessEntry) -> bool:
    """Say whether a patient, or who represents him, reached nothing.

    What is hidden from them must leave the trace of what does not exist.

    Deleting what is not there, or hidden, is answered as done, and has no version.
    """
    return entry.kind in PERSONAL_KINDS and (
        entry.status >= 400 or (entry.interaction == "delete" and not entry.version_id)
    )


def asked_patient(entry: AccessEntry) -> str:
    """Return the id of the one patient that a search or an operation is about; "" for none or several.

    By compartment, `patient`, `subject`, a Patient's `_id`, or the Patient that the operation was invoked on.
    """
    if entry.interaction.startswith("$"):
        return entry.resource_id if entry.resource_type == "Patient" else ""
    if entry.interaction != "search" or len(entry.query) >= QUERY_CHARACTERS:
        return ""
    found = {entry.compartment} if entry.compartment.startswith("Patient/") else set()
    for name, value in parse_qsl(entry.query):
        if name in _PATIENT_PARAMETERS or (name == "_id" and entry.resource_type == "Patient"):
            found.add(value if value.startswith("Patient/") else f"Patient/{value}")
    only = local_reference(found.pop()) if len(found) == 1 else ""
    return only.partition("/")[2]


def _names_one(entry: AccessEntry) -> bool:
    return bool(entry.resource_id) and not entry.interaction.startswith("$")


def _named(entry: AccessEntry) -> tuple[str, ...]:
    return (f"{entry.resource_type}/{entry.resource_id}",) if _names_one(entry) else ()


def frame(entry: AccessEntry) -> dict[str, Any]:
    """Return what all AuditEvents of an entry say: who did what, and how it ended.

    Choice: where IHE BALP and the French TDE profile differ, BALP holds: client, server and user are three agents, of
    which TDE takes two. The mode of an emergency is the policy that let the user in: `AuditEvent?policy=` finds it.
    """
    code = "operation" if entry.interaction.startswith("$") else entry.interaction
    event: dict[str, Any] = {
        "resourceType": "AuditEvent",
        "type": _coding(_TYPES, "rest"),
        "subtype": [_coding(_INTERACTIONS, code)],
        "action": _ACTIONS.get(entry.interaction, "E"),
        "outcome": _outcome(entry.status),
        "agent": _agents(entry),
        "source": {"observer": {"display": entry.base_url or "FHIR server"}},
    }
    if entry.is_secret:
        event["meta"] = {"security": [_coding(VISIBILITY_SYSTEM, HIDDEN_FROM_REPRESENTATIVES)]}
    if entry.status >= 400:
        event["outcomeDesc"] = f"HTTP {entry.status}"
    return event


def frame_key(entry: AccessEntry) -> tuple[Any, ...]:
    """Return what the frame depends on: entries with the same key have the same frame."""
    who = (entry.kind, entry.actor, entry.client_id, entry.display, entry.user_id, entry.base_url)
    return (*who, entry.interaction, entry.status, entry.purpose_of_use, entry.ground, entry.is_secret)


def _entities(entry: AccessEntry, patient_id: str, references: Iterable[str], has_query: bool) -> list[dict[str, Any]]:
    entities = [_data(entry, reference) for reference in references]
    if patient_id:
        what = {"reference": f"Patient/{patient_id}"}
        entities.append({"what": what, "type": _coding(_ENTITIES, "1"), "role": _coding(_ROLES, "1")})
    if not _names_one(entry):
        query = b64encode(_asked(entry, has_query).encode()).decode()
        entities.append({"type": _coding(_ENTITIES, "2"), "role": _coding(_ROLES, "24"), "query": query})
    if entry.request_id:
        kind = _coding(_BALP_ENTITIES, "XrequestId")
        entities.append({"what": {"identifier": {"value": entry.request_id}}, "type": kind})
    return entities


def _asked(entry: AccessEntry, has_query: bool) -> str:
    words = [entry.compartment if has_query else "", entry.resource_type]
    if entry.interaction.startswith("$"):
        words += [entry.resource_id if has_query else "", entry.interaction]
    path = "/".join(filter(None, words))
    # A cursor names the last resource of another page: it is no criterion.
    query = "&".join(pair for pair in entry.query.split("&") if not pair.startswith("_cursor="))
    return f"{path}?{query}" if has_query and query else path


def _data(entry: AccessEntry, reference: str) -> dict[str, Any]:
    version = f"/_history/{entry.version_id}" if entry.version_id and reference in _named(entry) else ""
    what = {"display": reference} if _is_own_failure(entry) else {"reference": reference + version}
    return {"what": what, "type": _coding(_ENTITIES, "2"), "role": _coding(_ROLES, "4")}


def _agents(entry: AccessEntry) -> list[dict[str, Any]]:
    client_type, server_type = (_DESTINATION, _SOURCE) if entry.interaction in _READS else (_SOURCE, _DESTINATION)
    if entry.interaction == "delete":
        client_type = _coding(_DICOM, "110150", "Application")
        server_type = _coding("http://terminology.hl7.org/CodeSystem/provenance-participant-type", "custodian")
    has_user = entry.kind in _USERS
    who: dict[str, Any] = {"identifier": {"value": entry.client_id}} if entry.client_id else {"display": "anonymous"}
    if entry.actor and not has_user:
        who = {"reference": entry.actor} | who
    client = {"type": {"coding": [client_type]}, "who": who, "requestor": not has_user}
    server = {
        "type": {"coding": [server_type]},
        "who": {"display": entry.base_url or "FHIR server"},
        "requestor": False,
    }
    return [client, server, *([_user(entry)] if has_user else [])]


def _user(entry: AccessEntry) -> dict[str, Any]:
    participation = "AUT" if entry.interaction in ("create", "update", "patch", "delete") else "IRCP"
    user: dict[str, Any] = {
        "type": {"coding": [_coding(_PARTICIPATION, participation)]},
        "who": {"reference": entry.actor},
        "requestor": True,
    }
    mode = mode_of(entry.purpose_of_use)
    if mode not in ("", NORMAL):
        user["policy"] = [f"{POLICY_BASE}{mode}"]
    if entry.user_id:
        user["altId"] = entry.user_id
    if entry.display:
        user["name"] = entry.display
    if entry.purpose_of_use or entry.ground:
        user["purposeOfUse"] = [_purpose(entry)]
    return user


def _purpose(entry: AccessEntry) -> dict[str, Any]:
    code = entry.purpose_of_use
    codes = {"coding": [_coding(purpose_system(code), code)]} if code else {}
    return codes | ({"text": entry.ground} if entry.ground else {})


def _coding(system: str, code: str, display: str = "") -> dict[str, str]:
    return {"system": system, "code": code} | ({"display": display} if display else {})


def _outcome(status: int) -> str:
    return "0" if status < 400 else "4" if status < 500 else "8"
