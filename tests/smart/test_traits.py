"""Who signs in elsewhere is a patient here by the five traits of the INS, and never by his name alone."""

from typing import Any

import pytest

from fhir_server.smart.providers.traits import BIRTH_PLACE, INSEE_CODE, traits_of_claims, traits_of_patient

pytestmark = pytest.mark.spec("CSP R.1111-8-1 (INS), RNIV 1")
CLAIMS = {
    "family_name": "D’Œillet-Noël",
    "given_name": "Anne-Lise Marie",
    "birthdate": "1979-03-28",
    "gender": "female",
    "birthplace": "2a004",
}
PATIENT: dict[str, Any] = {
    "resourceType": "Patient",
    "identifier": [{"system": "urn:oid:1.2.250.1.213.1.4.8", "value": "279032A00400179"}],
    "name": [{"family": "Autre"}, {"use": "official", "family": "D OEILLET NOEL", "given": ["ANNE-LISE", "MARIE"]}],
    "gender": "female",
    "birthDate": "1979-03-28",
    "extension": [
        {
            "url": BIRTH_PLACE,
            "valueAddress": {"extension": [{"url": INSEE_CODE, "valueCoding": {"code": "2A004"}}]},
        }
    ],
}


def test_the_same_person_is_recognised_however_his_name_is_written() -> None:
    assert traits_of_claims(CLAIMS) == traits_of_patient(PATIENT) is not None


def test_who_was_born_abroad_has_a_country() -> None:
    abroad = traits_of_claims({**CLAIMS, "birthplace": "", "birthcountry": "99109"})
    assert abroad is not None
    assert abroad.birth_place == "99109"


@pytest.mark.parametrize("name", list(CLAIMS))
def test_each_trait_counts(name: str) -> None:
    assert traits_of_claims({key: value for key, value in CLAIMS.items() if key != name}) is None
    others = {"birthdate": "1979-03-29", "gender": "male", "birthplace": "75056"}
    changed = traits_of_claims({**CLAIMS, name: others.get(name, "Autre")})
    assert changed is not None
    assert changed != traits_of_patient(PATIENT)


@pytest.mark.parametrize(("name", "value"), [("birthdate", "1979"), ("gender", "other"), ("birthplace", "Paris")])
def test_what_is_unreadable_recognises_nobody(name: str, value: str) -> None:
    assert traits_of_claims({**CLAIMS, name: value}) is None


@pytest.mark.parametrize("missing", ["identifier", "name", "gender", "birthDate", "extension"])
def test_only_a_whole_and_qualified_identity_is_compared(missing: str) -> None:
    assert traits_of_patient({key: value for key, value in PATIENT.items() if key != missing}) is None
