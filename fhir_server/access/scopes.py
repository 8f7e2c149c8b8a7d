"""Scopes: what a token may ask for, as SMART writes it.

Spec: https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html#scopes-for-requesting-fhir-resources
"""

import re
from typing import Final

from fhir_server.access.grant import Scope
from fhir_server.access.granular import Pairs, format_granular, parse_granular
from fhir_server.foundation.operation_outcome import BadRequest

LETTERS: Final = "cruds"

_RESOURCE_SCOPE = re.compile(r"(patient|user|system)/(.*)", re.ASCII)
_VERSION_2 = re.compile(r"([A-Z][A-Za-z]*|\*)\.(c?r?u?d?s?)", re.ASCII)
_VERSION_1 = re.compile(r"([A-Z][A-Za-z]*|\*)\.(read|write|\*)", re.ASCII)
_VERSION_1_LETTERS = {"read": "rs", "write": "cud", "*": "cruds"}


def parse_scopes(text: str) -> tuple[Scope, ...]:
    """Parse the resource scopes of a space-separated list, in order and each once.

    `openid`, `fhirUser`, `launch/patient`, `offline_access` and the like are no resource scopes: they are passed over.
    Raises BadRequest (400; OAuth's `invalid_scope`) for a malformed resource scope: it is never widened or guessed.
    """
    return tuple(dict.fromkeys(_scope(word) for word in text.split() if _RESOURCE_SCOPE.fullmatch(word)))


def _scope(word: str) -> Scope:
    context, _, rest = word.partition("/")
    rest, mark, query = rest.partition("?")
    if not mark and (found := _VERSION_1.fullmatch(rest)):
        return Scope(context, found[1], frozenset(_VERSION_1_LETTERS[found[2]]))
    found = _VERSION_2.fullmatch(rest)
    if found is None or not found[2]:
        raise BadRequest(f"The scope {word!r} is not of the form patient/Observation.rs, its letters in order 'cruds'.")
    pairs = parse_granular(word, found[1], query) if mark else ()
    return Scope(context, found[1], frozenset(found[2]), pairs)


def format_scope(scope: Scope) -> str:
    """Write a scope in SMART's version 2 form, `patient/Observation.rs?category=laboratory`."""
    letters = "".join(letter for letter in LETTERS if letter in scope.interactions)
    return f"{scope.context}/{scope.resource_type}.{letters}{format_granular(scope.query)}"


def format_scope_version_1(scope: Scope) -> str:
    """Write a scope in version 1 form (`patient/Observation.read`), or "" when version 1 has no word for it."""
    for word, letters in _VERSION_1_LETTERS.items():
        if scope.interactions == frozenset(letters) and not scope.query:
            return f"{scope.context}/{scope.resource_type}.{word}"
    return ""


def covers(asked: tuple[Scope, ...], allowed: tuple[Scope, ...]) -> tuple[Scope, ...]:
    """Return the part of the asked scopes that the allowed ones cover: granted = asked AND allowed.

    A context covers only itself: `user/` says nothing of `patient/`. No scope of the answer repeats another.
    """
    parts = [part for one in asked for other in allowed if (part := _intersection(one, other)) is not None]
    merged: dict[tuple[str, str, Pairs], frozenset[str]] = {}
    for part in parts:
        key = (part.context, part.resource_type, part.query)
        merged[key] = merged.get(key, frozenset()) | part.interactions
    granted = []
    for key, interactions in merged.items():
        wider = frozenset[str]().union(*(merged.get(one, ()) for one in _wider(*key)))
        if not interactions <= wider:
            granted.append(Scope(key[0], key[1], interactions, key[2]))
    return tuple(granted)


def _wider(context: str, resource_type: str, query: Pairs) -> list[tuple[str, str, Pairs]]:
    """Return what says at least as much: without the search parameters, of all types."""
    found: list[tuple[str, str, Pairs]] = [(context, resource_type, ()), (context, "*", ())]
    return [one for one in found if one != (context, resource_type, query)]


def _intersection(one: Scope, other: Scope) -> Scope | None:
    interactions = one.interactions & other.interactions
    types = {one.resource_type, other.resource_type} - {"*"}
    if one.context != other.context or not interactions or len(types) > 1:
        return None
    query = tuple(dict.fromkeys((*one.query, *other.query)))
    return Scope(one.context, types.pop() if types else "*", interactions, query)
