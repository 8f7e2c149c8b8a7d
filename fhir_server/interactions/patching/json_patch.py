"""JSON Patch. Choice: our own, as the usual library takes `true` for 1 in `test`, and FHIR refuses with places.

Spec: RFC 6902, http.html#patch
"""

from typing import Any, Final

import msgspec

from fhir_server.foundation.operation_outcome import BadRequest, Unprocessable
from fhir_server.interactions.patching.change import Change, Copies, Inapplicable, Resource
from fhir_server.interactions.patching.named_extension import NamedExtension, change_extension, named_extension
from fhir_server.interactions.patching.pointer import Pointer, child, find, index_of, read_pointer, show

OPERATIONS_MAXIMUM: Final = 5_000
WITH_VALUE: Final = ("add", "replace", "test")
WITH_FROM: Final = ("move", "copy")
NAMES: Final = ("add", "remove", "replace", "move", "copy", "test")


class Step(msgspec.Struct, frozen=True):
    """One operation, read."""

    name: str
    path: Pointer
    value: Any = None
    source: Pointer = ()
    extension: NamedExtension | None = None


def json_patch(operations: Any) -> Change:
    """Return what a JSON Patch does. Raises BadRequest for a document that is no patch."""
    if not isinstance(operations, list):
        raise BadRequest("A JSON Patch is a list of operations.")
    if len(operations) > OPERATIONS_MAXIMUM:
        raise BadRequest(f"A patch has at most {OPERATIONS_MAXIMUM} operations.")
    steps = [_read(f"[{index}]", operation) for index, operation in enumerate(operations)]

    def change(resource: Resource) -> Any:
        document: Any = resource
        copies = Copies()
        for step in steps:
            if step.extension is None:
                document = _apply(step, document, copies)
            else:
                document = change_extension(document, step.name, step.extension, copies.copy(step.value))
        return document

    return change


def _read(place: str, operation: Any) -> Step:
    if not isinstance(operation, dict) or operation.get("op") not in NAMES:
        raise BadRequest(f"{place} is an object whose op is one of {', '.join(NAMES)}.", place)
    name = operation["op"]
    if name in WITH_VALUE and "value" not in operation:
        raise BadRequest(f"{place}: {name} has a value.", place)
    extension = named_extension(name, operation.get("path"), f"{place}.path")
    if extension is not None:
        return Step(name, (), operation.get("value"), extension=extension)
    path = read_pointer(operation.get("path"), f"{place}.path")
    source = read_pointer(operation.get("from"), f"{place}.from") if name in WITH_FROM else ()
    if name == "move" and len(source) < len(path) and path[: len(source)] == source:
        raise BadRequest(f"{place}: nothing moves into itself.", place)
    return Step(name, path, operation.get("value"), source)


def _apply(step: Step, document: Any, copies: Copies) -> Any:
    match step.name:
        case "add":
            return _add(document, step.path, copies.copy(step.value))
        case "replace":
            find(document, step.path)
            return _replace(document, step.path, copies.copy(step.value))
        case "remove":
            _remove(document, step.path)
        case "copy":
            return _add(document, step.path, copies.copy(find(document, step.source)))
        case "move" if step.source != step.path:
            return _add(document, step.path, _remove(document, step.source))
        case "test" if not is_same(find(document, step.path), step.value):
            raise Unprocessable(f"The test fails: {show(step.path) or 'the resource'} has another value.")
        case "move":
            find(document, step.source)
    return document


def _add(document: Any, path: Pointer, value: Any) -> Any:
    if not path:
        return value
    parent = find(document, path[:-1])
    if isinstance(parent, list):
        parent.insert(index_of(parent, path[-1], path, is_new=True), value)
    elif isinstance(parent, dict):
        parent[path[-1]] = value
    else:
        raise Inapplicable(f"{show(path[:-1])} is neither an object nor a list.")
    return document


def _replace(document: Any, path: Pointer, value: Any) -> Any:
    if not path:
        return value
    parent = find(document, path[:-1])
    parent[int(path[-1]) if isinstance(parent, list) else path[-1]] = value
    return document


def _remove(document: Any, path: Pointer) -> Any:
    if not path:
        raise Inapplicable("A patch does not remove the whole resource: delete it.")
    parent = find(document, path[:-1])
    removed = child(parent, path[-1], path)
    del parent[int(path[-1]) if isinstance(parent, list) else path[-1]]
    return removed


def is_same(one: Any, other: Any) -> bool:
    """Say whether two JSON values are equal: numbers by value, and never a boolean to a number. Spec: RFC 6902, 4.6."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(is_same(one[name], other[name]) for name in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(is_same, one, other))
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)
