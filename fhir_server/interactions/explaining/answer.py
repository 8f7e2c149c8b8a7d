"""The answer: a proof as Parameters, its sentences in French or in English.

Spec: parameters.html
"""

from collections.abc import Iterator
from typing import Any, Final

from fhir_server.access.explain import Explanation, Fact, Question, Step
from fhir_server.access.labels import VISIBILITY_SYSTEM
from fhir_server.access.rows import LABEL
from fhir_server.access.sentences import text_of
from fhir_server.foundation.dates import format_instant, from_microseconds
from fhir_server.foundation.parameters import parameter
from fhir_server.search.index_row import MAX_INSTANT, MIN_INSTANT, TOKEN

_FRENCH: Final = "fr"


def language_of(languages: str) -> str:
    """Return "fr" or "en": the first of them that an Accept-Language header names, French when it names none."""
    for item in languages.lower().split(","):
        tag = item.partition(";")[0].strip()[:2]
        if tag in ("fr", "en"):
            return tag
    return _FRENCH


def proof(explanation: Explanation, question: Question, language: str) -> Iterator[dict[str, Any]]:
    """Yield the parameters of one proof: the answer, its reasons, the labels, and every rule in order."""
    yield parameter("isReached", "boolean", explanation.is_reached)
    for reason in explanation.reasons:
        yield parameter(
            "reason",
            "part",
            [parameter("code", "code", reason), parameter("text", "string", text_of(reason, language))],
        )
    for row in question.subject.rows:
        if row[0] == TOKEN and row[1] == LABEL:
            yield parameter("label", "Coding", {"system": VISIBILITY_SYSTEM, "code": row[-1]})
    for step in explanation.steps:
        yield parameter("step", "part", [*_step(step, question, language)])


def _step(step: Step, question: Question, language: str) -> Iterator[dict[str, Any]]:
    yield parameter("order", "integer", step.step)
    yield parameter("reason", "code", step.reason)
    yield parameter("effect", "code", step.effect)
    yield parameter("isDenial", "boolean", step.is_denial)
    if step.is_spared:
        yield parameter("isSpared", "boolean", True)
    yield parameter("text", "string", step.french if language == _FRENCH else step.english)
    for fact in step.facts:
        yield parameter("fact", "part", [*_fact(fact, question.now)])


def _fact(fact: Fact, now: int) -> Iterator[dict[str, Any]]:
    _, ground, _, actor, _, low, high = fact.row
    yield parameter("source", "Reference", {"reference": fact.reference})
    yield parameter("ground", "code", ground)
    if actor != "*":
        yield parameter("actor", "Reference", {"reference": actor})
    period = {}
    if low > MIN_INSTANT:
        period["start"] = format_instant(from_microseconds(low))
    if high < MAX_INSTANT:
        period["end"] = format_instant(from_microseconds(high))
    if period:
        yield parameter("period", "Period", period)
    yield parameter("isInForce", "boolean", low <= now < high)
