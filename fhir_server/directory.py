"""Who is who: what the authorization server asks of the stored resources.

Spec: https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html#requesting-context-with-scopes
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from datetime import date
from functools import partial
from typing import Any
from urllib.parse import urlencode

import msgspec
from msgspec.structs import replace

from fhir_server.access.audit.notice import Opening, notice_of
from fhir_server.access.grant import OPEN, Grant
from fhir_server.access.rows import references_of
from fhir_server.foundation import fhir_json
from fhir_server.foundation.operation_outcome import BadRequest, VersionConflict
from fhir_server.interactions.dispatch import dispatch
from fhir_server.interactions.request import Request, Runtime
from fhir_server.smart.launch.emergencies import Emergency
from fhir_server.smart.outside import Choice, Kept, Outside
from fhir_server.smart.providers.directory_entry import (
    FINESS,
    SIRET,
    STRUCTURES,
    DirectoryEntry,
    merged,
    professional_identifiers,
)
from fhir_server.smart.providers.traits import INS_SYSTEMS, traits_of_claims, traits_of_patient
from mappings.xds import hl7v2

SHOWN = "20"
INSIDE = replace(OPEN, client_id="server", display="this server, at sign-in")
ORGANIZATIONS = (STRUCTURES, FINESS, SIRET)
INS = INS_SYSTEMS
INS_LENGTH = 15
Resource = dict[str, Any]


def outside_of(runtime: Runtime) -> Outside:
    """Return what the authorization server is lent; each look-up of a caller is under his own grant, and audited."""

    async def patients_of(grant: Grant, text: str) -> Sequence[Choice]:
        try:
            found = await _named_patients(runtime, grant, text)
        except BadRequest:  # signs without a letter name nobody
            return []
        return [(one["id"], _patient_words(one)) for one in found]

    async def encounters_of(grant: Grant, patient_id: str, text: str) -> Sequence[Choice]:
        found = await _find(runtime, grant, "Encounter", ("patient", patient_id), ("_sort", "-date"))
        choices = [(one["id"], _encounter_words(one)) for one in found]
        return [choice for choice in choices if text.casefold() in choice[1].casefold()]

    async def practitioner_of(national_id: str) -> str:
        known = professional_identifiers(national_id) if is_plain(national_id) else []
        return _only(await _holders(runtime, "Practitioner", known)) if known else ""

    async def organization_of(identifier: str) -> str:
        return await _reference(runtime, "Organization", ORGANIZATIONS, identifier)

    return Outside(
        patients_of=patients_of,
        encounters_of=encounters_of,
        practitioner_of=practitioner_of,
        organization_of=organization_of,
        patient_of=partial(_same_person, runtime),
        tell_emergency=partial(_tell, runtime),
        keep_professional=partial(_keep_professional, runtime),
    )


async def _keep_professional(runtime: Runtime, entry: DirectoryEntry) -> Kept:
    """Add or bring up to date a professional, his places and roles; what the provider says no more becomes inactive.

    Choice: the directory's own words stay and gain what is new; a role that the provider told is the provider's.
    """
    actor = await _keep(runtime, entry.practitioner)
    if not actor:
        return Kept("")
    places, roles = [], []
    for practice in entry.practices:
        place = await _keep(runtime, practice.organization) if practice.organization is not None else ""
        role: Resource = {**practice.role, "practitioner": {"reference": actor}}
        if place:
            places.append(place)
            role["organization"] = {"reference": place}
        roles.append(await _keep(runtime, role))
    criteria = (("practitioner", actor), ("identifier", f"{entry.roles_system}|"), ("active", "true"))
    for former in await _find(runtime, INSIDE, "PractitionerRole", *criteria):
        if f"PractitionerRole/{former['id']}" not in roles:
            await _replace(runtime, former, {**former, "active": False})
    return Kept(actor, tuple(dict.fromkeys(places)), tuple(filter(None, roles)))


async def _keep(runtime: Runtime, wanted: Resource) -> str:
    """Store a resource under its identifiers unless it is there and says it all; return its reference.

    "" when several hold the identifiers: they must be merged first.
    """
    resource_type, identifiers = wanted["resourceType"], wanted["identifier"]
    found = await _holders(runtime, resource_type, identifiers)
    if found:
        if len(found) == 1:
            await _replace(runtime, found[0], merged(found[0], wanted))
        return _only(found)
    criteria = urlencode({"identifier": _tokens(identifiers)})
    request = Request("create", INSIDE, resource_type, resource=wanted, if_none_exist=criteria)
    made = await dispatch(request, runtime)
    return f"{resource_type}/{made.version.resource_id}" if made.version is not None else ""


async def _replace(runtime: Runtime, known: Resource, wanted: Resource) -> None:
    """Store a new version when it says something else; a change that came in between is left to stand."""
    if wanted == known:
        return
    place = {"resource_type": known["resourceType"], "resource_id": known["id"]}
    seen = f'W/"{known["meta"]["versionId"]}"'
    with suppress(VersionConflict):
        await dispatch(Request("update", INSIDE, resource=wanted, if_match=seen, **place), runtime)


async def _holders(runtime: Runtime, resource_type: str, identifiers: Sequence[Resource]) -> list[Resource]:
    return await _find(runtime, INSIDE, resource_type, ("identifier", _tokens(identifiers)))


def _tokens(identifiers: Sequence[Resource]) -> str:
    return ",".join(f"{one['system']}|{one['value']}" for one in identifiers)


def _only(found: Sequence[Resource]) -> str:
    return f"{found[0]['resourceType']}/{found[0]['id']}" if len(found) == 1 else ""


async def _same_person(runtime: Runtime, claims: Mapping[str, Any]) -> str:
    """Return the one patient whose five INS traits are those of the claims, or "" for none, or several."""
    traits = traits_of_claims(claims)
    if traits is None:
        return ""
    criteria = (("birthdate", traits.birth_date), ("gender", traits.gender), ("_count", "1000"))
    born_alike = await _find(runtime, INSIDE, "Patient", *criteria)
    found = [one["id"] for one in born_alike if traits_of_patient(one) == traits and one.get("active") is not False]
    return f"Patient/{found[0]}" if len(found) == 1 else ""


def patient_id_of(runtime: Runtime) -> Callable[[str], Awaitable[str]]:
    """Return what finds the patient whom a CX with an INS number names: his id, or ""."""

    async def patient_id(cx: str) -> str:
        number, system = hl7v2.part(hl7v2.components(cx), 1), hl7v2.cx_to_identifier(cx).get("system", "")
        reference = await _reference(runtime, "Patient", [system], number) if system in INS_SYSTEMS else ""
        return reference.partition("/")[2]

    return patient_id


async def _tell(runtime: Runtime, emergency: Emergency) -> None:
    """Store the notice of an opening in the record that was opened; raises FhirError."""
    opening = Opening(
        patient_id=emergency.patient_id,
        actor=emergency.actor,
        display=emergency.display,
        at=emergency.at,
        purpose_of_use=emergency.purpose_of_use,
        reason=emergency.reason,
    )
    known = await runtime.store.read("Patient", emergency.patient_id)
    patient = fhir_json.parse(known.content) if known is not None and not known.is_deleted else {}
    notice = notice_of(opening, references_of(patient.get("generalPractitioner")))
    await dispatch(Request("create", INSIDE, "Communication", resource=notice), runtime)


async def _named_patients(runtime: Runtime, grant: Grant, text: str) -> list[Resource]:
    if grant.purpose_of_use and not grant.patient_id:
        return await _identified(runtime, text)
    return await _find(runtime, grant, "Patient", *_named(text))


async def _identified(runtime: Runtime, text: str) -> list[Resource]:
    """Return the patients whom a whole INS number, or a name with a birth date, identify: for an emergency.

    Choice: nobody browses the patients of others; who is in front of the professional can be named exactly.
    """
    words = text.replace("|", " ").replace("\\", " ").replace(",", " ").split()
    numbers = [word for word in words if len(word) == INS_LENGTH and word[:1].isdigit()]
    if numbers:
        tokens = ",".join(f"{system}|{numbers[0]}" for system in INS)
        return await _find(runtime, INSIDE, "Patient", ("identifier", tokens))
    dates = [word for word in words if _is_date(word)]
    names = [("name", word) for word in words if not word[:1].isdigit()]
    if not dates or not names:
        return []
    return await _find(runtime, INSIDE, "Patient", ("birthdate", dates[0]), *names)


async def _find(runtime: Runtime, grant: Grant, resource_type: str, *criteria: tuple[str, str]) -> list[Resource]:
    request = Request("search", grant, resource_type, parameters=_counted(criteria))
    bundle = msgspec.json.decode((await dispatch(request, runtime)).content)
    return [entry["resource"] for entry in bundle.get("entry", ()) if entry["search"]["mode"] == "match"]


async def _reference(runtime: Runtime, resource_type: str, systems: Sequence[str], value: str) -> str:
    """Return the one resource with the identifier, or "" when there is none, or when several claim it."""
    if not is_plain(value):
        return ""
    return _only(await _holders(runtime, resource_type, [{"system": system, "value": value} for system in systems]))


def is_plain(value: str) -> bool:
    """Say whether a value can stand in a search as it is."""
    return bool(value) and not set(value) & set("|,\\$")


def _counted(criteria: Sequence[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    return tuple(criteria) if "_count" in dict(criteria) else (*criteria, ("_count", SHOWN))


def _is_date(word: str) -> bool:
    try:
        return date.fromisoformat(word).isoformat() == word
    except ValueError:
        return False


def _named(text: str) -> list[tuple[str, str]]:
    words = [word for word in text.replace("|", " ").replace("\\", " ").replace(",", " ").split() if word]
    return [("identifier", word) if word[:2].isdigit() else ("name:contains", word) for word in words]


def _patient_words(patient: Resource) -> str:
    name: Resource = next(iter(patient.get("name", ())), {})
    words = [*name.get("given", ()), name.get("family", ""), patient.get("birthDate", "")]
    return " ".join(filter(None, words)) or str(patient["id"])


def _encounter_words(encounter: Resource) -> str:
    period = encounter.get("period", {})
    place = encounter.get("serviceProvider", {}).get("display", "")
    kind = encounter.get("class", {}).get("display") or encounter.get("class", {}).get("code", "")
    return " ".join(filter(None, (period.get("start", "")[:10], kind, place))) or str(encounter["id"])
