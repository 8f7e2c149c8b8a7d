"""Which relations and blocks a CareTeam, a Consent and an Encounter give, and when they are in force."""

from typing import Any

import pytest

from fhir_server.access.relations.care import ENCOUNTER_LIMIT, care_team_rows, encounter_rows
from fhir_server.access.relations.consent import consent_rows
from fhir_server.access.relations.ground import NEVER_IN_FORCE, in_force
from fhir_server.foundation.dates import DAY, interval
from fhir_server.search.index_row import MAX_INSTANT, MIN_INSTANT, RELATION

PATIENT = {"reference": "Patient/1"}
DOCTOR = {"reference": "Practitioner/doctor"}


def at(text: str) -> int:
    return interval(text)[0]


def row(ground: str, actor: str, low: int = MIN_INSTANT, high: int = MAX_INSTANT) -> tuple[Any, ...]:
    return (RELATION, ground, 0, actor, "1", low, high)


def care_team(**elements: Any) -> dict[str, Any]:
    return {"resourceType": "CareTeam", "status": "active", "subject": PATIENT, **elements}


def consent(provision: dict[str, Any], **elements: Any) -> dict[str, Any]:
    scope = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy"}]}
    return {
        "resourceType": "Consent",
        "status": "active",
        "scope": scope,
        "patient": PATIENT,
        "provision": provision,
        **elements,
    }


def actors(*references: str) -> list[dict[str, Any]]:
    return [{"role": {"text": "actor"}, "reference": {"reference": one}} for one in references]


def test_a_period_is_half_open_and_as_precise_as_its_ends() -> None:
    assert in_force({"start": "2026-01-02", "end": "2026-01-03"}) == (at("2026-01-02"), at("2026-01-04"))
    assert in_force({"end": "2026-02"}, {"start": "2026"}) == (at("2026"), at("2026-03"))
    assert in_force(None, {}) == (MIN_INSTANT, MAX_INSTANT)
    assert in_force({"start": "someday"}) == NEVER_IN_FORCE


def test_members_of_an_active_care_team_are_related() -> None:
    members = ["Practitioner/doctor", "Organization/hospital", "PractitionerRole/role", "Patient/1", "RelatedPerson/r"]
    rows = care_team_rows(care_team(participant=[{"member": {"reference": one}} for one in members]))
    assert rows == [row("care-team", one) for one in members[:3]]


@pytest.mark.parametrize("status", ["proposed", "suspended", "inactive", "entered-in-error", None])
def test_other_care_teams_open_nothing(status: str | None) -> None:
    assert care_team_rows(care_team(status=status, participant=[{"member": DOCTOR}])) == []


def test_a_membership_lasts_while_the_team_lasts() -> None:
    team = care_team(period={"end": "2026-06-30"}, participant=[{"member": DOCTOR, "period": {"start": "2026-03-01"}}])
    assert care_team_rows(team) == [row("care-team", "Practitioner/doctor", at("2026-03-01"), at("2026-07-01"))]
    ended = care_team(period={"end": "2026-01"}, participant=[{"member": DOCTOR, "period": {"start": "2026-03"}}])
    assert care_team_rows(ended) == []


def test_a_permit_relates_its_actors_for_its_period() -> None:
    provision = {
        "type": "permit",
        "actor": actors("Practitioner/doctor", "Organization/hospital"),
        "period": {"start": "2026-05-01T10:00:00Z", "end": "2026-05-01T11:00:00Z"},
    }
    low, high = at("2026-05-01T10:00:00Z"), at("2026-05-01T11:00:01Z")
    assert consent_rows(consent(provision)) == [
        row("consent", "Practitioner/doctor", low, high),
        row("consent", "Organization/hospital", low, high),
    ]


@pytest.mark.parametrize(
    "elements",
    [
        {"status": "inactive"},
        {"status": "draft"},
        {"status": "rejected"},
        {"scope": {"coding": [{"code": "research"}]}},
    ],
)
def test_other_consents_say_nothing_of_access(elements: dict[str, Any]) -> None:
    assert consent_rows(consent({"type": "permit", "actor": actors("Practitioner/doctor")}) | elements) == []
    assert consent_rows(consent({"type": "deny"}) | elements) == []


@pytest.mark.parametrize(
    "narrowing",
    [
        {"class": [{"code": "Observation"}]},
        {"code": [{"text": "HIV"}]},
        {"securityLabel": [{"code": "R"}]},
        {"data": [{"meaning": "instance", "reference": {"reference": "Observation/1"}}]},
        {"dataPeriod": {"start": "2020"}},
        {"purpose": [{"code": "HRESCH"}]},
        {"action": [{"coding": [{"code": "collect"}]}]},
    ],
)
def test_a_permit_of_less_than_the_record_for_care_opens_nothing(narrowing: dict[str, Any]) -> None:
    assert consent_rows(consent({"type": "permit", "actor": actors("Practitioner/doctor"), **narrowing})) == []


def test_a_permit_for_care_opens() -> None:
    provision = {
        "type": "permit",
        "actor": actors("Practitioner/doctor"),
        "purpose": [{"code": "TREAT"}],
        "action": [{"coding": [{"code": "access"}]}],
    }
    assert consent_rows(consent(provision)) == [row("consent", "Practitioner/doctor")]


def test_a_denial_blocks_its_actors_and_without_actor_everyone() -> None:
    assert consent_rows(consent({"type": "deny", "actor": actors("Practitioner/doctor")})) == [
        row("block", "Practitioner/doctor")
    ]
    assert consent_rows(consent({"type": "deny"})) == [row("block", "*")]


def test_a_denial_whose_actor_is_unknown_here_blocks_everyone() -> None:
    by_identifier = [{"reference": {"identifier": {"value": "10000000001"}}}]
    assert consent_rows(consent({"type": "deny", "actor": by_identifier})) == [row("block", "*")]
    both = actors("Practitioner/doctor") + by_identifier
    assert consent_rows(consent({"type": "deny", "actor": both})) == [
        row("block", "Practitioner/doctor"),
        row("block", "*"),
    ]


@pytest.mark.parametrize("actor", ["RelatedPerson/parent", "Device/tracker", "PractitionerRole/role"])
def test_a_denial_may_block_who_represents_the_patient_or_an_app_alone(actor: str) -> None:
    assert consent_rows(consent({"type": "deny", "actor": actors(actor)})) == [row("block", actor)]
    assert consent_rows(consent({"type": "deny", "actor": actors("CareTeam/team")})) == [row("block", "*")]


@pytest.mark.parametrize("actor", ["RelatedPerson/parent", "Device/tracker"])
def test_a_permit_names_professionals_only(actor: str) -> None:
    assert consent_rows(consent({"type": "permit", "actor": actors(actor)})) == []


def test_a_denial_of_some_items_blocks_as_a_whole_and_one_for_research_does_not() -> None:
    narrow = {"type": "deny", "actor": actors("Practitioner/doctor"), "class": [{"code": "Observation"}]}
    assert consent_rows(consent(narrow)) == [row("block", "Practitioner/doctor")]
    assert consent_rows(consent({"type": "deny", "purpose": [{"code": "HRESCH"}]})) == []


def test_a_denial_with_an_unreadable_period_never_ends() -> None:
    provision = {"type": "deny", "actor": actors("Practitioner/doctor"), "period": {"end": "one day"}}
    assert consent_rows(consent(provision)) == [row("block", "Practitioner/doctor")]


def test_nested_provisions_are_within_the_outer_one() -> None:
    provision = {
        "period": {"end": "2026"},
        "provision": [
            {"type": "permit", "actor": actors("Practitioner/doctor"), "period": {"start": "2026-05"}},
            {"type": "deny", "actor": actors("Practitioner/other")},
        ],
    }
    assert consent_rows(consent(provision)) == [
        row("consent", "Practitioner/doctor", at("2026-05"), at("2027")),
        row("block", "Practitioner/other", MIN_INSTANT, at("2027")),
    ]
    limited = {"class": [{"code": "Observation"}], "provision": [{"type": "permit", "actor": actors("Practitioner/d")}]}
    assert consent_rows(consent(limited)) == []
    exception = {
        "type": "permit",
        "actor": actors("Practitioner/doctor"),
        "provision": [{"type": "deny", "code": [{"text": "HIV"}]}],
    }
    assert row("block", "Practitioner/doctor") in consent_rows(consent(exception))
    assert row("block", "*") not in consent_rows(consent(exception))


def encounter(**elements: Any) -> dict[str, Any]:
    return {
        "resourceType": "Encounter",
        "status": "in-progress",
        "subject": PATIENT,
        "participant": [{"individual": DOCTOR}],
        "period": {"start": "2026-05-01"},
        **elements,
    }


def test_who_takes_part_in_an_encounter_under_way_is_related_for_a_limited_time() -> None:
    low = at("2026-05-01")
    expected = [row("encounter", "Practitioner/doctor", low, low + ENCOUNTER_LIMIT)]
    assert encounter_rows(encounter(), "Device/hospital") == expected
    assert ENCOUNTER_LIMIT == 90 * DAY
    ending = encounter(period={"start": "2026-05-01", "end": "2026-05-02"})
    assert encounter_rows(ending, "Device/hospital") == [row("encounter", "Practitioner/doctor", low, at("2026-05-03"))]


@pytest.mark.parametrize(
    ("elements", "depositor"),
    [
        ({}, "Practitioner/doctor"),
        ({}, "Patient/1"),
        ({"status": "planned"}, "Device/hospital"),
        ({"status": "finished"}, "Device/hospital"),
        ({"period": {}}, "Device/hospital"),
    ],
)
def test_other_encounters_open_nothing(elements: dict[str, Any], depositor: str) -> None:
    assert encounter_rows(encounter(**elements), depositor) == []
