"""Explain: why a grant reaches a resource or not, rule by rule, and what would change if a consent were saved.

The decision itself is asked at the end, and the proof must agree with it. Spec: security.html#authorization
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec

from fhir_server.access.decision import LETTERS, decide, rules_of, scope_reach
from fhir_server.access.extract import access_rows
from fhir_server.access.grant import Grant
from fhir_server.access.relations.consent import consent_rows
from fhir_server.access.rule import Rule
from fhir_server.access.sentences import sentence_of, text_of
from fhir_server.foundation.operation_outcome import Forbidden
from fhir_server.search.condition import And, Condition, Not, Or, Related
from fhir_server.search.index_row import COMPARTMENT, RELATION, IndexRow
from fhir_server.search.match import Alone, Subject, match

ALLOWS: Final = "allows"
DENIES: Final = "denies"
SILENT: Final = "silent"


class Fact(msgspec.Struct, frozen=True):
    """A relation, and the resource that says it ("Consent/1"); its interval is half-open, in microseconds."""

    reference: str
    row: IndexRow


class Question(msgspec.Struct, frozen=True):
    """Whether a grant reaches a resource with an interaction at an instant (microseconds), by the relations known.

    `facts` are those of the patient's CareTeams, Consents, Encounters, RelatedPersons and of himself: see `facts_of`.
    """

    grant: Grant
    interaction: str
    subject: Subject
    facts: tuple[Fact, ...]
    now: int


class Step(msgspec.Struct, frozen=True):
    """One rule: what it says of the question, and the facts it met.

    `effect` is ALLOWS, DENIES or SILENT. `is_spared`: the rule would deny, but spares what the caller wrote or
    deposited. `facts` in force now come first; the others would count at another time.
    """

    step: int
    reason: str
    effect: str
    french: str
    english: str
    is_denial: bool = False
    is_spared: bool = False
    facts: tuple[Fact, ...] = ()


class Explanation(msgspec.Struct, frozen=True):
    """The proof: the answer, the reason codes that made it, and every rule in order of evaluation."""

    is_reached: bool
    reasons: tuple[str, ...]
    steps: tuple[Step, ...]

    def sentences(self, language: str) -> list[str]:
        """Return the reasons for a person, in "fr" or "en"."""
        return [text_of(reason, language) for reason in self.reasons]


class Change(msgspec.Struct, frozen=True):
    """What a consent changes for one question."""

    before: Explanation
    after: Explanation

    @property
    def is_changed(self) -> bool:
        """Say whether the answer becomes another one."""
        return self.before.is_reached != self.after.is_reached


def facts_of(resources: Iterable[tuple[dict[str, Any], str]]) -> tuple[Fact, ...]:
    """Return the relations that resources say, given each with its depositor."""
    return tuple(
        Fact(f"{resource['resourceType']}/{resource['id']}", row)
        for resource, depositor in resources
        for row in access_rows(resource, depositor)
        if row[0] == RELATION
    )


def explain(question: Question) -> Explanation:
    """Return why the grant reaches the resource, or why not.

    `reasons` are the denials that hold; without any, what allows; "no-rule" when nothing does, "scopes" when the token
    covers nothing of the kind.
    """
    letter = _letter(question)
    steps = [_scopes(question, letter)]
    steps += [_step(question, rule) for rule in rules_of(question.grant, letter) if _speaks(rule, question)]
    ordered = tuple(sorted(steps, key=lambda step: step.step))
    is_reached = _is_reached(question)
    return Explanation(is_reached, _reasons(ordered, is_reached), ordered)


def simulate(question: Question, consent: dict[str, Any]) -> Change:
    """Return what a Consent would change if it were saved now, in the place of the one with its id, or as a new one.

    `status` other than active is its withdrawal.
    """
    own = f"Consent/{consent.get('id', '')}"
    kept = [fact for fact in question.facts if fact.reference != own]
    told = [Fact(own, row) for row in consent_rows(consent)]
    after = msgspec.structs.replace(question, facts=(*kept, *told))
    return Change(explain(question), explain(after))


def standings(facts: Iterable[Fact], patient_id: str, now: int) -> dict[str, tuple[Fact, ...]]:
    """Return what is said about each actor and a patient's record, now or later: who may, who may not, and why.

    The key EVERYONE holds what concerns all professionals: a closed or masked record, an opposition.
    """
    found: dict[str, tuple[Fact, ...]] = {}
    for fact in facts:
        _, _, _, actor, patient, _, high = fact.row
        if patient == patient_id and now < high:
            found[actor] = (*found.get(actor, ()), fact)
    return found


def _letter(question: Question) -> str:
    return LETTERS.get(question.interaction, "")


def _is_reached(question: Question) -> bool:
    try:
        within = decide(question.grant, question.interaction, question.subject.resource_type)
    except Forbidden:
        return False
    return _holds(within, question)


def _holds(condition: Condition, question: Question) -> bool:
    return match(condition, question.subject, Alone(question.now, tuple(fact.row for fact in question.facts)))


def _speaks(rule: Rule, question: Question) -> bool:
    resource_type = question.subject.resource_type
    return (not rule.types or resource_type in rule.types) and resource_type not in rule.except_types


def _scopes(question: Question, letter: str) -> Step:
    is_covered = _holds(scope_reach(question.grant, letter, question.subject.resource_type), question)
    said = sentence_of("scopes")
    return Step(said.step, "scopes", ALLOWS if is_covered else SILENT, said.french, said.english)


def _step(question: Question, rule: Rule) -> Step:
    holds, spares = _holds(rule.condition, question), _holds(rule.unless, question)
    effect = (DENIES if rule.is_denial else ALLOWS) if holds and not spares else SILENT
    said = sentence_of(rule.reason)
    facts = _facts(question, rule.condition)
    return Step(said.step, rule.reason, effect, said.french, said.english, rule.is_denial, holds and spares, facts)


def _facts(question: Question, condition: Condition) -> tuple[Fact, ...]:
    """Return the relations to the patients of the resource that a condition asks for, those in force first."""
    patients = {row[3] for row in question.subject.rows if row[0] == COMPARTMENT and row[1] == "Patient"}
    asked = [
        fact
        for related in _related(condition)
        for fact in question.facts
        if fact.row[1] in related.grounds and fact.row[3] in related.actors and fact.row[4] in patients
    ]
    in_force = [fact for fact in asked if fact.row[5] <= question.now < fact.row[6]]
    return (*in_force, *(fact for fact in asked if fact not in in_force))


def _related(condition: Condition) -> list[Related]:
    if isinstance(condition, Related):
        return [condition]
    if isinstance(condition, Not):
        return _related(condition.condition)
    parts = condition.conditions if isinstance(condition, And | Or) else ()
    return [related for part in parts for related in _related(part)]


def _reasons(steps: Sequence[Step], is_reached: bool) -> tuple[str, ...]:
    denials = tuple(dict.fromkeys(step.reason for step in steps if step.effect == DENIES))
    if denials:
        return denials
    is_covered = any(step.reason == "scopes" and step.effect == ALLOWS for step in steps)
    if not is_covered:
        return ("scopes",)
    allows = [step.reason for step in steps if step.effect == ALLOWS and step.reason != "scopes"]
    return tuple(dict.fromkeys(allows)) if is_reached else ("no-rule",)
