"""Compile the parameters of a resource type into one Python function that visits each element once.

The expressions make a tree of places (steps that start alike are walked once); the tree is printed as source.
Spec: searchparameter.html
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import msgspec

from fhir_server.foundation.operation_outcome import Unprocessable
from fhir_server.foundation.search_parameters import SearchParameter
from fhir_server.foundation.structure import code_set
from fhir_server.search.index_row import TOKEN, IndexRow
from fhir_server.search.parameters import Parameters, parameter_places
from fhir_server.search.path import Path, Step, parse_path
from fhir_server.search.places import Place, members, places
from fhir_server.search.types import SEARCH_TYPES, composite, reference, token
from fhir_server.search.types.value import Emit, Leaf

ExtractRows = Callable[[dict[str, Any], Emit], None]

NO_ROWS: Final = ("_id", "_lastUpdated")
"""Answered by the resource's identity and instant."""


class Written(msgspec.Struct, frozen=True):
    """A leaf of the tree: the rows of a parameter that one value gives."""

    parameter: str
    leaf: Leaf


class Component(msgspec.Struct):
    """One component of a composite: the tree from the composite's element, or from the resource's root."""

    tree: "Node"
    is_from_root: bool


class Node(msgspec.Struct):
    """A place of the tree, what is written there, and the places beyond it."""

    children: dict[Step, "Node"] = {}
    leaves: list[Written] = []
    composites: list[tuple[str, list[Component]]] = []

    def at(self, keys: tuple[Step, ...]) -> "Node":
        """Return the node that keys lead to, made when it is not there."""
        node = self
        for key in keys:
            node = node.children.setdefault(key, Node())
        return node


def compile_type(resource_type: str, parameters: Parameters) -> ExtractRows:
    """Return the function that writes the rows of a resource of this type."""
    root = Node()
    for parameter in parameters.of_type(resource_type).values():
        if parameter.code not in NO_ROWS:
            _plant(root, resource_type, parameter, parameters)
    printer = Printer()
    source = printer.function(root)
    namespace: dict[str, Any] = dict(printer.names)
    exec(source, namespace)  # noqa: S102 - our own text, from the specification's expressions; names are never a client's
    function: ExtractRows = namespace["extract_rows"]
    return function


def _plant(root: Node, resource_type: str, parameter: SearchParameter, parameters: Parameters) -> None:
    for place in parameter_places(resource_type, parameter):
        if parameter.type != "composite":
            plant_leaves(root, parameter, parameter.code, place)
            continue
        node = root.at(place.keys)
        components = [
            _component(resource_type, parameter, index, place, parameters) for index in range(len(parameter.components))
        ]
        node.composites.append((parameter.code, components))


def _component(
    resource_type: str, parameter: SearchParameter, index: int, place: Place, parameters: Parameters
) -> Component:
    """Return the tree of a component's values."""
    component = parameter.components[index]
    kind = component_parameter(parameter, index, parameters)
    tree, is_from_root = Node(), False
    for path in parse_path(component.expression):
        is_from_root = path.root == "%resource"
        start = Place((), resource_type, resource_type) if is_from_root else place._replace(keys=())
        for reached in places(start, Path("", path.steps)):
            plant_leaves(tree, kind, composite.component(parameter.code, index + 1), reached, is_plain=True)
    return Component(tree, is_from_root)


SWAPPED: Final = "http://hl7.org/fhir/SearchParameter/DocumentReference-relationship"
"""R4 4.0.1 names the definitions of its two components in each other's place."""


def component_parameter(parameter: SearchParameter, index: int, parameters: Parameters) -> SearchParameter:
    """Return the parameter that says a component's type; raises Unprocessable when it is not known."""
    definition = parameter.components[1 - index if parameter.url == SWAPPED else index].definition
    found = parameters.by_url(definition)
    if found is None:
        raise Unprocessable(f"SearchParameter {parameter.url}: component {definition} is not known.")
    return found


def plant_leaves(root: Node, parameter: SearchParameter, code: str, place: Place, *, is_plain: bool = False) -> None:
    """Plant what a parameter writes at a place; `is_plain` leaves out the rows that serve modifiers."""
    if place.type_code == "Extension":
        for value in members(place, "value"):
            plant_leaves(root, parameter, code, value, is_plain=is_plain)
        return
    if place.type_code == "Resource":
        for target in parameter.targets:
            node = root.at((*place.keys, Step("is", target)))
            node.leaves.append(Written(code, reference.LEAVES["Resource"][0]))
        return
    for leaf in leaves(parameter.type, place):
        if leaf.suffix == "" or not is_plain:
            root.at(place.keys).leaves.append(Written(code + leaf.suffix, leaf))


def leaves(search_type: str, place: Place) -> tuple[Leaf, ...]:
    """Return how a place's value gives rows of a search type; () when its data type carries none."""
    if search_type == "token" and place.type_code == "code" and place.code_set:
        systems = {code: system for system, codes in code_set(place.code_set).items() for code in codes}
        return (token.code_within(systems),)
    return SEARCH_TYPES[search_type].LEAVES.get(place.type_code, ())


class Printer:
    """Print a tree as the source of a function; `names` is what the source calls."""

    def __init__(self) -> None:
        self.names: dict[str, Any] = {"names": reference.names}
        self._functions: dict[int, str] = {}
        self._count = 0

    def function(self, root: Node) -> str:
        """Return the source of `extract_rows(resource, emit)`."""
        body = list(self._node(root, "resource", "emit", "0"))
        counters = [f"{name} = 0" for name in sorted(self._counters(root))]
        lines = ["def extract_rows(resource, emit):", *(f" {line}" for line in (*counters, *body, "pass"))]
        return "\n".join(lines)

    def _counters(self, node: Node) -> Iterator[str]:
        yield from (self._counter(code) for code, _ in node.composites)
        for child in node.children.values():
            yield from self._counters(child)

    @staticmethod
    def _counter(code: str) -> str:
        return "element_" + code.replace("-", "_")

    def _name(self, prefix: str) -> str:
        self._count += 1
        return f"{prefix}{self._count}"

    def _node(self, node: Node, value: str, emit: str, element: str) -> Iterator[str]:
        for written in node.leaves:
            yield f"{self._called(written.leaf)}({emit}, {written.parameter!r}, {element}, {value})"
        for code, components in node.composites:
            yield from self._composite(code, components, value)
        for key, child in node.children.items():
            yield from self._child(key, child, (value, emit, element))

    def _called(self, leaf: Leaf) -> str:
        return self._functions.setdefault(id(leaf.write), self._bound(leaf))

    def _bound(self, leaf: Leaf) -> str:
        name = self._functions.get(id(leaf.write)) or self._name(f"{leaf.write.__name__}_")
        self.names[name] = leaf.write
        return name

    def _child(self, key: Step, child: Node, around: tuple[str, str, str]) -> Iterator[str]:
        value, emit, element = around
        if key.kind == "truth":
            yield from self._truth(key, child, around)
            return
        if key.kind in CONDITIONS:
            yield f"if {CONDITIONS[key.kind](value, key)}:"
            yield from (f" {line}" for line in self._node(child, value, emit, element))
            return
        inner = self._name("v")
        yield from OPENINGS[key.kind](value, inner, key)
        indent = "   " if key.kind == "each" else " "
        yield from (indent + line for line in self._node(child, inner, emit, element))

    @staticmethod
    def _truth(key: Step, child: Node, around: tuple[str, str, str]) -> Iterator[str]:
        value, emit, element = around
        holds = " or ".join(f"{value}.get({name!r}) not in (None, False)" for name in key.value.split())
        for written in child.leaves:
            yield f"{emit}(({TOKEN}, {written.parameter!r}, {element}, '', 'true' if {holds} else 'false'))"

    def _composite(self, code: str, components: list[Component], value: str) -> Iterator[str]:
        """Print the rows of one element, only when each component has some; the last one is the most often absent."""
        counter, indent, parts = self._counter(code), "", []
        for component in reversed(components):
            part = self._name("rows")
            parts.append(part)
            yield f"{indent}{part} = []"
            start = "resource" if component.is_from_root else value
            lines = self._node(component.tree, start, f"{part}.append", f"{counter} + 1")
            yield from (indent + line for line in lines)
            yield f"{indent}if {part}:"
            indent += " "
        yield f"{indent}{counter} += 1"
        yield f"{indent}for row in ({', '.join(f'*{part}' for part in reversed(parts))},): emit(row)"


def _get(value: str, inner: str, key: Step) -> Iterator[str]:
    yield f"if {key.name!r} in {value}:"
    yield f" {inner} = {value}[{key.name!r}]"


def _each(value: str, inner: str, key: Step) -> Iterator[str]:
    yield f"if {key.name!r} in {value}:"
    yield f" for {inner} in {value}[{key.name!r}]:"
    # An array of primitives has null where only an extension stands.
    yield f"  if {inner} is not None:" if key.value == "primitive" else "  if True:"


def _item(value: str, inner: str, key: Step) -> Iterator[str]:
    position = int(key.value)
    yield f"for {inner} in {value}.get({key.name!r}, ())[{position}:{position + 1}]:"


OPENINGS: Final[Mapping[str, Callable[[str, str, Step], Iterator[str]]]] = {"get": _get, "each": _each, "item": _item}

CONDITIONS: Final[Mapping[str, Callable[[str, Step], str]]] = {
    "equals": lambda value, key: f"{value}.get({key.name!r}) == {key.value!r}",
    "resolves": lambda value, key: f"names({value}, {key.name!r})",
    "is": lambda value, key: f"{value}.get('resourceType') == {key.name!r}",
    "has_extension": lambda value, key: f"any(x.get('url') == {key.name!r} for x in {value}.get('extension', ()))",
}


def extracted(function: ExtractRows, resource: dict[str, Any]) -> list[IndexRow]:
    """Return the distinct rows that a compiled function writes, in order."""
    rows: list[IndexRow] = []
    function(resource, rows.append)
    return list(dict.fromkeys(rows))
