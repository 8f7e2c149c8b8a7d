"""The professional: he feeds every record, and consults those of the patients he cares for.

Spec: CSP L.1110-12, L.1111-17, R.1111-46 to R.1111-49
"""

from collections.abc import Iterable
from typing import Final

from fhir_server.access.callers import acts_as, deposited, is_his
from fhir_server.access.directory import DIRECTORY_TYPES, FED_DIRECTORY_TYPES
from fhir_server.access.grant import Grant
from fhir_server.access.modes import mode_of
from fhir_server.access.relations.ground import BLOCK, CARE_GROUNDS, EVERYONE, GUARDIAN, PARENT
from fhir_server.access.rows import refers_to
from fhir_server.access.rule import CONSULTING, CREATE, DELETE, READING, UPDATE, WRITING, Rule
from fhir_server.search.condition import ALWAYS, Compare, Related, any_of, none_of
from fhir_server.search.index_row import RELATION

AUTHORISING_TYPES: Final = frozenset({"CareTeam", "Consent"})
"""What opens a record: nobody writes it for himself."""

_TRACE: Final = frozenset({"AuditEvent"})
_NOT_BY_RELATION: Final = DIRECTORY_TYPES | _TRACE


def rules(grant: Grant) -> Iterable[Rule]:
    """Allow a professional what he feeds, and the records a relation opens to him unless the patient blocked him.

    Choice: a block takes away everything of that patient, what he deposited himself included: a blocked professional
    never consults; he may go on feeding. Traces stay with the patient and the operator. Of consents he sees those that
    name him or his organizations. Only who wrote or deposited an item deletes it. An Encounter opens a record, so that
    he changes only his own, which open nothing. He cannot give himself a PractitionerRole. A Group names other people.
    For a purpose that is no care (research, marketing) no relation opens anything.
    """
    if grant.kind != "professional" or not grant.actor:
        return
    actors = acts_as(grant)
    yield Rule("directory", READING, ALWAYS, DIRECTORY_TYPES)
    yield Rule("feeding", CREATE, ALWAYS, except_types=DIRECTORY_TYPES - FED_DIRECTORY_TYPES)
    if mode_of(grant.purpose_of_use):
        for ground in CARE_GROUNDS:
            yield Rule(ground, READING | UPDATE, Related(actors, (ground,)), except_types=_NOT_BY_RELATION)
    yield Rule("own-work", CONSULTING, is_his(grant), except_types=_NOT_BY_RELATION)
    blocked = Related((*actors, EVERYONE), (BLOCK,))
    yield Rule("blocked", CONSULTING, blocked, except_types=DIRECTORY_TYPES, is_denial=True)
    yield from _walls(grant)


def _walls(grant: Grant) -> Iterable[Rule]:
    yield Rule("self-authorisation", WRITING, ALWAYS, AUTHORISING_TYPES, is_denial=True)
    himself = refers_to("practitioner", [grant.actor])
    yield Rule("self-authorisation", CREATE, himself, frozenset({"PractitionerRole"}), is_denial=True)
    foreign = none_of(deposited(grant))
    yield Rule("self-authorisation", UPDATE, foreign, frozenset({"Encounter"}), is_denial=True)
    unnamed = none_of(refers_to("actor", acts_as(grant)))
    yield Rule("consent-of-others", READING, unnamed, frozenset({"Consent"}), is_denial=True)
    yield Rule("names-others", CONSULTING, none_of(is_his(grant)), frozenset({"Group"}), is_denial=True)
    yield representation()
    yield Rule("identity", DELETE, ALWAYS, frozenset({"Patient"}), is_denial=True)
    yield Rule("trace", WRITING, ALWAYS, _TRACE, is_denial=True)


def representation() -> Rule:
    """Deny writing who represents a patient: only the operator may, because that opens the record."""
    represents = any_of(Compare(RELATION, PARENT), Compare(RELATION, GUARDIAN))
    return Rule("representation", WRITING, represents, frozenset({"RelatedPerson"}), is_denial=True)
