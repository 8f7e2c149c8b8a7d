"""The element index: which elements each type has, and what is true of them.

Spec: structuredefinition.html, elementdefinition.html, json.html
"""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Final

import msgspec

from fhir_server.foundation.definitions import CODE_SETS, INVARIANTS, STRUCTURES, table

ElementRow = tuple[str, int, int, str, list[list[str]], str]

_TEXTS: Final = ("code", "id", "markdown", "string", "uri", "url", "canonical", "oid", "uuid", "base64Binary", "xhtml")
_NUMBERS: Final = ("decimal", "integer", "positiveInt", "unsignedInt")
PRIMITIVES: Final = frozenset({*_TEXTS, *_NUMBERS, "boolean", "date", "dateTime", "instant", "time"})
ABSTRACT_TYPES: Final = frozenset({"Resource", "DomainResource", "Element", "BackboneElement"})


class Element(msgspec.Struct, frozen=True):
    """Describe one element as JSON names it: `value[x]` is one Element for each type, `valueQuantity` and so on.

    `class_name` is the structure of its content: the type's, or a path such as `Patient.contact`. `minimum` is 0 for
    the members of a choice: see `Structure.choices`. `targets` are the types that a Reference or canonical may point
    to; empty for any. `code_set` is the required value set, when it enumerates its codes. `order` is the position in
    the structure: XML and `_summary` follow it.
    """

    name: str
    order: int
    type_code: str
    class_name: str
    minimum: int
    is_list: bool
    is_primitive: bool
    is_summary: bool
    is_modifier: bool
    choice: str
    targets: frozenset[str]
    code_set: str


class Choice(msgspec.Struct, frozen=True):
    """Describe a choice `value[x]`: exactly one of `names` may be there; one must, when `is_required`."""

    name: str
    is_required: bool
    names: tuple[str, ...]


class Invariant(msgspec.Struct, frozen=True, array_like=True):
    """Hold a constraint of the specification; `severity` is error or warning, `expression` is FHIRPath."""

    key: str
    severity: str
    expression: str
    sentence: str


class Structure(msgspec.Struct, frozen=True):
    """Describe the content of a resource type, a data type, or an element with elements of its own.

    `kind` is resource, complex-type or element. `elements` are keyed by JSON name, without the `_name` of primitives.
    """

    name: str
    kind: str
    base: str
    elements: Mapping[str, Element]
    choices: Mapping[str, Choice]


def _names(kind: str) -> Iterator[str]:
    marker = f'["{kind}"'.encode()
    return (name for name, row in table(STRUCTURES).items() if bytes(row).startswith(marker))


RESOURCE_TYPES: Final = frozenset(_names("resource")) - ABSTRACT_TYPES
"""The resource types that instances have: without Resource and DomainResource."""
DATA_TYPES: Final = frozenset(_names("complex-type")) - ABSTRACT_TYPES | PRIMITIVES


@cache
def structure(name: str) -> Structure:
    """Return the structure of a type or of a path such as `Patient.contact`; KeyError when there is none."""
    kind, base, rows = msgspec.json.decode(table(STRUCTURES)[name], type=tuple[str, str, list[ElementRow]])
    elements = {element.name: element for order, row in enumerate(rows) for element in _elements(order, row)}
    choices: dict[str, Choice] = {}
    for row in rows:
        if row[0].endswith("[x]"):
            names = tuple(element.name for element in elements.values() if element.choice == row[0])
            choices[row[0]] = Choice(row[0], row[1] > 0, names)
    return Structure(name, kind, base, elements, choices)


def _elements(order: int, row: ElementRow) -> Iterator[Element]:
    name, minimum, is_list, flags, types, code_set = row
    choice = name if name.endswith("[x]") else ""
    for type_code, class_name, *targets in types:
        yield Element(
            name=name[:-3] + type_code[0].upper() + type_code[1:] if choice else name,
            order=order,
            type_code=type_code,
            class_name=class_name,
            minimum=0 if choice else minimum,
            is_list=bool(is_list),
            is_primitive=type_code in PRIMITIVES,
            is_summary="S" in flags,
            is_modifier="M" in flags,
            choice=choice,
            targets=frozenset(targets) - {"Resource"},
            code_set=code_set,
        )


@cache
def code_set(name: str) -> Mapping[str, frozenset[str]]:
    """Return system -> codes of a required value set, by the name that `Element.code_set` carries."""
    return msgspec.json.decode(table(CODE_SETS)[name], type=dict[str, frozenset[str]])


@cache
def codes(name: str) -> frozenset[str]:
    """Return the codes of a required value set, whatever their system."""
    return frozenset().union(*code_set(name).values())


@cache
def invariants(path: str) -> tuple[Invariant, ...]:
    """Return the constraints declared on a type or an element path."""
    row = table(INVARIANTS).get(path)
    return () if row is None else msgspec.json.decode(row, type=tuple[Invariant, ...])
