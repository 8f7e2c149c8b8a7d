"""Who is a minor, whose record is closed, who represents whom, and what consents say of a whole record and of apps."""

from typing import Any

import pytest

from fhir_server.access.relations.codes import RECORD_CONSENT_SYSTEM
from fhir_server.access.relations.consent import consent_rows
from fhir_server.access.relations.persons import minority, patient_rows, related_person_rows
from fhir_server.foundation.dates import interval
from fhir_server.search.index_row import MAX_INSTANT, MIN_INSTANT, RELATION
from tests.access.world import PARENT_OF


def at(text: str) -> int:
    return interval(text)[0]


def row(ground: str, actor: str, low: int = MIN_INSTANT, high: int = MAX_INSTANT) -> tuple[Any, ...]:
    return (RELATION, ground, 0, actor, "1", low, high)


@pytest.mark.parametrize(
    ("birth_date", "majority"),
    [("2010-05-17", "2028-05-17"), ("2008-02-29", "2026-03-01"), ("2010-05", "2028-05-01"), ("2010", "2028-01-01")],
)
def test_a_patient_is_a_minor_until_his_eighteenth_birthday(birth_date: str, majority: str) -> None:
    assert minority(birth_date) == (at(birth_date), at(majority))
    patient = {"resourceType": "Patient", "id": "1", "birthDate": birth_date}
    assert patient_rows(patient) == [row("minor", "Patient/1", at(birth_date), at(majority))]


@pytest.mark.parametrize("birth_date", [None, "once", 2010])
def test_without_a_birth_date_nobody_is_a_minor(birth_date: Any) -> None:
    assert patient_rows({"resourceType": "Patient", "id": "1", "birthDate": birth_date}) == []


def test_an_inactive_patient_has_a_closed_record() -> None:
    assert patient_rows({"resourceType": "Patient", "id": "1", "active": False}) == [row("closed", "*")]
    assert patient_rows({"resourceType": "Patient", "id": "1", "active": True}) == []
    assert patient_rows({"resourceType": "Patient", "active": False}) == []


def related_person(**elements: Any) -> dict[str, Any]:
    return {"resourceType": "RelatedPerson", "id": "9", **PARENT_OF, **elements}


@pytest.mark.parametrize("depositor", ["", "Device/hospital"])
def test_a_system_says_who_is_a_parent_and_for_how_long(depositor: str) -> None:
    assert related_person_rows(related_person(), depositor) == [row("parent", "RelatedPerson/9")]
    ending = related_person(period={"end": "2026-01"})
    assert related_person_rows(ending, depositor) == [row("parent", "RelatedPerson/9", MIN_INSTANT, at("2026-02"))]


@pytest.mark.parametrize(
    ("elements", "depositor"),
    [
        ({}, "Patient/1"),
        ({}, "Practitioner/doctor"),
        ({}, "RelatedPerson/9"),
        ({"active": False}, ""),
        ({"meta": {"source": "DocumentReference/1"}}, ""),
        ({"relationship": [{"text": "mother"}]}, ""),
        ({"relationship": [{"coding": [{"system": "urn:other", "code": "MTH"}]}]}, ""),
        ({"period": {"end": "one day"}}, ""),
    ],
)
def test_others_and_documents_name_nobody_who_represents(elements: dict[str, Any], depositor: str) -> None:
    assert related_person_rows(related_person(**elements), depositor) == []


def coded(code: str) -> dict[str, Any]:
    return {"coding": [{"system": RECORD_CONSENT_SYSTEM, "code": code}]}


def record_consent(category: str, provision: dict[str, Any] | None = None, **elements: Any) -> dict[str, Any]:
    return {
        "resourceType": "Consent",
        "status": "active",
        "scope": {"coding": [{"code": "patient-privacy"}]},
        "category": [coded(category)],
        "patient": {"reference": "Patient/1"},
        "provision": provision or {},
        **elements,
    }


@pytest.mark.parametrize(
    ("category", "ground"),
    [
        ("closing", "closed"),
        ("opposition", "closed"),
        ("no-break-glass", "no-break-glass"),
        ("no-regulation", "no-regulation"),
        ("mask-all", "mask-all"),
    ],
)
def test_a_consent_on_the_whole_record_says_that_and_blocks_nobody_else(category: str, ground: str) -> None:
    assert consent_rows(record_consent(category, {"type": "deny"})) == [row(ground, "*")]
    ending = record_consent(category, {"period": {"end": "2026"}})
    assert consent_rows(ending) == [row(ground, "*", MIN_INSTANT, at("2027"))]
    assert consent_rows(record_consent(category, {"period": {"end": "one day"}})) == [row(ground, "*")]
    assert consent_rows(record_consent(category, status="inactive")) == []


APP = [{"role": {"text": "app"}, "reference": {"reference": "Device/tracker"}}]


def permit(operation: str, brick: str, **elements: Any) -> dict[str, Any]:
    bricks = [{"system": RECORD_CONSENT_SYSTEM, "code": brick}]
    return {"type": "permit", "action": [coded(operation)], "class": bricks, **elements}


def test_an_app_has_what_nested_provisions_permit_each_for_its_period() -> None:
    nested = [permit("read", "measurements", period={"end": "2026"}), permit("write", "documents")]
    assert consent_rows(record_consent("app-access", {"actor": APP, "provision": nested})) == [
        row("app-read-measurements", "Device/tracker", MIN_INSTANT, at("2027")),
        row("app-write-documents", "Device/tracker"),
    ]


@pytest.mark.parametrize(
    "provision",
    [
        {"actor": APP},
        {"type": "permit", "actor": APP},
        {"actor": APP, "provision": [{**permit("read", "documents"), "type": "deny"}]},
        {"actor": APP, "provision": [permit("read", "genome")]},
        {"actor": APP, "provision": [permit("sell", "documents")]},
        {"provision": [permit("read", "documents")]},
        {"actor": [{"reference": {"reference": "Practitioner/doctor"}}], "provision": [permit("read", "documents")]},
        {
            "actor": [*APP, {"reference": {"reference": "Device/other"}}],
            "provision": [permit("read", "documents")],
        },
    ],
)
def test_other_provisions_open_nothing_to_an_app_and_block_nobody(provision: dict[str, Any]) -> None:
    assert consent_rows(record_consent("app-access", provision)) == []
