"""The matrix of `matrix.csv`: one row one case that a clinician can read, judged by the decision alone."""

import csv
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from fhir_server.access import decision
from fhir_server.access.decision import decide
from fhir_server.access.grant import Grant
from fhir_server.access.rule import Rule
from fhir_server.foundation.operation_outcome import Forbidden
from fhir_server.search.condition import Condition
from fhir_server.search.index_row import RELATION, IndexRow
from fhir_server.search.match import Alone, match
from tests.access.world import ACTORS, grant_of, resource_of, subject_of

CASES = list(csv.DictReader(Path(__file__).with_name("matrix.csv").read_text(encoding="utf-8").splitlines()))
NOW = 1_000
FOR_EVERYONE = {"closed", "mask-all", "no-break-glass", "no-regulation"}
FORCE = {"expired": (0, NOW), "future": (NOW + 1, 2_000), "": (0, 2_000)}


def relations(text: str) -> tuple[IndexRow, ...]:
    rows = []
    for relation in filter(None, text.split("+")):
        words = relation.split()
        force = words.pop(0) if words[0] in FORCE else ""
        patient_id = "2" if "stranger" in words else "1"
        rows.append((RELATION, words[0], 0, actor_of(words), patient_id, *FORCE[force]))
    return tuple(rows)


def actor_of(words: list[str]) -> str:
    if "everyone" in words or words[0] in FOR_EVERYONE:
        return "*"
    if words[0] == "block" and words[1:2] in (["parent"], ["app"]):
        return ACTORS[words[1]]
    if words[0].startswith("app-"):
        return ACTORS["another app" if "another" in words else "app"]
    if words[0] == "minor":
        return ACTORS["patient"]
    return ACTORS["his hospital"] if "hospital" in words else ACTORS.get(words[0], ACTORS["doctor"])


def answer(case: dict[str, str], decide: Callable[[Grant, str, str], Condition] = decide) -> str:
    resource = resource_of(case["item"], case["label"], case["author"])
    try:
        within = decide(grant_of(case["caller"]), case["interaction"], resource["resourceType"])
    except Forbidden:
        return "refused"
    subject = subject_of(resource, ACTORS.get(case["depositor"], ""), case["document"])
    return "yes" if match(within, subject, Alone(NOW, relations(case["relation"]))) else "no"


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['caller']}: {case['case']}")
def test_matrix(case: dict[str, str]) -> None:
    assert answer(case) == case["expected"]


def test_a_decision_on_all_types_says_the_same_as_on_one() -> None:
    for case in CASES:
        if case["interaction"] != "search" and case["interaction"] != "read":
            continue
        resource = resource_of(case["item"], case["label"], case["author"])
        grant = grant_of(case["caller"])
        try:
            within = decide(grant, case["interaction"], "")
        except Forbidden:
            assert case["expected"] == "refused", case["case"]
            continue
        subject = subject_of(resource, ACTORS.get(case["depositor"], ""), case["document"])
        is_seen = match(within, subject, Alone(NOW, relations(case["relation"])))
        assert is_seen == (case["expected"] == "yes"), case["case"]


def test_every_kind_of_caller_is_in_the_matrix() -> None:
    assert {"patient", "doctor", "laboratory", "operator", "open", "nobody"} <= {case["caller"] for case in CASES}


def key_of(rule: Rule) -> tuple[str, tuple[str, ...], tuple[str, ...], bool, tuple[str, ...]]:
    types, except_types = tuple(sorted(rule.types)), tuple(sorted(rule.except_types))
    return rule.reason, types, except_types, rule.is_denial, tuple(sorted(rule.interactions))


RULES = sorted(
    {key_of(rule) for case in CASES for source in decision.SOURCES for rule in source(grant_of(case["caller"]))}
)


@pytest.mark.parametrize(
    "dropped", RULES, ids=lambda rule: f"{rule[0]} {' '.join(rule[1])} -{len(rule[2])} {''.join(rule[4])}"
)
def test_every_rule_is_needed_by_some_case(dropped: tuple[object, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    def without(source: Callable[[Grant], Iterable[Rule]]) -> Callable[[Grant], Iterable[Rule]]:
        return lambda grant: [rule for rule in source(grant) if key_of(rule) != dropped]

    monkeypatch.setattr(decision, "SOURCES", tuple(without(source) for source in decision.SOURCES))
    assert any(answer(case, decision.decide.__wrapped__) != case["expected"] for case in CASES)
