from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_server.foundation.operation_outcome import BadRequest
from fhir_server.search.types.string import fold

Finds = Callable[..., list[str]]

PATIENT = {
    "resourceType": "Patient",
    "name": [{"family": "Le Goff-Dupré", "given": ["Hélène", None, "Cœur"], "prefix": ["Mme"]}],
    "address": [{"line": ["12 rue de l'Église"], "city": "Saint-Étienne", "postalCode": "42000"}],
}


@pytest.mark.spec("search.html#string")
@pytest.mark.parametrize(
    ("query", "is_found"),
    [
        ("family=le goff", True),
        ("family=LE  GOFF-DUPRE", True),
        ("family=goff", False),
        ("family:contains=dupré", True),
        ("family:exact=Le Goff-Dupré", True),
        ("family:exact=Le Goff", False),
        ("family:exact=le goff-dupré", False),
        ("given=helene", True),
        ("given=coeur", True),
        ("name=mme", True),
        ("name=Hélène Cœur Le Goff", True),
        ("name=durand,goff,hel", True),
        ("address=saint etienne", True),
        ("address-city=SAINT-ETIENNE", True),
        ("address:contains=eglise", True),
        ("address-postalcode=42", True),
    ],
)
def test_text_matches_at_its_start_whatever_case_accents_and_punctuation(
    finds: Finds, query: str, is_found: bool
) -> None:
    assert bool(finds(f"Patient?{query}", PATIENT)) is is_found


@pytest.mark.spec("search.html#escaping")
def test_an_escaped_comma_is_part_of_the_value(finds: Finds) -> None:
    patient = {"resourceType": "Patient", "name": [{"family": "a,b"}]}
    assert finds(r"Patient?family:exact=a\,b", patient) == ["0"]
    assert finds(r"Patient?family:exact=a,b", patient) == []


def test_punctuation_alone_is_refused(finds: Finds) -> None:
    with pytest.raises(BadRequest, match=r"family.*at least one letter"):
        finds("Patient?family=-", PATIENT)


@given(st.text(max_size=30))
def test_folding_twice_changes_nothing(text: str) -> None:
    assert fold(fold(text)) == fold(text)


@given(st.text(max_size=20), st.text(max_size=20))
def test_what_starts_alike_folds_alike(start: str, rest: str) -> None:
    assert fold(start + " " + rest).startswith(fold(start))
