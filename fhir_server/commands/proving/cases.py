"""The cases of the leak prover: who asks, and what is hidden from him, in one of two worlds only."""

from collections.abc import Callable
from datetime import UTC, datetime
from random import Random
from typing import Final

import msgspec
from msgspec.structs import replace

from fhir_server.access.grant import App, Grant
from fhir_server.access.labels import HIDDEN_FROM_PROFESSIONALS
from fhir_server.access.scopes import parse_scopes
from fhir_server.commands.proving.records import (
    COMMON,
    POINTING,
    READS_MEASUREMENTS,
    Resource,
    answers,
    block,
    care_team,
    mother,
    observation,
    patient,
    record_consent,
    with_document,
)

CODES: Final = ("718-7", "2345-7")
VALUES: Final = range(1, 10)

PATIENT: Final = Grant("patient", "Patient/1", "app", parse_scopes("patient/*.cruds"), patient_id="1")
DOCTOR: Final = Grant("professional", "Practitioner/doctor", "software", parse_scopes("user/*.cruds"), profession="10")
BREAKING: Final = replace(
    DOCTOR,
    purpose_of_use="bris_de_glace",
    reason="unconscious",
    patient_id="2",
    expires_at=datetime(2026, 6, 2, tzinfo=UTC),
)
CALLING: Final = replace(BREAKING, purpose_of_use="centre_15", is_regulator=True)
DENTIST: Final = replace(DOCTOR, profession="40")
PARENT: Final = Grant("representative", "RelatedPerson/parent", "app", parse_scopes("patient/*.cruds"), patient_id="1")
PARENT_OF_ADULT: Final = replace(PARENT, patient_id="2")
TRACKER: Final = replace(PATIENT, app=App("Device/tracker", "care", True))
VIEWER: Final = replace(
    PATIENT,
    scopes=parse_scopes("patient/Observation.cruds?status=final patient/Practitioner.rs patient/Patient.rs"),
)
LABORATORY: Final = Grant("system", "Device/laboratory", "laboratory", parse_scopes("system/*.cruds"))

Hide = Callable[[str, int], list[Resource]]
"""Make hidden items of a code and a value; their names begin with `h-`, but for patients."""


class Case(msgspec.Struct, frozen=True):
    """Who asks, what is hidden from him, and what both worlds hold beside COMMON."""

    name: str
    grant: Grant
    hide: Hide
    common: tuple[Resource, ...] = ()


class Drawn(msgspec.Struct, frozen=True):
    """The items of one pair of worlds: visible ones as (code, value, has a document), and what the hidden ones say."""

    visible: tuple[tuple[str, int, bool], ...]
    code: str
    value: int


def draw(random: Random) -> Drawn:
    """Return items drawn at random."""
    visible = tuple((random.choice(CODES), random.choice(VALUES), random.random() < 0.5) for _ in range(3))
    return Drawn(visible, random.choice(CODES), random.choice(VALUES))


def worlds(case: Case, drawn: Drawn) -> tuple[list[Resource], list[Resource]]:
    """Return what both worlds hold, and what only one of them does; every visible world has a document."""
    common = [*COMMON, *case.common, *with_document("v-document", "1", drawn.code, drawn.value), POINTING]
    for number, (code, value, has_document) in enumerate(drawn.visible):
        if has_document:
            common += with_document(f"v{number}", "1", code, value)
        else:
            common.append(observation(f"v{number}", "1", code, value))
    return common, case.hide(drawn.code, drawn.value)


def _labelled(label: str) -> Hide:
    def hidden(code: str, value: int) -> list[Resource]:
        own = with_document("h-document", "1", code, value, label)
        meta = {"security": own[0]["securityLabel"][0]["coding"]}
        found = [*own, observation("h-alone", "1", code, value, meta=meta)]
        if label != HIDDEN_FROM_PROFESSIONALS:
            # It would be felt by the doctor himself.
            found.append(block("h-consent", "1", "Practitioner/doctor") | {"meta": meta})
        return found

    return hidden


def _stranger(code: str, value: int) -> list[Resource]:
    return [
        patient("2", "Durand"),
        *with_document("h-document", "2", code, value),
        observation("h-alone", "2", code, value),
        care_team("h-team", "2", "Practitioner/other"),
        answers("h-answers", "2"),
        {
            "resourceType": "Encounter",
            "id": "h-encounter",
            "status": "finished",
            "class": {"code": "AMB"},
            "subject": {"reference": "Patient/2"},
            "location": [{"location": {"reference": "Location/here"}}],
        },
    ]


def _and(*more: Resource) -> Hide:
    return lambda code, value: [*_stranger(code, value), *more]


def _inactive(code: str, value: int) -> list[Resource]:
    team = care_team("h-team-2", "2", "Practitioner/doctor")
    return [*_stranger(code, value)[1:], team, patient("2", "Durand", active=False)]


def _typed(document_type: str) -> Hide:
    def hidden(code: str, value: int) -> list[Resource]:
        own = with_document("h-document", "1", code, value)
        own[0] |= {"type": {"coding": [{"system": "http://loinc.org", "code": document_type}]}}
        return [*own, observation("h-alone", "1", code, value, meta={"source": "DocumentReference/h-document"})]

    return hidden


def _in_known_record(code: str, value: int) -> list[Resource]:
    return [*with_document("h-document", "2", code, value), observation("h-alone", "2", code, value)]


def _adult(code: str, value: int) -> list[Resource]:
    return [*_stranger(code, value)[1:], patient("2", "Durand", birthDate="2008-05-31"), mother("parent", "2")]


def _amended(code: str, value: int) -> list[Resource]:
    return [observation("h-alone", "1", code, value, status="amended")]


def _replaced(code: str, value: int) -> list[Resource]:
    earlier = with_document("h-earlier", "1", code, value)
    earlier[0] |= {"status": "superseded"}
    own = with_document("h-document", "1", code, value, HIDDEN_FROM_PROFESSIONALS)
    own[0] |= {"relatesTo": [{"code": "replaces", "target": {"reference": "DocumentReference/h-earlier"}}]}
    alone = observation("h-alone", "1", code, value, meta={"source": "DocumentReference/h-earlier"})
    return [*earlier, *own, alone]


_DENIED: Final = {"type": "deny"}
_OF_HIS_TEAM: Final = care_team("h-team-2", "2", "Practitioner/doctor")

CASES: Final = (
    Case("a patient, and a document not yet visible to him", PATIENT, _labelled("INVISIBLE_PATIENT")),
    Case("a patient, and a stranger's record", PATIENT, _stranger),
    Case("a doctor of the care team, and a masked document", DOCTOR, _labelled("MASQUE_PS")),
    Case("a doctor of the care team, and a masked document with the one it replaced", DOCTOR, _replaced),
    Case("a doctor, and the record of a patient he does not know", DOCTOR, _stranger),
    Case(
        "a doctor, and the record of a patient who blocked him",
        DOCTOR,
        _and(_OF_HIS_TEAM, block("h-consent", "2", "Practitioner/doctor")),
    ),
    Case(
        "a doctor who breaks the glass, and a patient who opposed it",
        BREAKING,
        _and(record_consent("h-consent", "2", "no-break-glass", _DENIED)),
    ),
    Case(
        "a regulating doctor, and a patient who opposed the call centre",
        CALLING,
        _and(record_consent("h-consent", "2", "no-regulation", _DENIED)),
    ),
    Case(
        "a doctor of the care team, and a record that the patient closed",
        DOCTOR,
        _and(_OF_HIS_TEAM, record_consent("h-consent", "2", "closing", _DENIED)),
    ),
    Case("a doctor of the care team, and a record that is not active", DOCTOR, _inactive),
    Case(
        "a doctor of the care team, and a patient who masks everything",
        DOCTOR,
        _in_known_record,
        (
            patient("2", "Durand"),
            care_team("team-2", "2", "Practitioner/doctor"),
            record_consent("mask", "2", "mask-all", _DENIED),
        ),
    ),
    Case("a dentist of the care team, and a psychological assessment", DENTIST, _typed("83901-9")),
    Case(
        "a parent, and what is hidden from representatives",
        PARENT,
        _labelled("INVISIBLE_REPRESENTANTS_LEGAUX"),
        (patient("1", "Martin", birthDate="2015-01-01"), mother("parent", "1")),
    ),
    Case("a parent, and a child who came of age yesterday", PARENT_OF_ADULT, _adult),
    Case(
        "an app that reads measurements, and a document",
        TRACKER,
        _typed("11502-2"),
        (record_consent("pairing", "1", "app-access", READS_MEASUREMENTS),),
    ),
    Case("an app that reads final results, and an amended one", VIEWER, _amended),
    Case("a laboratory, and what another one fed", LABORATORY, _stranger),
)
"""By name in reports."""
