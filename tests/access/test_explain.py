"""The proof of a decision: it agrees with the decision on every case, names its facts, and foresees a consent."""

from typing import Any

import pytest
from msgspec.structs import replace

from fhir_server.access.explain import (
    ALLOWS,
    DENIES,
    SILENT,
    Explanation,
    Fact,
    Question,
    explain,
    facts_of,
    simulate,
    standings,
)
from fhir_server.access.sentences import SENTENCES, sentence_of
from tests.access.test_matrix import CASES, NOW, relations
from tests.access.test_persons import APP, permit, record_consent
from tests.access.world import ACTORS, DOCTOR, PATIENT, TRACKER, grant_of, resource_of, subject_of


def question_of(case: dict[str, str]) -> Question:
    resource = resource_of(case["item"], case["label"], case["author"])
    subject = subject_of(resource, ACTORS.get(case["depositor"], ""), case["document"])
    facts = tuple(Fact(f"Consent/{number}", row) for number, row in enumerate(relations(case["relation"])))
    return Question(grant_of(case["caller"]), case["interaction"], subject, facts, NOW)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['caller']}: {case['case']}")
def test_the_proof_agrees_with_the_decision(case: dict[str, str]) -> None:
    found = explain(question_of(case))
    denied = any(step.effect == DENIES for step in found.steps)
    allowed = any(step.effect == ALLOWS and step.reason != "scopes" for step in found.steps)
    covered = any(step.effect == ALLOWS and step.reason == "scopes" for step in found.steps)
    assert found.is_reached == (case["expected"] == "yes") == (covered and allowed and not denied)
    assert found.reasons
    assert [step.step for step in found.steps] == sorted(step.step for step in found.steps)


def case_of(caller: str, relation: str, item: str = "Observation of the patient", **more: str) -> Explanation:
    empty = dict.fromkeys(("document", "label", "depositor", "author"), "")
    case = {**empty, "caller": caller, "relation": relation, "item": item, "interaction": "read", **more}
    return explain(question_of(case))


@pytest.mark.parametrize(
    ("caller", "relation", "label", "reasons"),
    [
        ("doctor", "care-team", "", ("care-team",)),
        ("doctor", "", "", ("no-rule",)),
        ("doctor", "care-team+block+closed", "MASQUE_PS", ("record-closed", "blocked", "masked")),
        ("doctor breaking the glass", "", "", ("break-glass",)),
        ("doctor breaking the glass", "no-break-glass", "", ("break-glass-opposed",)),
        ("emergency call doctor", "", "", ("regulation",)),
        ("parent", "parent+minor", "INVISIBLE_REPRESENTANTS_LEGAUX", ("hidden-from-representatives",)),
        ("tracker app", "", "", ("app-read-measurements",)),
        ("allergy app", "", "", ("scopes",)),
        ("nobody", "", "", ("scopes",)),
    ],
)
def test_the_reasons_are_those_that_decide(caller: str, relation: str, label: str, reasons: tuple[str, ...]) -> None:
    assert case_of(caller, relation, label=label).reasons == reasons


def test_a_step_names_the_facts_it_met_and_those_of_another_time() -> None:
    found = case_of("doctor", "expired consent+care-team+consent")
    (consent,) = [step for step in found.steps if step.reason == "consent"]
    assert [fact.reference for fact in consent.facts] == ["Consent/2", "Consent/0"]
    assert (consent.effect, consent.step) == (ALLOWS, 4)
    expired = case_of("doctor", "expired consent")
    (consent,) = [step for step in expired.steps if step.reason == "consent"]
    assert (consent.effect, [fact.reference for fact in consent.facts]) == (SILENT, ["Consent/0"])


def test_what_is_his_own_is_spared_and_says_so() -> None:
    found = case_of("doctor", "care-team", "DocumentReference of the patient", label="MASQUE_PS", depositor="doctor")
    (masked,) = [step for step in found.steps if step.reason == "masked"]
    assert (masked.effect, masked.is_spared) == (SILENT, True)
    assert found.is_reached


def test_every_reason_has_its_sentences_in_both_languages() -> None:
    reasons = {step.reason for case in CASES for step in explain(question_of(case)).steps}
    for reason in reasons:
        said = sentence_of(reason)
        assert said.french.endswith(".")
        assert said.english.endswith(".")
        assert 1 <= said.step <= 9
    assert SENTENCES.keys() <= reasons
    assert sentence_of("app-write-agenda").english == (
        "The patient has not consented to writing the agenda by this app."
    )


def block(**elements: Any) -> dict[str, Any]:
    actor = {"role": {"text": "doctor"}, "reference": {"reference": DOCTOR.actor}}
    provision = {"type": "deny", "actor": [actor]}
    scope = {"coding": [{"code": "patient-privacy"}]}
    patient = {"reference": "Patient/1"}
    return {
        "resourceType": "Consent",
        "id": "new",
        "status": "active",
        "scope": scope,
        "patient": patient,
        "provision": provision,
        **elements,
    }


CARE_TEAM = {
    "resourceType": "CareTeam",
    "id": "team",
    "status": "active",
    "subject": {"reference": "Patient/1"},
    "participant": [{"member": {"reference": DOCTOR.actor}}],
}


def test_a_consent_is_tried_before_it_is_saved() -> None:
    subject = subject_of(resource_of("Observation of the patient", "", ""), "Device/hospital")
    asked = Question(DOCTOR, "read", subject, facts_of([(CARE_TEAM, "Patient/1")]), NOW)
    change = simulate(asked, block())
    assert (change.before.reasons, change.after.reasons) == (("care-team",), ("blocked",))
    assert change.is_changed
    saved = replace(asked, facts=facts_of([(CARE_TEAM, "Patient/1"), (block(), "Patient/1")]))
    assert not explain(saved).is_reached
    withdrawn = simulate(saved, block(status="inactive"))
    assert withdrawn.is_changed
    assert withdrawn.after.reasons == ("care-team",)
    assert not simulate(saved, block(id="another")).is_changed


def test_a_patient_is_told_who_may_and_who_may_not() -> None:
    ended = {**CARE_TEAM, "id": "ended", "period": {"end": "1960"}}
    mask = {**record_consent("mask-all"), "id": "mask"}
    facts = facts_of([(CARE_TEAM, ""), (block(), ""), (mask, ""), (ended, "")])
    found = standings(facts, "1", NOW)
    assert {actor: [fact.reference for fact in said] for actor, said in found.items()} == {
        DOCTOR.actor: ["CareTeam/team", "Consent/new"],
        "*": ["Consent/mask"],
    }
    assert standings(facts, "2", NOW) == {}


def test_an_app_s_consent_is_tried_before_it_is_given() -> None:
    subject = subject_of(resource_of("Observation of the patient", "", ""), "Device/hospital")
    asked = Question(replace(PATIENT, app=TRACKER), "read", subject, (), NOW)
    given = {**record_consent("app-access", {"actor": APP, "provision": [permit("read", "measurements")]}), "id": "new"}
    assert simulate(asked, given).after.reasons == ("own-record",)
    less = {**record_consent("app-access", {"actor": APP, "provision": [permit("read", "agenda")]}), "id": "new"}
    assert not simulate(asked, less).is_changed
