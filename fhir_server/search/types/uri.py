"""Uri: compared literally, or with `:above` and `:below` by path segments.

Spec: search.html#uri
"""

from typing import Final

from fhir_server.search.condition import Compare, Condition, any_of
from fhir_server.search.index_row import URI
from fhir_server.search.types.value import Emit, Leaf, Use, unescape

FAMILY: Final = URI
MODIFIERS: Final = frozenset({"above", "below"})


def uri(emit: Emit, parameter: str, element: int, value: str) -> None:
    """Write a uri."""
    emit((URI, parameter, element, value))


def canonical(emit: Emit, parameter: str, element: int, value: str) -> None:
    """Write a canonical, and the same without its version."""
    emit((URI, parameter, element, value))
    url, bar, _ = value.partition("|")
    if bar:
        emit((URI, parameter, element, url))


LEAVES: Final = {
    **dict.fromkeys(("uri", "url", "oid", "uuid", "string"), (Leaf("", uri),)),
    "canonical": (Leaf("", canonical),),
}


def condition(value: str, use: Use) -> Condition:
    """Return what one value asks: this uri, those above it, or those below."""
    literal = unescape(value)
    if not use.modifier:
        return Compare(URI, use.parameter, (("value", "eq", literal),))
    if "://" not in literal:
        raise use.refusal(
            value, "give a URL with a path: what has no path, such as urn:oid, has nothing above or below"
        )
    if use.modifier == "above":
        return Compare(URI, use.parameter, (("value", "in", _ancestors(literal)),))
    below = literal.rstrip("/")
    return any_of(
        Compare(URI, use.parameter, (("value", "eq", below),)),
        Compare(URI, use.parameter, (("value", "prefix", below + "/"),)),
    )


def _ancestors(url: str) -> tuple[str, ...]:
    """Return the URL and each URL that a path segment less gives, with and without a final slash."""
    scheme, _, rest = url.partition("://")
    segments = rest.rstrip("/").split("/")
    roots = [f"{scheme}://{'/'.join(segments[:length])}" for length in range(len(segments), 0, -1)]
    return tuple(dict.fromkeys([url, *(root + end for root in roots for end in ("", "/"))]))
