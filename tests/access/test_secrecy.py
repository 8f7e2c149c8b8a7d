"""A secret connection: the label that its deposits carry, and who has one."""

from typing import Any

import pytest

from fhir_server.access.labels import VISIBILITY_SYSTEM, label_rows
from fhir_server.access.modes import BREAK_GLASS, NORMAL, REGULATION, mode_of
from fhir_server.access.rules.secrecy import label_secret
from tests.access.world import PATIENT, grant_of

SECRET = grant_of("doctor in secret")
CODING = {"system": VISIBILITY_SYSTEM, "code": "INVISIBLE_REPRESENTANTS_LEGAUX"}


def codes(resource: dict[str, Any]) -> list[str]:
    return [row[-1] for row in label_rows(resource)]


@pytest.mark.parametrize("resource_type", ["DocumentReference", "Observation", "Binary", "Encounter"])
def test_what_is_deposited_in_secret_carries_the_label_once(resource_type: str) -> None:
    resource = {"resourceType": resource_type, "meta": {"security": [{"system": "urn:other", "code": "R"}]}}
    secret = label_secret(SECRET, resource)
    assert codes(secret) == ["INVISIBLE_REPRESENTANTS_LEGAUX"]
    assert secret["meta"]["security"][0] == {"system": "urn:other", "code": "R"}
    assert label_secret(SECRET, secret) is secret
    assert codes(resource) == []


def test_a_document_keeps_its_other_labels() -> None:
    masked = {"coding": [{"system": VISIBILITY_SYSTEM, "code": "MASQUE_PS"}]}
    secret = label_secret(SECRET, {"resourceType": "DocumentReference", "securityLabel": [masked]})
    assert secret["securityLabel"] == [masked, {"coding": [CODING]}]


def test_the_directory_and_other_connections_carry_none() -> None:
    role = {"resourceType": "PractitionerRole"}
    observation = {"resourceType": "Observation"}
    assert label_secret(SECRET, role) is role
    assert label_secret(grant_of("doctor"), observation) is observation
    assert label_secret(PATIENT, observation) is observation


@pytest.mark.parametrize(
    ("purpose", "mode"),
    [
        ("", NORMAL),
        ("normal", NORMAL),
        ("TREAT", NORMAL),
        ("BTG", BREAK_GLASS),
        ("bris_de_glace", BREAK_GLASS),
        ("centre_15", REGULATION),
        ("HRESCH", ""),
        ("HMARKT", ""),
    ],
)
def test_a_purpose_of_use_says_the_mode(purpose: str, mode: str) -> None:
    assert mode_of(purpose) == mode
