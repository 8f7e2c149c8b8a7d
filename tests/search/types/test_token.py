from collections.abc import Callable

import pytest

from fhir_server.foundation.operation_outcome import BadRequest

Finds = Callable[..., list[str]]

LOINC = "http://loinc.org"
OBSERVATION = {
    "resourceType": "Observation",
    "status": "final",
    "code": {"coding": [{"system": LOINC, "code": "8480-6", "display": "Systolic pressure"}, {"code": "local|1"}]},
}
TEXT_ONLY = {"resourceType": "Observation", "status": "amended", "code": {"text": "Tension artérielle"}}
PATIENT = {
    "resourceType": "Patient",
    "active": True,
    "gender": "female",
    "identifier": [
        {
            "system": "urn:oid:1.2.250.1.213.1.4.8",
            "value": "279035121518989",
            "type": {"coding": [{"system": "http://fr", "code": "INS-NIR"}], "text": "Identité nationale"},
        },
        {"value": "42"},
    ],
    "telecom": [{"system": "phone", "value": "+33612345678"}],
}


@pytest.mark.spec("search.html#token")
@pytest.mark.parametrize(
    ("query", "is_found"),
    [
        ("code=8480-6", True),
        (f"code={LOINC}|8480-6", True),
        ("code=http://snomed.info/sct|8480-6", False),
        (f"code={LOINC}|", True),
        ("code=http://snomed.info/sct|", False),
        ("code=|8480-6", False),
        (r"code=|local\|1", True),
        ("code=other,8480-6", True),
        ("code=8480-6&code=other", False),
        ("code:not=8480-6", False),
        ("code:not=other,8480-6", False),
        ("code:not=other", True),
        ("code:text=systolic", True),
        ("code:text=pressure", False),
        ("status=final", True),
        ("status=http://hl7.org/fhir/observation-status|final", True),
        ("status=http://example.org|final", False),
        ("_tag:not=x", True),
    ],
)
def test_a_token_is_a_code_alone_or_within_its_system(finds: Finds, query: str, is_found: bool) -> None:
    assert bool(finds(f"Observation?{query}", OBSERVATION)) is is_found


@pytest.mark.spec("search.html#token")
@pytest.mark.parametrize(
    ("query", "is_found"),
    [
        ("active=true", True),
        ("active=false", False),
        ("deceased=false", True),
        ("gender=female", True),
        ("identifier=279035121518989", True),
        ("identifier=urn:oid:1.2.250.1.213.1.4.8|279035121518989", True),
        ("identifier=|42", True),
        ("identifier=|279035121518989", False),
        ("identifier:of-type=http://fr|INS-NIR|279035121518989", True),
        ("identifier:of-type=http://fr|INS-NIR|42", False),
        ("identifier:text=identite", True),
        ("phone=%2B33612345678", True),
        ("email=%2B33612345678", False),
    ],
)
def test_tokens_of_booleans_codes_identifiers_and_contact_points(finds: Finds, query: str, is_found: bool) -> None:
    assert bool(finds(f"Patient?{query}", PATIENT)) is is_found


@pytest.mark.spec("search.html#modifiers")
def test_not_and_missing_hold_for_resources_without_a_code(finds: Finds) -> None:
    nothing = {"resourceType": "Observation"}
    everything = (OBSERVATION, TEXT_ONLY, nothing)
    assert finds("Observation?code:not=8480-6", *everything) == ["1", "2"]
    assert finds("Observation?code:missing=true", *everything) == ["2"]
    assert finds("Observation?code:missing=false", *everything) == ["0", "1"]
    assert finds("Observation?code:text=TENSION", *everything) == ["1"]


@pytest.mark.parametrize("value", ["|", "a|b|c", "a||"])
def test_a_value_that_is_no_token_is_refused(finds: Finds, value: str) -> None:
    with pytest.raises(BadRequest, match=r"code: .* write code, system\|code"):
        finds(f"Observation?code={value}", OBSERVATION)


def test_of_type_wants_three_parts(finds: Finds) -> None:
    with pytest.raises(BadRequest, match="identifier:of-type"):
        finds("Patient?identifier:of-type=INS-NIR|42", PATIENT)


def test_text_wants_letters(finds: Finds) -> None:
    with pytest.raises(BadRequest, match="code:text"):
        finds("Observation?code:text=-", OBSERVATION)
