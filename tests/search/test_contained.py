"""What resources contain: chains look into it, and `_contained` asks for it. Spec: search.html#contained."""

from collections.abc import Callable
from typing import Any

import pytest

from fhir_server.foundation.operation_outcome import BadRequest
from fhir_server.search.condition import NEVER

pytestmark = pytest.mark.spec("search.html#contained")
Finds = Callable[..., list[str]]

DOCUMENT: dict[str, Any] = {
    "resourceType": "DocumentReference",
    "id": "cda",
    "contained": [
        {"resourceType": "Patient", "id": "p", "name": [{"family": "Dubois"}], "birthDate": "1980"},
        {"resourceType": "Practitioner", "id": "martin", "name": [{"family": "Martin"}], "gender": "female"},
        {"resourceType": "Practitioner", "id": "petit", "name": [{"family": "Petit"}], "gender": "male"},
        {
            "resourceType": "PractitionerRole",
            "id": "role",
            "practitioner": {"reference": "#petit"},
            "organization": {"reference": "Organization/chu"},
        },
    ],
    "subject": {"reference": "#p"},
    "author": [{"reference": "#martin"}, {"reference": "#role"}],
}
STORED: dict[str, Any] = {"resourceType": "Practitioner", "id": "stored", "name": [{"family": "Martin"}]}
BY_STORED: dict[str, Any] = {
    "resourceType": "DocumentReference",
    "id": "plain",
    "author": [{"reference": "Practitioner/stored"}],
}
HOSPITAL: dict[str, Any] = {"resourceType": "Organization", "id": "chu", "name": "CHU"}
WORLD = (DOCUMENT, STORED, BY_STORED, HOSPITAL)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("DocumentReference?author:Practitioner.family=martin", ["cda", "plain"]),
        ("DocumentReference?author.family=martin", ["cda", "plain"]),
        ("DocumentReference?author:Practitioner.family=petit", []),  # contained, but no author
        ("DocumentReference?author:PractitionerRole.practitioner.family=petit", ["cda"]),
        ("DocumentReference?author:PractitionerRole.practitioner.family=martin", []),
        ("DocumentReference?author:PractitionerRole.organization.name=chu", ["cda"]),
        ("DocumentReference?patient.family=dubois", ["cda"]),
        ("DocumentReference?patient.family=durand", []),
        ("DocumentReference?patient._id=p", []),
        ("DocumentReference?patient:missing=false", ["cda"]),
        ("DocumentReference?_filter=author.family eq martin", ["cda", "plain"]),
        ("Practitioner?family=martin", ["stored"]),
        ("Practitioner?family=martin&_contained=false", ["stored"]),
        ("Practitioner?family=martin&_contained=true", ["cda"]),
        ("Practitioner?family=martin&_contained=both", ["cda", "stored"]),
        ("Practitioner?family=martin&gender=male&_contained=both", []),  # of two different ones
        ("Practitioner?family=martin,petit&gender=male&_contained=true", ["cda"]),
        ("Practitioner?gender:missing=true&_contained=both", ["stored"]),
        ("Practitioner?family:not-there=x&_contained=true", None),
        ("Patient?birthdate=1980&_contained=true", ["cda"]),
        ("PractitionerRole?practitioner.family=petit&_contained=true", ["cda"]),
        ("PractitionerRole?organization.name=chu&_contained=both", ["cda"]),
        ("Practitioner?_id=martin&_contained=true", ["cda"]),
        ("Practitioner?_has:DocumentReference:author:status=current&_contained=true", []),
        ("Practitioner?_contained=true", ["cda"]),
        ("Device?_contained=both", []),
        ("?_type=Device,Patient&_contained=true", ["cda"]),
        ("Practitioner?_text=x&_contained=true", None),
    ],
)
def test_the_meaning_of_contained(finds: Finds, query: str, expected: list[str] | None) -> None:
    if expected is None:
        with pytest.raises(BadRequest):
            finds(query, *WORLD)
    else:
        assert finds(query, *WORLD) == expected


def test_the_decision_on_the_container_governs_what_it_contains(finds: Finds) -> None:
    def nothing(resource_type: str) -> Any:
        return NEVER

    for query in ("Practitioner?family=martin&_contained=true", "DocumentReference?author.family=martin"):
        assert finds(query, *WORLD, within=nothing) == []
