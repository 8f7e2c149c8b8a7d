"""What cannot be read leaves the rest to be judged; nothing is said of what it touches."""

import pytest

from fhir_server.validation.readable import is_about, readable


def test_the_rest_keeps_its_place() -> None:
    spoilt = {
        "resourceType": "Patient",
        "active": "yes",
        "unknown": 1,
        "name": ["x", {"family": "A", "given": ["a", 5, "b"], "_given": [None, {"id": "g"}, "x"]}],
        "contained": [{"resourceType": "Nothing"}, {"resourceType": "Basic", "id": 7}],
        "photo": {},
    }
    assert readable(spoilt) == {
        "resourceType": "Patient",
        "name": [{}, {"family": "A", "given": ["a", None, "b"], "_given": [None, {"id": "g"}, None]}],
        "contained": [None, {"resourceType": "Basic"}],
    }


@pytest.mark.parametrize(
    ("place", "told"),
    [
        ("Patient.name", True),
        ("Patient.name[0]", True),
        ("Patient.name[0].given", True),
        ("Patient", True),
        ("Patient.name[1]", False),
        ("Patient.names", False),
        ("Patient.birthDate", False),
    ],
)
def test_what_touches_the_unread_is_not_judged(place: str, told: bool) -> None:
    assert is_about(place, ["Patient.name[0]"]) is told
