"""The sentences: both languages, the same blanks, a code of FHIR, the message id in the OperationOutcome."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from fhir_server.foundation.definitions import INVARIANTS, table
from fhir_server.foundation.operation_outcome import MESSAGE_SYSTEM, Issue
from fhir_server.foundation.structure import codes, invariants
from fhir_server.validation.invariant_texts import FRENCH
from fhir_server.validation.profiles.profile import Profiles
from fhir_server.validation.profiles.run import Environment
from fhir_server.validation.profiles.texts import TEXTS
from fhir_server.validation.profiles.validate import validate_profiles
from fhir_server.validation.texts import STRUCTURE, say

BLANK = re.compile(r"\{\d\}")


@pytest.mark.parametrize("message_id", [*TEXTS, *STRUCTURE])
def test_a_message_says_the_same_in_both_languages(message_id: str) -> None:
    text = TEXTS.get(message_id) or STRUCTURE[message_id]
    assert sorted(set(BLANK.findall(text.en))) == sorted(set(BLANK.findall(text.fr)))
    assert text.code in codes("issue-type")
    assert text.severity in codes("issue-severity")


def test_sentences_are_filled_and_cut() -> None:
    assert say(TEXTS["too-long"], "en", (5, 6)) == "The text has 6 characters and may have 5: shorten it."
    assert say(TEXTS["too-long"], "fr-FR", (5, 6)) == "Le texte a 6 caractères et peut en avoir 5 : raccourcissez-le."
    assert len(say(TEXTS["fixed"], "en", ("x" * 9_000,))) < 400


def test_the_message_id_is_a_code_of_the_details() -> None:
    issue: Callable[..., Issue] = Issue
    element: dict[str, Any] = issue("error", "value", "x", ("Patient",), message_id="fixed").resource()
    assert element["details"] == {"coding": [{"system": MESSAGE_SYSTEM, "code": "fixed"}]}


def test_rules_in_french_are_of_r4_and_mean_one_thing() -> None:
    sentences: dict[str, set[str]] = {}
    for path in table(INVARIANTS):
        for rule in invariants(path):
            sentences.setdefault(rule.key, set()).add(rule.sentence)
    assert {key: len(sentences[key]) for key in FRENCH} == dict.fromkeys(FRENCH, 1)


@pytest.mark.parametrize(
    ("language", "sentence"),
    [
        ("en", "cpt-2: A system is required if a value is provided."),
        ("fr", "cpt-2 : Un moyen de contact qui a une valeur a aussi un système (phone, email, ...)."),
    ],
)
def test_a_rule_is_said_in_the_language_asked_for(language: str, sentence: str) -> None:
    environment = Environment(Profiles(lambda canonical, kind: None), language=language)
    issues = validate_profiles({"resourceType": "Patient", "telecom": [{"value": "1"}]}, (), environment)
    assert [issue.diagnostics for issue in issues if issue.severity == "error"] == [sentence]
