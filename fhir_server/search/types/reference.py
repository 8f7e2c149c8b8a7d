"""Reference: to a resource of this server, to a version of it, or to anything else by its literal text.

Spec: search.html#reference, references.html#literal
"""

import re
from functools import cache
from typing import Any, Final

from fhir_server.foundation.structure import RESOURCE_TYPES
from fhir_server.search.condition import Compare, Condition, Test, any_of
from fhir_server.search.index_row import COMPARTMENT, REFERENCE
from fhir_server.search.types import token
from fhir_server.search.types.value import Emit, Leaf, Use, split, unescape

FAMILY: Final = REFERENCE
IDENTIFIER: Final = ":identifier"
ABOVE: Final = "above"
BELOW: Final = "below"
MODIFIERS: Final = frozenset({"identifier", ABOVE, BELOW})
"""And the name of each type that the parameter refers to."""

_LOCAL: Final = re.compile(r"([A-Z][A-Za-z]+)/([A-Za-z0-9.\-]{1,64})(?:/_history/([A-Za-z0-9.\-]{1,64}))?")
_ID: Final = re.compile(r"[A-Za-z0-9.\-]{1,64}")


@cache
def leaves(base_urls: tuple[str, ...] = ()) -> dict[str, tuple[Leaf, ...]]:
    """Return how data types give rows on a server of these addresses."""

    def reference(emit: Emit, parameter: str, element: int, value: dict[str, Any]) -> None:
        """Write what a Reference literally says; `#id` names what the resource contains."""
        emit((REFERENCE, parameter, element, *_columns(value["reference"], base_urls)))

    def uri(emit: Emit, parameter: str, element: int, value: str) -> None:
        """Write a uri as a reference to something elsewhere, unless it has the form of one to here."""
        emit((REFERENCE, parameter, element, *_columns(value, base_urls)))

    def canonical(emit: Emit, parameter: str, element: int, value: str) -> None:
        """Write the URL of a canonical, and its version; one that names a resource of this server as a reference."""
        url, _, version = value.partition("|")
        target_type, target_id, _ = _columns(url, base_urls)
        emit((REFERENCE, parameter, element, target_type, target_id, version))

    return {
        "Reference": (Leaf("", reference, "reference"), Leaf(IDENTIFIER, identifier, "identifier")),
        "canonical": (Leaf("", canonical),),
        "Resource": (Leaf("", resource, "id"),),
        **dict.fromkeys(("uri", "url"), (Leaf("", uri),)),
    }


def compartment_leaf(base_urls: tuple[str, ...]) -> Leaf:
    """Return the leaf that opens a compartment: its parameter is the type, its reference the compartment's id."""

    def compartment(emit: Emit, parameter: str, element: int, value: dict[str, Any]) -> None:
        target_type, target_id, _ = _columns(value["reference"], base_urls)
        if target_type == parameter:
            emit((COMPARTMENT, parameter, element, target_id))

    return Leaf("", compartment, "reference")


def identifier(emit: Emit, parameter: str, element: int, value: dict[str, Any]) -> None:
    """Write the identifier by which a Reference names its target."""
    if "value" in value["identifier"]:
        token.identified(emit, parameter, element, value["identifier"])


def resource(emit: Emit, parameter: str, element: int, value: dict[str, Any]) -> None:
    """Write a resource within this one (`Bundle.entry.resource`) as if it were referred to."""
    emit((REFERENCE, parameter, element, value["resourceType"], value["id"], ""))


LEAVES: Final = leaves()


def names(value: dict[str, Any], resource_type: str, container: dict[str, Any]) -> bool:
    """Tell whether a Reference says that its target is of a type: by its literal text, or by `type`.

    This is what `resolve() is Patient` can mean where nothing is read but the resource, with all that it contains.
    """
    literal = value.get("reference", "")
    if literal[:1] == "#":
        contained = (one for one in container.get("contained", ()) if one.get("id") == literal[1:])
        return any(one.get("resourceType") == resource_type for one in contained)
    if literal.startswith(resource_type + "/") or f"/{resource_type}/" in literal:
        return True
    return bool(value.get("type") == resource_type)


def condition(value: str, use: Use) -> Condition:
    """Return what one value asks: `id`, `Type/id`, a version of it, or a URL."""
    if use.modifier == "identifier":
        return Compare(token.FAMILY, use.parameter + IDENTIFIER, token.tests(value, use))
    if use.modifier in (ABOVE, BELOW):
        return _of_versions(value, use)
    return Compare(REFERENCE, use.parameter, _tests(value, use))


def is_canonical(value: str, base_urls: tuple[str, ...]) -> bool:
    """Tell whether a value names something by URL, and no resource of this server."""
    literal = _strip(unescape(value), base_urls)
    return ":" in literal and _LOCAL.fullmatch(literal) is None


def local_target(value: str, use: Use) -> tuple[str, str]:
    """Return type and id of a value that names a resource of this server; the type is "" when it does not say."""
    literal = _strip(unescape(value), use.base_urls)
    local = _LOCAL.fullmatch(literal)
    if _ID.fullmatch(literal):
        return "", literal
    if local is None or local[3] or local[1] not in use.targets:
        raise use.refusal(value, f"write id or Type/id, of {', '.join(use.targets)}")
    return local[1], local[2]


def _of_versions(value: str, use: Use) -> Condition:
    """Return what `:above` and `:below` of a canonical ask: its versions, of which 1.2.0 is below 1.2."""
    url, *rest = (unescape(part) for part in split(value, "|"))
    version = "|".join(rest)
    named: tuple[Test, ...] = (("target_type", "eq", ""), ("target_id", "eq", url))
    if not version:
        return Compare(REFERENCE, use.parameter, named)
    if use.modifier == ABOVE:
        parts = version.split(".")
        versions = tuple(".".join(parts[:length]) for length in range(1, len(parts) + 1))
        return Compare(REFERENCE, use.parameter, (*named, ("version", "in", versions)))
    return any_of(
        Compare(REFERENCE, use.parameter, (*named, ("version", "eq", version))),
        Compare(REFERENCE, use.parameter, (*named, ("version", "prefix", version + "."))),
    )


def _tests(value: str, use: Use) -> tuple[Test, ...]:
    literal = _strip(unescape(value), use.base_urls)
    if _ID.fullmatch(literal):
        types = (use.modifier,) if use.modifier else use.targets
        return (*_typed(types), ("target_id", "eq", literal))
    named, _, canonical_version = literal.partition("|")
    local = _LOCAL.fullmatch(named)
    if local and local[1] in RESOURCE_TYPES and use.modifier in ("", local[1]):
        return _exactly(local[1], local[2], local[3] or canonical_version)
    if local is None and ":" in literal and not use.modifier:
        url, *version = (unescape(part) for part in split(value, "|"))
        return _exactly("", url, "|".join(version))
    form = f"{use.modifier}/id" if use.modifier else "Type/id (of a type that exists)"
    raise use.refusal(value, f"write id, {form}, or an absolute URL")


def _typed(types: tuple[str, ...]) -> tuple[Test, ...]:
    """Return the test of some types, and of any local one when there are none to choose from."""
    if not types or len(types) > 20:
        return (("target_type", "ne", ""),)
    return (("target_type", "eq", types[0]),) if len(types) == 1 else (("target_type", "in", types),)


def _exactly(target_type: str, target_id: str, version: str) -> tuple[Test, ...]:
    tests: tuple[Test, ...] = (("target_type", "eq", target_type), ("target_id", "eq", target_id))
    return (*tests, ("version", "eq", version)) if version else tests


def _columns(literal: str, base_urls: tuple[str, ...]) -> tuple[str, str, str]:
    """Return target type, target id and version of a literal reference."""
    target_type, _, target_id = literal.partition("/")
    if target_type in RESOURCE_TYPES and target_id and "/" not in target_id:
        return target_type, target_id, ""
    local = _LOCAL.fullmatch(_strip(literal, base_urls))
    return (local[1], local[2], local[3] or "") if local else ("", literal, "")


def _strip(literal: str, base_urls: tuple[str, ...]) -> str:
    if "://" in literal:
        for base_url in base_urls:
            if literal.startswith(base_url + "/"):
                return literal[len(base_url) + 1 :]
    return literal
