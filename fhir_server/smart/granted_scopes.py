"""What a token gets: asked AND the client's AND the user's.

Spec: https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html#scopes-for-requesting-fhir-resources
"""

import re
from collections.abc import Collection

from msgspec.structs import replace

from fhir_server.access.grant import Scope
from fhir_server.access.scopes import covers, format_scope, format_scope_version_1, parse_scopes
from fhir_server.foundation.operation_outcome import BadRequest
from fhir_server.foundation.structure import RESOURCE_TYPES
from fhir_server.smart.clients import Client
from fhir_server.smart.refusal import OAuthRefusal

IDENTITY_SCOPES = ("openid", "fhirUser")
CONTEXT_SCOPES = ("launch", "launch/patient", "launch/encounter")
LASTING_SCOPES = ("offline_access", "online_access")
_OTHER_SCOPES = (*IDENTITY_SCOPES, *CONTEXT_SCOPES, *LASTING_SCOPES)

SCOPES_OF_USERS = {
    "patient": parse_scopes("patient/*.cruds user/*.cruds"),
    "representative": parse_scopes("patient/*.cruds user/*.cruds"),
    "professional": parse_scopes("user/*.cruds"),
    "operator": (),
    "system": parse_scopes("system/*.cruds"),
}
"""The most that each kind of caller may get. Choice: a patient's `user/` is what he may see himself, his record, and is
left out where `patient/` says the same; a professional reaches his patients' records through `user/`, and with a
patient in context `patient/` narrows him to that record; an operator only says who he is. Policy and consent then
judge each request."""

_WITH_PATIENT = parse_scopes("user/*.cruds patient/*.cruds")
_TYPE = re.compile(r"(?:patient|user|system)/([A-Z][A-Za-z]*)\.", re.ASCII)
_URI_PREFIX = "http://smarthealthit.org/fhir/scopes/"
_OF_ONE_RECORD = ("patient", "representative")
_DEFAULT_CONTEXTS: dict[str, tuple[str, ...]] = {
    "patient": ("launch/patient",),
    "representative": ("launch/patient",),
}


def granted_scopes(
    asked: str, client: Client, user_kind: str, contexts: Collection[str] | None = None
) -> tuple[str, ...]:
    """Return the scopes to grant, resource scopes in the grammar in which they were asked.

    `user_kind` is a key of SCOPES_OF_USERS; `contexts` are the context scopes that can be kept, "launch/patient" when a
    patient is or can be chosen (None: what the kind of user brings). Words that this server does not know are passed
    over, as RFC 6749 allows.
    Raises OAuthRefusal `invalid_scope` for a malformed resource scope, and when nothing is left.
    """
    words = _words(asked)
    allowed = set(client.scopes)
    kept = _DEFAULT_CONTEXTS.get(user_kind, ()) if contexts is None else contexts
    others = [word for word in words if word in _OTHER_SCOPES and word in allowed and user_kind != "system"]
    others = [word for word in others if word in kept or word not in CONTEXT_SCOPES]
    if "refresh_token" not in client.grant_types:
        others = [word for word in others if word not in LASTING_SCOPES]
    is_narrowed = user_kind == "professional" and "launch/patient" in kept
    most = _WITH_PATIENT if is_narrowed else SCOPES_OF_USERS[user_kind]
    granted = (*others, *_resource_scopes(words, client, most, has_one_record=user_kind in _OF_ONE_RECORD))
    if not granted:
        raise OAuthRefusal("invalid_scope", "None of the scopes can be granted to this client for this user.")
    return granted


def narrowed(asked: str, granted: tuple[str, ...]) -> tuple[str, ...]:
    """Return the part of granted scopes that is asked again (a refresh); raises `invalid_scope` for anything more."""
    words = _words(asked)
    if not words:
        return granted
    resource_words = [word for word in words if "/" in word and word not in CONTEXT_SCOPES]
    others = [word for word in words if word not in resource_words]
    scopes = _parse(resource_words)
    if not set(others) <= set(granted) or set(covers(scopes, parse_scopes(" ".join(granted)))) != set(
        covers(scopes, scopes)
    ):
        raise OAuthRefusal("invalid_scope", "A refresh cannot ask for more than was granted.")
    return tuple(words)


def resource_part(word: str) -> tuple[str, frozenset[str]]:
    """Return the resource type and the interactions ("cruds") of a granted resource scope."""
    (scope,) = parse_scopes(word)
    return scope.resource_type, scope.interactions


def is_version_1(word: str) -> bool:
    """Say whether a resource scope is written in version 1 (`patient/*.read`)."""
    return word.endswith((".read", ".write", ".*"))


def _resource_scopes(
    words: list[str], client: Client, most: tuple[Scope, ...], *, has_one_record: bool
) -> tuple[str, ...]:
    asked = _parse([word for word in words if "/" in word and word not in CONTEXT_SCOPES])
    allowed = parse_scopes(" ".join(client.scopes))
    granted = covers(covers(asked, allowed), most)
    if has_one_record:
        granted = _told_once(granted)
    literal = {scope: word for word in words for scope in parse_scopes(word)}
    prefers_version_1 = any(is_version_1(word) for word in literal.values())
    return tuple(literal.get(scope) or _format(scope, prefers_version_1) for scope in granted)


def _told_once(granted: tuple[Scope, ...]) -> tuple[Scope, ...]:
    """Return what a person who has one record is asked: no `user/` scope that a `patient/` scope covers."""
    of_patient = tuple(scope for scope in granted if scope.context == "patient")

    def is_covered(scope: Scope) -> bool:
        same = replace(scope, context="patient")
        return scope.context == "user" and covers((same,), of_patient) == (same,)

    return tuple(scope for scope in granted if not is_covered(scope))


def _words(asked: str) -> list[str]:
    """Return the words of a scope that mean something here, each once.

    Choice: the URI form means the same; the answer has no prefix. A type that is not of R4 is passed over, like any
    other word that this server does not know: what apps ask of servers of other versions breaks no request.
    """
    words = dict.fromkeys(word.removeprefix(_URI_PREFIX) for word in asked.split())
    return [word for word in words if not _is_of_unknown_type(word)]


def _is_of_unknown_type(word: str) -> bool:
    found = _TYPE.match(word)
    return found is not None and found[1] not in RESOURCE_TYPES


def _parse(words: list[str]) -> tuple[Scope, ...]:
    try:
        return parse_scopes(" ".join(words))
    except BadRequest as error:
        raise OAuthRefusal("invalid_scope", str(error)) from error


def _format(scope: Scope, prefers_version_1: bool) -> str:
    return (format_scope_version_1(scope) if prefers_version_1 else "") or format_scope(scope)
