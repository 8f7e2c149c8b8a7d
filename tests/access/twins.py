"""Twin worlds: two servers whose stores differ only in what the caller must not see."""

import re
import shutil
from base64 import urlsafe_b64decode
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from fhir_server.access.grant import App, Grant
from fhir_server.access.labels import VISIBILITY_SYSTEM
from fhir_server.access.relations.codes import RECORD_CONSENT_SYSTEM
from fhir_server.access.scopes import parse_scopes
from fhir_server.foundation import fhir_json
from fhir_server.foundation.operation_outcome import FhirError
from fhir_server.interactions.dispatch import dispatch
from fhir_server.interactions.request import Request, Runtime
from fhir_server.interactions.trail import drain_all
from fhir_server.storage.sqlite import SqliteStore
from fhir_server.storage.store import Store

BASE_URL = "http://fhir.example.fr/fhir"
STARTED = datetime(2026, 1, 1, tzinfo=UTC)
ASKED = datetime(2026, 6, 1, tzinfo=UTC)

OPERATOR = Grant("system", "Device/hospital", "hospital", parse_scopes("system/*.cruds"), is_operator=True)
PATIENT = Grant("patient", "Patient/1", "app", parse_scopes("patient/*.cruds"), patient_id="1")
DOCTOR = Grant("professional", "Practitioner/doctor", "software", parse_scopes("user/*.cruds"), profession="10")

BREAKING = msgspec.structs.replace(
    DOCTOR,
    purpose_of_use="bris_de_glace",
    reason="unconscious",
    patient_id="2",
    expires_at=datetime(2026, 6, 2, tzinfo=UTC),
)
DENTIST = msgspec.structs.replace(DOCTOR, profession="40")
PARENT = Grant("representative", "RelatedPerson/parent", "app", parse_scopes("patient/*.cruds"), patient_id="1")
PARENT_OF_ADULT = msgspec.structs.replace(PARENT, patient_id="2")
TRACKER = msgspec.structs.replace(PATIENT, app=App("Device/tracker", "care", True))
VIEWER = msgspec.structs.replace(
    PATIENT,
    scopes=parse_scopes("patient/Observation.cruds?status=final patient/Practitioner.rs patient/Patient.rs"),
)

Ask = tuple[str, str, str, str]
"""(interaction, type, id, query)"""
Answer = tuple[int, str, str]


class World:
    """A server with its clock, its ids and its store, filled through the interactions themselves."""

    def __init__(self, template: Path, folder: Path, wrapped: Callable[[Store], Store] = lambda store: store) -> None:
        # Cursors are sealed with a secret of the store: twins must have the same one.
        shutil.copytree(template, folder)
        self.instant = STARTED
        self.opened = SqliteStore(folder, now=lambda: self.instant)
        ids = count()
        self.runtime = Runtime(wrapped(self.opened), lambda: self.instant, lambda: f"new-{next(ids)}")

    async def fill(self, resources: Iterable[tuple[int, dict[str, Any]]]) -> None:
        """Store resources, each at the second it is given with, as the hospital's system."""
        for second, resource in resources:
            self.instant = STARTED + timedelta(seconds=second)
            content = fhir_json.format(resource)
            request = Request("update", OPERATOR, resource["resourceType"], resource["id"], content=content)
            await dispatch(request, self.runtime)
        await drain_all(self.runtime)
        self.instant = ASKED

    async def answers(self, grant: Grant, asked: Iterable[Ask]) -> list[list[Answer]]:
        """Return what the caller is answered to each request, following the links of pages."""
        found: list[list[Answer]] = []
        for interaction, resource_type, resource_id, query in asked:
            resource_id, _, version_id = resource_id.partition("@")
            request = Request(
                interaction,
                grant,
                resource_type,
                resource_id,
                version_id,
                parameters=_pairs(query),
                base_url=BASE_URL,
            )
            if interaction == "create":
                body = {"resourceType": resource_type, **CREATED[resource_type]}
                request = msgspec.structs.replace(
                    request, parameters=(), content=fhir_json.format(body), if_none_exist=query
                )
            answers = await self._pages(request)
            found.append([(status, _without_ids(body), etag) for status, body, etag in answers])
        return found

    async def _pages(self, request: Request) -> list[Answer]:
        found = [await self._answer(request)]
        while len(found) < 6 and (link := re.search(r'"relation":"next","url":"([^"]*)"', found[-1][1])):
            query = msgspec.json.decode(f'"{link[1]}"').partition("?")[2]
            request = msgspec.structs.replace(request, parameters=_decoded(query))
            found.append(await self._answer(request))
        return found

    async def _answer(self, request: Request) -> Answer:
        try:
            response = await dispatch(request, self.runtime)
        except FhirError as refusal:
            return refusal.status, msgspec.json.encode(refusal.outcome()).decode(), ""
        return response.status, response.content.decode(), f"{response.version_id} {response.last_updated}"


CREATED = {
    "Observation": {"status": "final", "code": {"text": "c"}, "subject": {"reference": "Patient/1"}},
    "Provenance": {
        "target": [{"reference": "DocumentReference/h-document"}],
        "recorded": "2026-01-01T00:00:00Z",
        "agent": [{"who": {"display": "x"}}],
    },
}


def _pairs(query: str) -> tuple[tuple[str, str], ...]:
    return tuple((name, value) for name, _, value in (pair.partition("=") for pair in query.split("&") if pair))


def _decoded(query: str) -> tuple[tuple[str, str], ...]:
    return tuple(parse_qsl(query))


def _without_ids(body: str) -> str:
    """Open the cursors, and number the ids that the server drew in the order they show.

    The traces of others, and of what they did to the hidden items, draw ids from the same source.
    """
    body = re.sub(r"(?<=_cursor=)[\w-]+", lambda found: _place(found[0]), body)
    order: dict[str, str] = {}
    return re.sub(r"new-\d+", lambda found: order.setdefault(found[0], f"drawn-{len(order)}"), body)


def _place(cursor: str) -> str:
    """Return what a cursor says, without its seal."""
    return urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))[12:].decode()


def observation(name: str, patient_id: str, code: str, value: int, **elements: Any) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": name,
        "status": "final",
        "identifier": [{"system": "urn:lab", "value": name}],
        "code": {"coding": [{"system": "http://loinc.org", "code": code}]},
        "subject": {"reference": f"Patient/{patient_id}"},
        "performer": [{"reference": "Practitioner/other"}],
        "effectiveDateTime": f"2025-01-{value:02}",
        "valueQuantity": {"value": value, "system": "http://unitsofmeasure.org", "code": "mg"},
        **elements,
    }


def document(name: str, patient_id: str, title: str, label: str = "", **elements: Any) -> dict[str, Any]:
    labels = {"securityLabel": [{"coding": [{"system": VISIBILITY_SYSTEM, "code": label}]}]} if label else {}
    return {
        "resourceType": "DocumentReference",
        "id": name,
        "status": "current",
        "description": title,
        "subject": {"reference": f"Patient/{patient_id}"},
        "author": [{"reference": "Practitioner/other"}],
        "content": [{"attachment": {"contentType": "text/plain", "url": f"Binary/{name}-binary"}}],
        **labels,
        **elements,
    }


def with_document(name: str, patient_id: str, code: str, value: int, label: str = "") -> list[dict[str, Any]]:
    """Return a document with all that comes with it."""
    return [
        document(name, patient_id, code, label),
        {"resourceType": "Binary", "id": f"{name}-binary", "contentType": "text/plain", "data": "AAAA"},
        observation(f"{name}-result", patient_id, code, value, meta={"source": f"DocumentReference/{name}"}),
        {
            "resourceType": "Provenance",
            "id": f"{name}-provenance",
            "target": [{"reference": f"DocumentReference/{name}"}, {"reference": f"Observation/{name}-result"}],
            "recorded": "2025-01-01T00:00:00Z",
            "agent": [{"who": {"reference": "Practitioner/other"}}],
        },
        {
            "resourceType": "List",
            "id": f"{name}-list",
            "status": "current",
            "mode": "working",
            "subject": {"reference": f"Patient/{patient_id}"},
            "entry": [{"item": {"reference": f"DocumentReference/{name}"}}],
        },
    ]


def patient(patient_id: str, name: str, **elements: Any) -> dict[str, Any]:
    return {
        "resourceType": "Patient",
        "id": patient_id,
        "identifier": [{"system": "urn:oid:1.2.250.1.213.1.4.8", "value": f"ins-{patient_id}"}],
        "name": [{"family": name}],
        "generalPractitioner": [{"reference": "Practitioner/doctor"}],
        **elements,
    }


def mother(name: str, patient_id: str) -> dict[str, Any]:
    role = {"system": "http://terminology.hl7.org/CodeSystem/v3-RoleCode", "code": "MTH"}
    return {
        "resourceType": "RelatedPerson",
        "id": name,
        "patient": {"reference": f"Patient/{patient_id}"},
        "relationship": [{"coding": [role]}],
    }


def care_team(name: str, patient_id: str, practitioner: str) -> dict[str, Any]:
    return {
        "resourceType": "CareTeam",
        "id": name,
        "status": "active",
        "subject": {"reference": f"Patient/{patient_id}"},
        "participant": [{"member": {"reference": practitioner}}],
    }


def block(name: str, patient_id: str, practitioner: str) -> dict[str, Any]:
    return {
        "resourceType": "Consent",
        "id": name,
        "status": "active",
        "scope": {"coding": [{"code": "patient-privacy"}]},
        "category": [{"text": "access"}],
        "patient": {"reference": f"Patient/{patient_id}"},
        "policyRule": {"text": "law"},
        "provision": {
            "type": "deny",
            "actor": [{"role": {"text": "professional"}, "reference": {"reference": practitioner}}],
        },
    }


def record_consent(name: str, patient_id: str, category: str, provision: dict[str, Any]) -> dict[str, Any]:
    own = block(name, patient_id, "Practitioner/other")
    return {**own, "category": [_coded(category)], "provision": provision}


def _coded(code: str) -> dict[str, Any]:
    return {"coding": [{"system": RECORD_CONSENT_SYSTEM, "code": code}]}


READS_MEASUREMENTS = {
    "actor": [{"role": {"text": "app"}, "reference": {"reference": "Device/tracker"}}],
    "provision": [
        {
            "type": "permit",
            "action": [_coded("read")],
            "class": [{"system": RECORD_CONSENT_SYSTEM, "code": "measurements"}],
        }
    ],
}

COMMON = [
    {"resourceType": "Practitioner", "id": "doctor", "name": [{"family": "Fictif"}]},
    {"resourceType": "Practitioner", "id": "other", "name": [{"family": "Autre"}]},
    patient("1", "Martin"),
    care_team("team", "1", "Practitioner/doctor"),
]
