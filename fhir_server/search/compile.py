"""Compile the parameters of a resource type into one Python function that visits each element once.

The expressions make a tree of places (steps that start alike are walked once); the tree is printed as source.
Spec: searchparameter.html
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import msgspec

from fhir_server.foundation.compartment import inclusion_parameters
from fhir_server.foundation.operation_outcome import Unprocessable
from fhir_server.foundation.search_parameters import SearchParameter
from fhir_server.foundation.structure import code_set
from fhir_server.search.index_row import TOKEN
from fhir_server.search.parameters import WHOLE, Parameters, parameter_places
from fhir_server.search.path import Path, Step, parse_path
from fhir_server.search.places import Place, members, places
from fhir_server.search.types import SEARCH_TYPES, composite, reference, token
from fhir_server.search.types.value import Emit, Leaf

ExtractRows = Callable[[dict[str, Any], Emit, dict[str, Any]], None]
"""`extract_rows(resource, emit, container)`; what is not contained is its own container."""

PATIENT: Final = "Patient"
"""The compartment that access knows."""
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


class Planting(msgspec.Struct, frozen=True):
    """What trees are made of: a resource type, the parameters of a server, and its addresses."""

    resource_type: str
    parameters: Parameters
    base_urls: tuple[str, ...] = ()

    def tree(self) -> Node:
        """Return the tree of all parameters, and of the references that open the patient's compartment."""
        root = Node()
        for parameter in self.parameters.of_type(self.resource_type).values():
            if parameter.code not in NO_ROWS and parameter.code not in WHOLE:
                self._plant(root, parameter)
        return self.compartments(root)

    def compartments(self, root: Node) -> Node:
        """Return a tree with the references that open the patient's compartment."""
        for code in inclusion_parameters(PATIENT, self.resource_type):
            leaf = reference.compartment_leaf(self.base_urls)
            for place in parameter_places(self.resource_type, self.parameters.named(self.resource_type, code)):
                if place.type_code == "Reference":
                    root.at(place.keys).leaves.append(Written(PATIENT, leaf))
        return root

    def _plant(self, root: Node, parameter: SearchParameter) -> None:
        for place in parameter_places(self.resource_type, parameter):
            if parameter.type != "composite":
                self._plant_leaves(root, parameter, parameter.code, place)
                continue
            components = [self._component(parameter, index, place) for index in range(len(parameter.components))]
            root.at(place.keys).composites.append((parameter.code, components))

    def _component(self, parameter: SearchParameter, index: int, place: Place) -> Component:
        """Return the tree of a component's values, without the rows that serve modifiers."""
        kind = component_parameter(parameter, index, self.parameters)
        tree, is_from_root = Node(), False
        for path in parse_path(parameter.components[index].expression):
            is_from_root = path.root == "%resource"
            start = Place((), self.resource_type, self.resource_type) if is_from_root else place._replace(keys=())
            for reached in places(start, Path("", path.steps)):
                self._plant_leaves(tree, kind, composite.component(parameter.code, index + 1), reached)
        return Component(tree, is_from_root)

    def _plant_leaves(self, root: Node, parameter: SearchParameter, code: str, place: Place) -> None:
        """Plant what a parameter writes at a place under a code."""
        if place.type_code == "Extension":
            for value in members(place, "value"):
                self._plant_leaves(root, parameter, code, value)
            return
        if place.type_code == "Resource":
            keys = [(*place.keys, Step("is", target)) for target in parameter.targets]
        else:
            keys = [place.keys]
        for leaf in self._leaves(parameter.type, place):
            if code == parameter.code or not leaf.suffix:
                for key in keys:
                    root.at(key).leaves.append(Written(code + leaf.suffix, leaf))

    def _leaves(self, search_type: str, place: Place) -> tuple[Leaf, ...]:
        """Return how a place's value gives rows of a search type; () when its data type carries none."""
        if search_type == "token" and place.type_code == "code" and place.code_set:
            systems = {code: system for system, codes in code_set(place.code_set).items() for code in codes}
            return (token.code_within(systems),)
        if search_type == "reference":
            return reference.leaves(self.base_urls).get(place.type_code, ())
        return SEARCH_TYPES[search_type].LEAVES.get(place.type_code, ())


def compile_type(resource_type: str, parameters: Parameters, base_urls: tuple[str, ...] = ()) -> ExtractRows:
    """Return the function that writes the rows of a resource of this type; duplicates may be among them."""
    return _compiled(Planting(resource_type, parameters, base_urls).tree())


def compile_compartments(resource_type: str, parameters: Parameters, base_urls: tuple[str, ...] = ()) -> ExtractRows:
    """Return the function that writes only the rows of the patient's compartment; duplicates may be among them."""
    return _compiled(Planting(resource_type, parameters, base_urls).compartments(Node()))


def _compiled(root: Node) -> ExtractRows:
    printer = Printer()
    source = printer.function(root)
    namespace: dict[str, Any] = dict(printer.names)
    exec(source, namespace)  # noqa: S102 - our own text: names of elements and parameters stand in it as literals only
    function: ExtractRows = namespace["extract_rows"]
    return function


SWAPPED: Final = "http://hl7.org/fhir/SearchParameter/DocumentReference-relationship"
"""R4 4.0.1 names the definitions of its two components in each other's place."""


def component_parameter(parameter: SearchParameter, index: int, parameters: Parameters) -> SearchParameter:
    """Return the parameter that says a component's type; raises Unprocessable when it is not known."""
    definition = parameter.components[1 - index if parameter.url == SWAPPED else index].definition
    found = parameters.by_url(definition)
    if found is None:
        raise Unprocessable(f"SearchParameter {parameter.url}: component {definition} is not known.")
    return found


class Printer:
    """Print a tree as the source of a function; `names` is what the source calls."""

    def __init__(self) -> None:
        self.names: dict[str, Any] = {"names": reference.names}
        self._functions: dict[int, str] = {}
        self._counters: dict[str, str] = {}
        self._count = 0

    def function(self, root: Node) -> str:
        """Return the source of `extract_rows(resource, emit, container)`."""
        body = list(self._node(root, "resource", "emit", "0"))
        counters = (f"{name} = 0" for name in self._counters.values())
        return "\n".join(
            ["def extract_rows(resource, emit, container):", *(f" {line}" for line in (*counters, *body, "pass"))]
        )

    def _name(self, prefix: str) -> str:
        self._count += 1
        return f"{prefix}{self._count}"

    def _node(self, node: Node, value: str, emit: str, element: str) -> Iterator[str]:
        for written in node.leaves:
            guard = f"if {written.leaf.needs!r} in {value}: " if written.leaf.needs else ""
            yield f"{guard}{self._called(written.leaf)}({emit}, {written.parameter!r}, {element}, {value})"
        for code, components in node.composites:
            yield from self._composite(code, components, value)
        for key, child in node.children.items():
            yield from self._child(key, child, (value, emit, element))

    def _called(self, leaf: Leaf) -> str:
        name = self._functions.get(id(leaf.write))
        if name is None:
            name = self._functions[id(leaf.write)] = self._name(f"{leaf.write.__name__}_")
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
        counter = self._counters.setdefault(code, f"element{len(self._counters)}")
        indent, parts = "", []
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
    "resolves": lambda value, key: f"names({value}, {key.name!r}, container)",
    "is": lambda value, key: f"{value}.get('resourceType') == {key.name!r}",
    "has_extension": lambda value, key: f"any(x.get('url') == {key.name!r} for x in {value}.get('extension', ()))",
}
