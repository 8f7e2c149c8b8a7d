"""FHIRPath Patch: Parameters whose operations name by FHIRPath what they add, insert, delete, replace or move.

Spec: fhirpatch.html
"""

from typing import Any, Final

import msgspec

from fhir_server.fhirpath import Context, Expression, Node, compile  # noqa: A004 - the name the room gives it
from fhir_server.foundation.operation_outcome import BadRequest, Unprocessable
from fhir_server.interactions.patching.change import Change, Copies, Inapplicable, Resource
from fhir_server.interactions.patching.values import (
    Part,
    add,
    insert,
    length_of,
    parts_of,
    put,
    slot_of,
    take,
    value_of,
)
from fhir_server.validation.validate import validate

OPERATIONS_MAXIMUM: Final = 200
STEPS: Final = 10_000
STEPS_TOGETHER: Final = 100_000
"""What one path, and all paths of a patch, may cost (some 5 µs a step): they run while other writers wait."""
NEEDED: Final = {
    "add": ("path", "name", "value"),
    "insert": ("path", "index", "value"),
    "delete": ("path",),
    "replace": ("path", "value"),
    "move": ("path", "source", "destination"),
}
INDEXES: Final = frozenset({"index", "source", "destination"})


class Step(msgspec.Struct, frozen=True):
    """One operation, read; `given` are its parts by name."""

    kind: str
    path: Expression
    given: dict[str, Part]

    def number(self, name: str) -> int:
        """Return an index that was given."""
        return int(self.given[name]["valueInteger"])


def fhirpath_patch(parameters: Resource) -> Change:
    """Return what a FHIRPath Patch does. Raises BadRequest for Parameters that are none."""
    try:
        validate(parameters, expected_type="Parameters")
    except Unprocessable as refusal:
        raise BadRequest("The Parameters are not valid.", issues=refusal.issues) from None
    operations = parameters.get("parameter", [])
    if len(operations) > OPERATIONS_MAXIMUM:
        raise BadRequest(f"A patch has at most {OPERATIONS_MAXIMUM} operations.")
    steps = [_read(index, operation) for index, operation in enumerate(operations)]

    def change(resource: Resource) -> Resource:
        copies = Copies()
        context = Context(steps=min(STEPS, STEPS_TOGETHER // max(len(steps), 1)))
        for step in steps:
            _apply(step, step.path(resource, context), copies)
        return resource

    return change


def _read(index: int, operation: Part) -> Step:
    place = f"Parameters.parameter[{index}]"
    if operation["name"] != "operation":
        raise BadRequest(f"A FHIRPath Patch has parameters named operation, and not {operation['name'][:80]}.", place)
    given = {part["name"]: part for part in parts_of(operation)}
    if len(given) != len(operation.get("part", ())):
        raise BadRequest("The operation has a part twice.", place)
    kind = _text(given, "type", place)
    if kind not in NEEDED:
        raise BadRequest(f"type is one of {', '.join(NEEDED)}, and is {kind[:80]!r}.", place)
    missing = [name for name in NEEDED[kind] if name not in given]
    if missing:
        raise BadRequest(f"The operation {kind} has {', '.join(NEEDED[kind])}; {missing[0]} is missing.", place)
    for name in INDEXES & given.keys():
        number = given[name].get("valueInteger")
        if not isinstance(number, int) or number < 0:
            raise BadRequest(f"{name} is a valueInteger, from 0.", place)
    return Step(kind, compile(_text(given, "path", place)), given)


def _text(given: dict[str, Part], name: str, place: str) -> str:
    found = next((value for key, value in given.get(name, {}).items() if key.startswith("value")), None)
    if not isinstance(found, str):
        raise BadRequest(f"The operation has a text as {name}.", place)
    return found


def _apply(step: Step, found: list[Any], copies: Copies) -> None:
    nodes = [item for item in found if isinstance(item, Node)]
    if len(nodes) != len(found):
        raise Inapplicable(f"The path {_show(step)} gives values that are no elements of the resource.")
    match step.kind:
        case "add":
            _add(step, _one(step, nodes), copies)
        case "delete" if nodes:
            _delete(_below(step, _one(step, nodes)))
        case "replace":
            _replace(step, _below(step, _one(step, nodes)), copies)
        case "insert":
            _insert(step, _list(step, nodes), copies)
        case "move":
            _move(step, _list(step, nodes))


def _show(step: Step) -> str:
    return step.path.text[:200]


def _one(step: Step, nodes: list[Node]) -> Node:
    if len(nodes) != 1:
        raise Inapplicable(f"The path {_show(step)} names {len(nodes) or 'no'} elements, and must name one.")
    return nodes[0]


def _below(step: Step, node: Node) -> Node:
    if node.parent is None or not isinstance(node.parent.value, dict):
        raise Inapplicable(f"The path {_show(step)} names no element that a patch can change.")
    return node


def _list(step: Step, nodes: list[Node]) -> Node:
    """Return the first item of the one list that the nodes are, all of it."""
    if not nodes:
        raise Inapplicable(f"The path {_show(step)} names no list; an element is added to none with 'add'.")
    first = _below(step, nodes[0])
    assert first.parent is not None
    count = max(len(first.parent.value.get(name, ())) for name in (first.key, f"_{first.key}"))
    is_whole = [node.index for node in nodes] == list(range(count))
    if not is_whole or any(node.parent is None or node.parent.value is not first.parent.value for node in nodes):
        raise Inapplicable(f"The path {_show(step)} does not name one whole list.")
    return first


def _add(step: Step, node: Node, copies: Copies) -> None:
    if not isinstance(node.value, dict):
        raise Inapplicable(f"The path {_show(step)} names no element that has elements.")
    part = step.given["value"]
    slot = slot_of(node.type, _text(step.given, "name", "name"), part)
    add(node.value, slot, value_of(slot.type, part, copies))


def _delete(node: Node) -> None:
    """Remove an element, and what holds nothing any more without it."""
    while node.parent is not None and isinstance(node.parent.value, dict):
        take(node.parent.value, node.key, node.index)
        node = node.parent
        if node.value:
            return


def _replace(step: Step, node: Node, copies: Copies) -> None:
    assert node.parent is not None
    members: Resource = node.parent.value
    own = node.parent.type.by_key.get(node.key)
    if own is None:
        raise Inapplicable(f"The path {_show(step)} names no element that a patch can change.")
    part = step.given["value"]
    slot = slot_of(node.parent.type, own.name, part)
    value = value_of(node.type if "part" in part else slot.type, part, copies)
    take(members, node.key, node.index)
    if slot.is_list:
        insert(members, slot, node.index, value)
    else:
        put(members, slot.key, value)


def _insert(step: Step, node: Node, copies: Copies) -> None:
    assert node.parent is not None
    members: Resource = node.parent.value
    part = step.given["value"]
    slot = node.parent.type.by_key[node.key]
    index = step.number("index")
    if index > len(length_of(members, slot)):
        raise Inapplicable(f"The list {_show(step)} has no place {index}.")
    insert(members, slot, index, value_of(slot.type, part, copies))


def _move(step: Step, node: Node) -> None:
    assert node.parent is not None
    members: Resource = node.parent.value
    slot = node.parent.type.by_key[node.key]
    places = length_of(members, slot)
    source, destination = step.number("source"), step.number("destination")
    if source not in places or destination not in places:
        raise Inapplicable(f"The list {_show(step)} has {len(places)} items: {source} to {destination} is no move.")
    insert(members, slot, destination, take(members, node.key, source))
