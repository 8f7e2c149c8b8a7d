"""Random resources and random clauses: what search finds is what a reader of the specification would."""

import unicodedata
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

Finds = Callable[..., list[str]]

# The fixture keeps nothing between two examples.
repeated = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])

SYSTEMS = st.sampled_from(["http://a", "http://b", ""])
CODES = st.sampled_from(["x", "y", "z", ""])
CODINGS = st.lists(st.tuples(SYSTEMS, CODES), max_size=3)
ASKED = st.tuples(st.sampled_from(["http://a", "http://b", "", None]), st.sampled_from(["x", "y", ""])).filter(
    lambda pair: bool(pair[0] or pair[1])
)


def coded(codings: list[tuple[str, str]]) -> dict[str, Any]:
    elements = [{name: text for name, text in (("system", system), ("code", code)) if text} for system, code in codings]
    return (
        {"resourceType": "Observation", "code": {"coding": elements}} if elements else {"resourceType": "Observation"}
    )


def token_holds(asked: tuple[str | None, str], coding: tuple[str, str]) -> bool:
    system, code = asked
    if coding == ("", ""):
        return False
    return (system is None or system == coding[0]) and (code in ("", coding[1]))


@pytest.mark.spec("search.html#token")
@repeated
@given(CODINGS, st.lists(ASKED, min_size=1, max_size=3), st.booleans())
def test_tokens(
    finds: Finds, codings: list[tuple[str, str]], asked: list[tuple[str | None, str]], is_not: bool
) -> None:
    values = ",".join(code if system is None else f"{system}|{code}" for system, code in asked if system or code)
    expected = any(token_holds(one, coding) for one in asked for coding in codings)
    name = "code:not" if is_not else "code"
    assert bool(finds(f"Observation?{name}={values}", coded(codings))) is (expected != is_not)


WORDS = st.lists(st.sampled_from(["Anne", "ANNE", "anné", "Marie", "Mar", "É", "O"]), min_size=1, max_size=3)


def plain(text: str) -> str:
    decomposed = unicodedata.normalize("NFD", text.lower())
    return "".join(character for character in decomposed if unicodedata.category(character) != "Mn").replace("-", " ")


@pytest.mark.spec("search.html#string")
@repeated
@given(WORDS, WORDS, st.sampled_from(["", ":exact", ":contains"]), st.sampled_from([" ", "-", "  "]))
def test_strings(finds: Finds, stored: list[str], asked: list[str], modifier: str, joint: str) -> None:
    text, value = joint.join(stored), " ".join(asked)
    meaning = {
        "": " ".join(plain(text).split()).startswith(plain(value)),
        ":exact": text == value,
        ":contains": plain(value) in " ".join(plain(text).split()),
    }
    patient = {"resourceType": "Patient", "name": [{"family": text}]}
    assert bool(finds(f"Patient?family{modifier}={value}", patient)) is meaning[modifier]


IDS = st.sampled_from(["1", "2"])
TYPES = st.sampled_from(["Patient", "Group"])


@pytest.mark.spec("search.html#chaining")
@repeated
@given(st.lists(st.tuples(TYPES, IDS), max_size=2), TYPES, IDS, st.sampled_from(["", "Patient", "Group"]))
def test_references_and_chains_agree(
    finds: Finds, subjects: list[tuple[str, str]], kind: str, target_id: str, named: str
) -> None:
    observations = [
        {"resourceType": "Observation", "id": str(number), "subject": {"reference": f"{subject}/{subject_id}"}}
        for number, (subject, subject_id) in enumerate(subjects)
    ]
    targets = [{"resourceType": name, "id": one} for name in ("Patient", "Group") for one in ("1", "2")]
    world = (*observations, *targets)
    expected = [str(number) for number, subject in enumerate(subjects) if subject == (kind, target_id)]
    assert finds(f"Observation?subject={kind}/{target_id}", *world) == expected
    assert finds(f"Observation?subject:{kind}={target_id}", *world) == expected
    assert finds(f"Observation?subject:{kind}._id={target_id}", *world) == expected
    chained = [str(n) for n, (name, one) in enumerate(subjects) if one == target_id and named in ("", name)]
    link = f"subject:{named}" if named else "subject"
    assert finds(f"Observation?{link}._id={target_id}", *world) == chained
    referred = [one for one in ("1", "2") if (kind, one) in subjects]
    assert finds(f"{kind}?_has:Observation:subject:_id=0,1", *world) == referred
