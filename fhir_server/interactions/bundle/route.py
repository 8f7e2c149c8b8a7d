"""Route: what interaction a method and an address below the base name; HTTP and bundle entries say it alike.

Spec: http.html#general, http.html#summary
"""

from difflib import get_close_matches
from typing import Final

import msgspec
from msgspec.structs import replace

from fhir_server.foundation.operation_outcome import BadRequest, MethodNotAllowed, NotFound
from fhir_server.foundation.structure import RESOURCE_TYPES

ID_LENGTH: Final = 64
ID_CHARACTERS: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-.")

METADATA: Final = {"GET": "capabilities"}
SYSTEM: Final = {"GET": "search", "POST": "transaction"}
TYPE: Final = {"GET": "search", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
INSTANCE: Final = {"GET": "read", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
HISTORY: Final = {"GET": "history"}
VERSION: Final = {"GET": "vread"}
SEARCH: Final = {"POST": "search"}
COMPARTMENT: Final = {"GET": "search"}
COMPARTMENT_SEARCH: Final = {"POST": "search"}
OPERATION_METHODS: Final = ("GET", "POST")


class NoSuchMethod(MethodNotAllowed):
    """The address knows other methods; `allowed` lists them."""

    def __init__(self, method: str, allowed: tuple[str, ...]) -> None:
        super().__init__(f"{method} is not offered at this address. It offers {', '.join(allowed)}.")
        self.allowed = allowed


class Route(msgspec.Struct, frozen=True):
    """Name an interaction and what it is about.

    `resource_id` is "" for a conditional update or delete. `compartment` is a pair (Patient, 1), or None.
    """

    interaction: str
    resource_type: str = ""
    resource_id: str = ""
    version_id: str = ""
    compartment: tuple[str, str] | None = None
    is_get: bool = False


def route(method: str, path: str) -> Route:
    """Return the route of a path below the base, without a leading slash or a query.

    Raises NotFound, BadRequest (an id that cannot be one) and NoSuchMethod.
    """
    segments = path.split("/")
    if len(segments) > 1 and not segments[-1]:
        segments.pop()
    count = len(segments)
    if count == 2:
        return _two(method, segments[0], segments[1])
    if count == 1:
        return _one(method, segments[0])
    if count == 3:
        return _three(method, segments[0], segments[1], segments[2])
    if count == 4:
        return _four(method, segments)
    if count == 5 and segments[2] == "_history" and segments[4][:1] == "$":
        return _of_version(method, segments)
    raise NotFound(f"No address of a FHIR server has {count} segments: {path[:200]}.")


def methods_of(path: str) -> tuple[str, ...]:
    """Return the methods of an address, HEAD and OPTIONS apart. Raises NotFound, BadRequest."""
    try:
        route("", path)
    except NoSuchMethod as refusal:
        return refusal.allowed
    raise AssertionError("no address has a method without a name")


def _one(method: str, name: str) -> Route:
    if name in RESOURCE_TYPES:
        return Route(_interaction(TYPE, method), name)
    if name == "":
        return Route(_interaction(SYSTEM, method))
    if name == "metadata":
        return Route(_interaction(METADATA, method))
    if name == "_history":
        return Route(_interaction(HISTORY, method))
    if name == "_search":
        return Route(_interaction(SEARCH, method))
    if name[0] == "$":
        return _operation(method, name)
    raise _unknown_type(name)


def _two(method: str, resource_type: str, name: str) -> Route:
    check_type(resource_type)
    if name == "_search":
        return Route(_interaction(SEARCH, method), resource_type)
    if name == "_history":
        return Route(_interaction(HISTORY, method), resource_type)
    if name[:1] == "$":
        return _operation(method, name, resource_type)
    check_id(name)
    return Route(_interaction(INSTANCE, method), resource_type, name)


def _three(method: str, resource_type: str, resource_id: str, name: str) -> Route:
    check_type(resource_type)
    check_id(resource_id)
    if name == "_history":
        return Route(_interaction(HISTORY, method), resource_type, resource_id)
    if name[:1] == "$":
        return _operation(method, name, resource_type, resource_id)
    if name == "_search":
        return _compartment(_interaction(COMPARTMENT_SEARCH, method), (resource_type, resource_id), "*")
    return _compartment(_interaction(COMPARTMENT, method), (resource_type, resource_id), name)


def _four(method: str, segments: list[str]) -> Route:
    resource_type, resource_id, name, last = segments
    check_type(resource_type)
    check_id(resource_id)
    if name == "_history":
        check_id(last)
        return Route(_interaction(VERSION, method), resource_type, resource_id, last)
    if last == "_search":
        return _compartment(_interaction(COMPARTMENT_SEARCH, method), (resource_type, resource_id), name)
    raise NotFound(f"Nothing of a FHIR server is at {'/'.join(segments)[:200]}.")


def _of_version(method: str, segments: list[str]) -> Route:
    found = _four("GET", segments[:4])
    invoked = _operation(method, segments[4], found.resource_type, found.resource_id)
    return replace(invoked, version_id=found.version_id)


def _compartment(interaction: str, compartment: tuple[str, str], name: str) -> Route:
    if name != "*":
        check_type(name)
    return Route(interaction, "" if name == "*" else name, compartment=compartment)


def _operation(method: str, code: str, resource_type: str = "", resource_id: str = "") -> Route:
    if method not in OPERATION_METHODS:
        raise NoSuchMethod(method, OPERATION_METHODS)
    return Route(code, resource_type, resource_id, is_get=method == "GET")


def _interaction(methods: dict[str, str], method: str) -> str:
    interaction = methods.get(method)
    if interaction is None:
        raise NoSuchMethod(method, tuple(methods))
    return interaction


def check_type(resource_type: str) -> None:
    """Raise NotFound unless R4 has a resource type of this name."""
    if resource_type not in RESOURCE_TYPES:
        raise _unknown_type(resource_type)


def check_id(resource_id: str) -> None:
    """Raise BadRequest unless the text can be a logical id. Spec: datatypes.html#id."""
    if not is_id(resource_id):
        raise BadRequest(
            f"{resource_id[:80]!r} cannot be an id: it takes 1 to 64 of the characters A-Z, a-z, 0-9, '-' and '.'."
        )


def is_id(text: str) -> bool:
    """Say whether the text can be a logical id."""
    return 0 < len(text) <= ID_LENGTH and ID_CHARACTERS.issuperset(text)


def _unknown_type(name: str) -> NotFound:
    close = get_close_matches(name[:80], RESOURCE_TYPES, 1)
    hint = f" Did you mean {close[0]}?" if close else ""
    return NotFound(f"{name[:80]!r} is no resource type of FHIR R4.{hint}", code="not-supported")
