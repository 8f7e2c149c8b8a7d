"""What definitions say of an element at hand: its ElementDefinition, and the slice of a profile that it is in.

Spec: fhirpath.html#functions (elementDefinition, slice)
"""

from collections.abc import Mapping
from typing import Any

from fhir_server.fhirpath import Node
from fhir_server.validation.profiles.definitions.snapshot import CORE, find
from fhir_server.validation.profiles.definitions.tree import CHOICE
from fhir_server.validation.profiles.place import Place
from fhir_server.validation.profiles.profile import Profiles
from fhir_server.validation.profiles.run import Environment, Run
from fhir_server.validation.profiles.slicing import is_of_slice


def element_definition(node: Node, profiles: Profiles) -> Mapping[str, Any] | None:
    """Return the ElementDefinition that the type around an element has of it; None where FHIR defines none."""
    around = node.type.class_name if node.parent is None else node.parent.type.class_name
    tree = profiles.tree(CORE + around.partition(".")[0]) if around else None
    path = around if node.parent is None else f"{around}.{_name(node)}"
    found = None if tree is None else find(tree, path)
    return None if found is None else {**found.definition, "path": path}


def is_in_slice(node: Node, structure: str, name: str, environment: Environment) -> bool:
    """Tell whether an element is in a slice of a profile on its resource; an unknown one has none."""
    steps: list[str] = []
    here = node
    while here.parent is not None and not here.type.is_resource:
        steps.append(_name(here))
        here = here.parent
    tree = environment.profiles.tree(structure)
    found = None if tree is None else find(tree, ".".join([here.type.name, *reversed(steps)]))
    if found is None or name not in found.slices:
        return False
    place = _place(node)
    return is_of_slice(found, name, place, Run(environment, place))


def _name(node: Node) -> str:
    """Return the name of an element as definitions have it: `value[x]` for `valueQuantity`."""
    slot = node.parent.type.by_key.get(node.key) if node.parent is not None else None
    if slot is None or slot.name == slot.key:
        return node.key
    return slot.name + CHOICE


def _place(node: Node) -> Place:
    if node.parent is None:
        return Place(node.value, name=node.type.name)
    return Place(node.value, _place(node.parent), node.key, _name(node).removesuffix(CHOICE), node.index)
