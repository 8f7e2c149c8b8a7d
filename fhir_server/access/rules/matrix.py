"""The matrix as rules: documents, and what was converted from them, that a profession does not consult.

Spec: arrêté of 26 October 2023 (matrice d'habilitation), CSP L.1111-17 III
"""

from collections.abc import Iterable
from typing import Final

from fhir_server.access.callers import is_his
from fhir_server.access.directory import DIRECTORY_TYPES
from fhir_server.access.grant import Grant
from fhir_server.access.matrix.cells import ANY, Sight
from fhir_server.access.matrix.load import matrix_in_use
from fhir_server.access.rows import DOCUMENT_CLASS, DOCUMENT_TYPE
from fhir_server.access.rule import CONSULTING, Rule
from fhir_server.search.condition import ALWAYS, NEVER, Compare, Condition, OfType, all_of, any_of, none_of
from fhir_server.search.index_row import TOKEN

_NOT_IN_MATRIX: Final = DIRECTORY_TYPES | {"CareTeam", "Consent", "Patient"}


def rules(grant: Grant) -> Iterable[Rule]:
    """Deny a professional what the matrix does not open to his profession; what he wrote or deposited stays his.

    Choice: the matrix of the day on which the token ends decides for as long as the token lasts, which is minutes: so
    the decision needs no clock. A code counts whatever its system: classes are copied with old OIDs and new URLs.
    """
    if grant.kind != "professional":
        return
    day = grant.expires_at.date() if grant.expires_at is not None else None
    sight = matrix_in_use().sight(grant.profession, day)
    hidden = _documents(sight)
    if hidden != NEVER:
        spared = is_his(grant)
        yield Rule("matrix", CONSULTING, hidden, except_types=_NOT_IN_MATRIX, is_denial=True, unless=spared)
    yield from _resources(grant, sight)


def _documents(sight: Sight) -> Condition:
    """Return the condition of documents, and what they govern, that are not seen."""
    seen_types, hidden_types = _split(sight.types)
    seen_classes, hidden_classes = _split(sight.classes)
    hidden_by_type = _has(DOCUMENT_TYPE, hidden_types)
    if sight.sees_other_documents:
        of_class = all_of(_has(DOCUMENT_CLASS, hidden_classes), none_of(_has(DOCUMENT_TYPE, seen_types)))
        return any_of(hidden_by_type, of_class)
    seen = any_of(_has(DOCUMENT_TYPE, seen_types), _has(DOCUMENT_CLASS, seen_classes))
    is_document = any_of(Compare(TOKEN, DOCUMENT_TYPE), Compare(TOKEN, DOCUMENT_CLASS), OfType(("DocumentReference",)))
    return any_of(hidden_by_type, all_of(is_document, none_of(seen)))


def _resources(grant: Grant, sight: Sight) -> Iterable[Rule]:
    seen, hidden = _split(sight.resources)
    spared = is_his(grant)
    if sight.sees_other_resources:
        types, except_types = frozenset(hidden) - _NOT_IN_MATRIX, frozenset[str]()
        if not types:
            return
    else:
        types, except_types = frozenset(), _NOT_IN_MATRIX | frozenset(seen) | {"DocumentReference"}
    yield Rule("matrix-resource", CONSULTING, ALWAYS, types, except_types, is_denial=True, unless=spared)


def _split(codes: dict[str, bool]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    named = sorted(code for code in codes if code != ANY)
    return tuple(code for code in named if codes[code]), tuple(code for code in named if not codes[code])


def _has(parameter: str, codes: tuple[str, ...]) -> Condition:
    return Compare(TOKEN, parameter, (("code", "in", codes),)) if codes else NEVER
