"""`$explain-access`: the proof is that of the decision, in the reader's language, and tells nobody else anything."""

from typing import Any

import pytest

from fhir_server.access.grant import Grant
from fhir_server.access.labels import VISIBILITY_SYSTEM
from fhir_server.access.scopes import parse_scopes
from fhir_server.foundation.operation_outcome import BadRequest, FhirError, Forbidden, NotFound
from fhir_server.interactions.request import Runtime
from fhir_server.validation.validate import validate
from tests.operations.conftest import asked, parsed

pytestmark = pytest.mark.anyio

PATIENT = Grant("patient", "Patient/1", "portal", parse_scopes("patient/*.cruds"), patient_id="1")
OPERATOR = Grant("system", "Device/o", "operator", parse_scopes("system/*.cruds"), is_operator=True)
DOCTOR = Grant("professional", "Practitioner/doctor", "software", parse_scopes("user/*.cruds"), profession="10")
PARENT = Grant("representative", "RelatedPerson/mother", "portal", parse_scopes("patient/*.cruds"), patient_id="1")
PROFESSION = {"system": "https://mos.esante.gouv.fr/NOS/TRE_G15-ProfessionSante/FHIR/TRE-G15-ProfessionSante"}


def labelled(name: str, label: str, **elements: Any) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": name,
        "status": "final",
        "code": {"text": "x"},
        "subject": {"reference": "Patient/1"},
        "meta": {"security": [{"system": VISIBILITY_SYSTEM, "code": label}]} if label else {"tag": [{"code": "t"}]},
        **elements,
    }


def block(name: str, **elements: Any) -> dict[str, Any]:
    actor = {"role": {"text": "doctor"}, "reference": {"reference": "Practitioner/doctor"}}
    return {
        "resourceType": "Consent",
        "id": name,
        "status": "active",
        "scope": {"coding": [{"code": "patient-privacy"}]},
        "category": [{"text": "access"}],
        "patient": {"reference": "Patient/1"},
        "policyRule": {"text": "law"},
        "provision": {"type": "deny", "actor": [actor]},
        **elements,
    }


@pytest.fixture
async def filled(runtime: Runtime) -> Runtime:
    mother = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-RoleCode", "code": "MTH"}]}
    for resource in (
        {"resourceType": "Patient", "id": "1", "birthDate": "2015-01-01"},
        {
            "resourceType": "Practitioner",
            "id": "doctor",
            "qualification": [{"code": {"coding": [{**PROFESSION, "code": "10"}]}}],
        },
        {
            "resourceType": "CareTeam",
            "id": "team",
            "status": "active",
            "period": {"start": "2020-01-01"},
            "subject": {"reference": "Patient/1"},
            "participant": [{"member": {"reference": "Practitioner/doctor"}}],
        },
        {
            "resourceType": "RelatedPerson",
            "id": "mother",
            "patient": {"reference": "Patient/1"},
            "relationship": [mother],
        },
        labelled("plain", ""),
        labelled("masked", "MASQUE_PS"),
        labelled("hidden", "INVISIBLE_PATIENT"),
        labelled("secret", "INVISIBLE_REPRESENTANTS_LEGAUX"),
    ):
        await asked(runtime, "update", f"{resource['resourceType']}/{resource['id']}", resource)
    return runtime


async def told(
    runtime: Runtime, grant: Grant, place: str, actor: str, language: str = "", **more: Any
) -> dict[str, list[Any]]:
    """The parts of the answer by name."""
    named = tuple((name, value) for name, value in more.items() if isinstance(value, str))
    body = None
    if "consent" in more:
        parts = [{"name": "consent", "resource": more["consent"]}]
        body = {"resourceType": "Parameters", "parameter": parts}
    request = {"grant": grant, "languages": language, "parameters": (("actor", actor), *named)}
    answer = parsed(await asked(runtime, "$explain-access", place, body, **request))
    validate(answer, expected_type="Parameters")
    return by_name(answer["parameter"])


def by_name(parts: list[dict[str, Any]]) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for part in parts:
        value = next(item for name, item in part.items() if name != "name")
        found.setdefault(part["name"], []).append(by_name(value) if "part" in part else value)
    return found


async def test_the_patient_is_told_why_a_doctor_sees_an_item(filled: Runtime) -> None:
    found = await told(filled, PATIENT, "Observation/plain", "Practitioner/doctor", "en-GB,fr;q=0.5")
    assert found["isReached"] == [True]
    assert found["profession"] == ["10"]
    assert found["reason"] == [{"code": ["care-team"], "text": ["Member of the care team."]}]
    (team,) = [step for step in found["step"] if step["reason"] == ["care-team"]]
    assert team["effect"] == ["allows"]
    (fact,) = team["fact"]
    assert fact["source"] == [{"reference": "CareTeam/team"}]
    assert fact["period"] == [{"start": "2020-01-01T00:00:00.000Z"}]
    orders = [step["order"][0] for step in found["step"]]
    assert orders == sorted(orders)


@pytest.mark.parametrize(
    ("actor", "place", "more", "reason", "text"),
    [
        ("Practitioner/doctor", "Observation/masked", {}, "masked", "Le document est masqué aux professionnels."),
        ("Practitioner/other", "Observation/plain", {}, "no-rule", "Rien n'ouvre cet accès."),
        ("Practitioner/other", "Observation/plain", {"mode": "bris_de_glace"}, "break-glass", "Bris de glace"),
        (
            "Practitioner/other",
            "Observation/plain",
            {"mode": "centre_15", "profession": "10"},
            "regulation",
            "Le centre",
        ),
        ("Practitioner/doctor", "Observation/plain", {"interaction": "delete"}, "no-rule", "Rien"),
        ("Practitioner/doctor", "Observation/plain", {"scope": "user/Patient.rs"}, "scopes", "Le jeton ne"),
        ("RelatedPerson/mother", "Observation/secret", {}, "hidden-from-representatives", "Le document est caché"),
        ("RelatedPerson/mother", "Observation/plain", {}, "own-record", "C'est son dossier"),
        ("Device/tracker", "Observation/plain", {}, "app-read-measurements", "Le patient n'a pas consenti"),
        ("Patient/2", "Observation/plain", {}, "no-rule", "Rien n'ouvre cet accès"),
    ],
)
async def test_each_actor_has_his_reason(
    filled: Runtime, actor: str, place: str, more: dict[str, str], reason: str, text: str
) -> None:
    found = await told(filled, PATIENT, place, actor, **more)
    assert found["reason"][0]["code"] == [reason]
    assert found["reason"][0]["text"][0].startswith(text)
    assert (await told(filled, OPERATOR, place, actor, **more))["reason"] == found["reason"]


async def test_a_consent_is_tried_and_nothing_is_saved(filled: Runtime) -> None:
    found = await told(filled, PATIENT, "Observation/plain", "Practitioner/doctor", consent=block("new"))
    assert (found["isReached"], found["isChanged"]) == ([True], [True])
    assert found["after"][0]["isReached"] == [False]
    assert found["after"][0]["reason"][0]["code"] == ["blocked"]
    assert (await told(filled, PATIENT, "Observation/plain", "Practitioner/doctor"))["isReached"] == [True]
    await asked(filled, "update", "Consent/b", block("b"))
    ended = block("b", status="inactive")
    found = await told(filled, PATIENT, "Observation/plain", "Practitioner/doctor", consent=ended)
    assert (found["isReached"], found["after"][0]["isReached"]) == ([False], [True])


async def test_what_the_asker_does_not_see_is_unknown_and_does_not_enter(filled: Runtime) -> None:
    for place in ("Observation/hidden", "Observation/none"):
        with pytest.raises(NotFound):
            await told(filled, PATIENT, place, "Practitioner/doctor")
    with pytest.raises(NotFound):
        await told(filled, PARENT, "Observation/secret", "Practitioner/doctor")
    before = await told(filled, PARENT, "Observation/plain", "Practitioner/doctor")
    secret = [{"system": VISIBILITY_SYSTEM, "code": "INVISIBLE_REPRESENTANTS_LEGAUX"}]
    await asked(filled, "update", "Consent/s", block("s", meta={"security": secret}))
    assert await told(filled, PARENT, "Observation/plain", "Practitioner/doctor") == before
    assert (await told(filled, PATIENT, "Observation/plain", "Practitioner/doctor"))["isReached"] == [False]


async def test_a_professional_is_told_nothing(filled: Runtime) -> None:
    for place in ("Observation/plain", "Observation/masked", "Observation/none"):
        with pytest.raises(Forbidden):
            await told(filled, DOCTOR, place, "Practitioner/doctor")


async def test_a_narrow_token_is_not_told_what_it_does_not_cover(filled: Runtime) -> None:
    narrow = Grant("patient", "Patient/1", "app", parse_scopes("patient/Observation.rs"), patient_id="1")
    with pytest.raises(Forbidden):
        await told(filled, narrow, "Observation/plain", "Practitioner/doctor")


@pytest.mark.parametrize(
    "parameters",
    [
        (),
        (("actor", "Group/1"),),
        (("actor", "nobody"),),
        (("actor", "Practitioner/1"), ("mode", "x")),
        (("actor", "Practitioner/1"), ("interaction", "fly")),
        (("actor", "Patient/1"), ("mode", "bris_de_glace")),
        (("actor", "Practitioner/1"), ("scope", "user/x")),
        (("actor", "Practitioner/1"), ("unknown", "x")),
    ],
)
async def test_a_question_that_makes_no_sense_says_so(filled: Runtime, parameters: tuple[tuple[str, str], ...]) -> None:
    with pytest.raises(BadRequest):
        await asked(filled, "$explain-access", "Observation/plain", grant=PATIENT, parameters=parameters)


async def test_what_is_tried_is_a_valid_consent(filled: Runtime) -> None:
    for wrong in ({"resourceType": "Patient"}, block("x", status="nonsense")):
        with pytest.raises(FhirError):
            await told(filled, PATIENT, "Observation/plain", "Practitioner/doctor", consent=wrong)
