"""Parameters: what an operation is given and what it answers.

Spec: parameters.html, operations.html#request
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from fhir_server.foundation.operation_outcome import BadRequest

_NOT_VALUES: Final = frozenset({"name", "part", "id", "extension", "modifierExtension"})

Part = Mapping[str, Any]
"""One Parameters.parameter: a name with one value[x], one resource, or parts."""


def parts(parameters: Part) -> Iterator[Part]:
    """Yield the parameters of a Parameters resource, or the parts of one of them. BadRequest for another resource."""
    if "resourceType" in parameters and parameters["resourceType"] != "Parameters":
        raise BadRequest(f"The body is a {parameters['resourceType']}: send Parameters.")
    yield from parameters.get("parameter", parameters.get("part", ()))


def value(part: Part) -> Any:
    """Return the value[x] or the resource of one parameter; None when it has parts only."""
    return next((item for name, item in part.items() if name not in _NOT_VALUES and not name.startswith("_")), None)


def values(parameters: Part, name: str) -> list[Any]:
    """Return the values of every parameter of a name."""
    return [found for part in parts(parameters) if part.get("name") == name and (found := value(part)) is not None]


def single(parameters: Part, name: str, kind: type | tuple[type, ...] = object, *, is_required: bool = False) -> Any:
    """Return the value of a parameter that appears at most once, None when it is absent.

    BadRequest when it is there twice, is no `kind`, or is absent and `is_required`.
    """
    found = values(parameters, name)
    if len(found) > 1:
        raise BadRequest(f"The parameter '{name}' is there {len(found)} times: send it once.", "Parameters.parameter")
    if not found:
        if is_required:
            raise BadRequest(f"The parameter '{name}' is required.", "Parameters.parameter", code="required")
        return None
    if not isinstance(found[0], kind):
        raise BadRequest(f"The parameter '{name}' has a value of another type.", "Parameters.parameter", code="value")
    return found[0]


def parameter(name: str, type_code: str, content: Any) -> dict[str, Any]:
    """Return one output parameter; `type_code` is a FHIR type (`boolean`, `Reference`), `resource`, or `part`."""
    if type_code in ("resource", "part"):
        return {"name": name, type_code: content}
    return {"name": name, f"value{type_code[0].upper()}{type_code[1:]}": content}


def parameters_resource(parameters: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Return a Parameters resource; an empty one has no `parameter`, as json.html#null asks."""
    listed = list(parameters)
    return {"resourceType": "Parameters", "parameter": listed} if listed else {"resourceType": "Parameters"}
