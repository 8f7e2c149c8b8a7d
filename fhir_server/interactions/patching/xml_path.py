"""XML path: the selectors of an XML Patch, a small part of XPath that can be neither slow nor ambiguous.

Steps by name with `[2]`, `[@url='...']` or `[name='...']` (also `[f:use/@value='home']`), and `@attribute` at the end.
Spec: RFC 5261 (4.1, 4.2), http.html#patch
"""

import re
from collections.abc import Mapping
from typing import Final

import msgspec
from lxml import etree

from fhir_server.foundation.operation_outcome import BadRequest
from fhir_server.interactions.patching.change import Inapplicable, Looks

DEEPEST: Final = 64
FHIR: Final = "http://hl7.org/fhir"
_NAME: Final = r"(?:[A-Za-z_][\w.-]*:)?(?:[A-Za-z_][\w.-]*|\*)"
_STEP: Final = re.compile(rf"/?({_NAME})((?:\[[^\]]{{1,500}}\])*)", re.ASCII)
_PREDICATE: Final = re.compile(
    rf"""\[(?:([1-9][0-9]{{0,5}})|(?:({_NAME})/)?@(\w+)=(?:'([^']*)'|"([^"]*)"))\]""", re.ASCII
)
_ATTRIBUTE: Final = re.compile(r"/?@(\w+)", re.ASCII)

Node = etree._Element
Namespaces = Mapping[str | None, str]


class Predicate(msgspec.Struct, frozen=True):
    """Keep the item at `position` (from 1), or those whose attribute (of themselves or of a child) has the value."""

    position: int
    child: str
    attribute: str
    value: str


class Selector(msgspec.Struct, frozen=True):
    """One `sel`: `attribute` is "" when it names an element. Names are `{namespace}local`, or `{namespace}*`."""

    text: str
    steps: tuple[tuple[str, tuple[Predicate, ...]], ...]
    attribute: str


def read_selector(text: str, namespaces: Namespaces) -> Selector:
    """Return a selector; a name without a prefix is FHIR's, unless the patch says otherwise. Raises BadRequest."""
    steps: list[tuple[str, tuple[Predicate, ...]]] = []
    attribute, position = "", 0
    while position < len(text) and len(steps) <= DEEPEST and not attribute:
        found = _STEP.match(text, position)
        named = None if found else _ATTRIBUTE.fullmatch(text, position)
        if found:
            steps.append((_qualified(found[1], namespaces), _predicates(found[2], text, namespaces)))
            position = found.end()
        elif named:
            attribute, position = named[1], len(text)
        else:
            break
    if position < len(text) or not steps:
        raise BadRequest(f"sel={text[:200]!r} is not understood: steps such as /Patient/name[1]/given[2]/@value are.")
    return Selector(text[:200], tuple(steps), attribute)


def _predicates(text: str, selector: str, namespaces: Namespaces) -> tuple[Predicate, ...]:
    found = list(_PREDICATE.finditer(text))
    if "".join(one[0] for one in found) != text:
        raise BadRequest(f"sel={selector[:200]!r}: {text[:100]} is not understood; [2] and [@url='x'] are.")
    return tuple(
        Predicate(int(one[1] or 0), _qualified(one[2], namespaces) if one[2] else "", one[3] or "", one[4] or one[5])
        if not one[1]
        else Predicate(int(one[1]), "", "", "")
        for one in found
    )


def _qualified(name: str, namespaces: Namespaces) -> str:
    prefix, _, local = name.rpartition(":")
    namespace = namespaces.get(prefix or None, "" if prefix else FHIR)
    if not namespace:
        raise BadRequest(f"The prefix {prefix[:50]!r} has no namespace.")
    return f"{{{namespace}}}{local}"


def select(root: Node, selector: Selector, looks: Looks) -> Node:
    """Return the one element that a selector names. Raises Inapplicable when there is none, or several; TooCostly."""
    (first, predicates), *steps = selector.steps
    found = _keep([root] if _is_named(root, first) else [], predicates)
    for name, predicates in steps:
        looks.spend(sum(map(len, found)))
        found = [one for parent in found for one in _keep([c for c in parent if _is_named(c, name)], predicates)]
    if len(found) != 1:
        raise Inapplicable(f"sel={selector.text!r} names {len(found) or 'no'} elements, and must name one.")
    return found[0]


def _is_named(node: Node, name: str) -> bool:
    tag = str(node.tag)
    return tag == name or (name.endswith("}*") and tag.startswith(name[:-1]))


def _keep(nodes: list[Node], predicates: tuple[Predicate, ...]) -> list[Node]:
    for predicate in predicates:
        if predicate.position:
            nodes = nodes[predicate.position - 1 : predicate.position]
        else:
            nodes = [node for node in nodes if _holds(node, predicate)]
    return nodes


def _holds(node: Node, predicate: Predicate) -> bool:
    tested = [child for child in node if _is_named(child, predicate.child)] if predicate.child else [node]
    return any(one.get(predicate.attribute) == predicate.value for one in tested)
