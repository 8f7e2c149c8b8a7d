"""Scopes: what a token may ask for, as SMART writes it.

Spec: https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html#scopes-for-requesting-fhir-resources
"""

import re
from typing import Final

from fhir_server.access.grant import Scope
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
    if "?" in rest:
        # Choice: a scope with search parameters is refused until decisions can hold it; passing it over would narrow
        # silently, dropping its parameters would widen.
        raise BadRequest(f"The scope {word!r} has search parameters, which this server does not offer.")
    if found := _VERSION_1.fullmatch(rest):
        return Scope(context, found[1], frozenset(_VERSION_1_LETTERS[found[2]]))
    found = _VERSION_2.fullmatch(rest)
    if found is None or not found[2]:
        raise BadRequest(f"The scope {word!r} is not of the form patient/Observation.rs, its letters in order 'cruds'.")
    return Scope(context, found[1], frozenset(found[2]))


def format_scope(scope: Scope) -> str:
    """Write a scope in SMART's version 2 form, `patient/Observation.rs`."""
    letters = "".join(letter for letter in LETTERS if letter in scope.interactions)
    return f"{scope.context}/{scope.resource_type}.{letters}"


def format_scope_version_1(scope: Scope) -> str:
    """Write a scope in version 1 form (`patient/Observation.read`), or "" when version 1 has no word for it."""
    for word, letters in _VERSION_1_LETTERS.items():
        if scope.interactions == frozenset(letters):
            return f"{scope.context}/{scope.resource_type}.{word}"
    return ""


def covers(asked: tuple[Scope, ...], allowed: tuple[Scope, ...]) -> tuple[Scope, ...]:
    """Return the part of the asked scopes that the allowed ones cover: granted = asked AND allowed.

    A context covers only itself: `user/` says nothing of `patient/`. No scope of the answer repeats another.
    """
    parts = [part for one in asked for other in allowed if (part := _intersection(one, other)) is not None]
    merged: dict[tuple[str, str], frozenset[str]] = {}
    for part in parts:
        key = (part.context, part.resource_type)
        merged[key] = merged.get(key, frozenset()) | part.interactions
    granted = []
    for (context, resource_type), interactions in merged.items():
        wider = frozenset() if resource_type == "*" else merged.get((context, "*"), frozenset())
        if not interactions <= wider:
            granted.append(Scope(context, resource_type, interactions))
    return tuple(granted)


def _intersection(one: Scope, other: Scope) -> Scope | None:
    interactions = one.interactions & other.interactions
    if one.context != other.context or not interactions:
        return None
    if one.resource_type == other.resource_type or other.resource_type == "*":
        return Scope(one.context, one.resource_type, interactions)
    return Scope(one.context, other.resource_type, interactions) if one.resource_type == "*" else None
