"""The actor of a question: what he would be granted if he signed in, as the directory knows him.

Spec: security.html#identity, https://mos.esante.gouv.fr/NOS/TRE_G15-ProfessionSante
"""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any, Final

import msgspec

from fhir_server.access.grant import App, Grant
from fhir_server.access.modes import BREAK_GLASS, NORMAL, REGULATION
from fhir_server.access.rows import local_reference, references_of, refers_to
from fhir_server.access.scopes import parse_scopes
from fhir_server.foundation import fhir_json
from fhir_server.foundation.operation_outcome import BadRequest
from fhir_server.interactions.request import Runtime
from fhir_server.storage.store import Search

MODES: Final = (NORMAL, BREAK_GLASS, REGULATION)
_LIFETIME: Final = timedelta(minutes=15)
_PROFESSIONS: Final = ("TRE_G15", "TRE-G15", "1.2.250.1.71.1.2.7")
_ROLES: Final = 50


class Actor(msgspec.Struct, frozen=True):
    """Whom a question is about; `profession` "" is taken from the directory, `patient_id` is whose record it is."""

    reference: str
    patient_id: str = ""
    mode: str = NORMAL
    profession: str = ""
    scopes: str = ""


async def grant_of(actor: Actor, runtime: Runtime) -> Grant:
    """Return what the actor would be granted. Raises BadRequest when nobody can act as that.

    Choice: without `scopes` he has all: the question is what the patient's decisions leave, not what one token holds.
    An app is one of the catalogue, for care: its registration is known to the authorization server alone.
    """
    kind = local_reference(actor.reference).partition("/")[0]
    now = runtime.now()
    common: dict[str, Any] = {"client_id": "explanation", "expires_at": now + _LIFETIME, "patient_id": actor.patient_id}
    if kind in ("Practitioner", "PractitionerRole", "Organization"):
        roles = await _roles(actor.reference, runtime) if kind == "Practitioner" else []
        return Grant(
            "professional",
            actor.reference,
            scopes=parse_scopes(actor.scopes or "user/*.cruds"),
            organizations=tuple(reference for role in roles for reference in _acting(role)),
            profession=actor.profession or await _profession(actor.reference, roles, runtime),
            purpose_of_use="" if actor.mode == NORMAL else actor.mode,
            reason="simulated" if actor.mode == BREAK_GLASS else "",
            is_regulator=actor.mode == REGULATION,
            **common,
        )
    if actor.mode != NORMAL:
        raise BadRequest("Only a Practitioner opens a record in an emergency: leave out mode.")
    scopes = parse_scopes(actor.scopes or "user/*.cruds")
    if kind == "Device":
        app = App(actor.reference, "care", True)
        return Grant("patient", f"Patient/{actor.patient_id}", scopes=scopes, app=app, **common)
    if kind == "RelatedPerson":
        return Grant("representative", actor.reference, scopes=scopes, **common)
    if kind == "Patient":
        return Grant("patient", actor.reference, scopes=scopes, **common | {"patient_id": actor.reference[8:]})
    raise BadRequest("actor is a reference to a Practitioner, an Organization, an app, a RelatedPerson or a Patient.")


async def _roles(practitioner: str, runtime: Runtime) -> list[dict[str, Any]]:
    """Return the active roles of a professional; the directory is open to all who may ask."""
    found = await runtime.store.search(
        Search("PractitionerRole", condition=refers_to("practitioner", [practitioner]), limit=_ROLES)
    )
    resources = (fhir_json.parse(version.content) for version in found.versions)
    return [role for role in resources if role.get("active", True)]


def _acting(role: dict[str, Any]) -> list[str]:
    return [f"PractitionerRole/{role['id']}", *references_of(role.get("organization"))]


async def _profession(practitioner: str, roles: Iterable[dict[str, Any]], runtime: Runtime) -> str:
    if not practitioner.startswith("Practitioner/"):
        return ""
    version = await runtime.store.read("Practitioner", practitioner.partition("/")[2])
    own = fhir_json.parse(version.content) if version is not None and not version.is_deleted else {}
    concepts = [one.get("code", {}) for one in own.get("qualification", ())]
    concepts += [concept for role in roles for concept in role.get("code", ())]
    codings = [coding for concept in concepts for coding in concept.get("coding", ())]
    return next((one["code"] for one in codings if _is_profession(one) and "code" in one), "")


def _is_profession(coding: dict[str, Any]) -> bool:
    return any(name in coding.get("system", "") for name in _PROFESSIONS)
