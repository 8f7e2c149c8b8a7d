"""Items: what an expression answers, as parts of Parameters with their type and their place.

Spec: parameters.html, https://github.com/brianpos/fhirpath-lab/blob/develop/server-api.md
"""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

import msgspec

from fhir_server import fhirpath
from fhir_server.fhirpath.node import UCUM_URL
from fhir_server.fhirpath.operators.typing import TypeInfo
from fhir_server.fhirpath.types import type_of_value
from fhir_server.fhirpath.values.long import Long
from fhir_server.fhirpath.values.quantity import Quantity
from fhir_server.foundation import fhir_json
from fhir_server.foundation.structure import structure

_LAB: Final = "http://fhir.forms-lab.com/StructureDefinition"
JSON_VALUE: Final = f"{_LAB}/json-value"
XML_VALUE: Final = f"{_LAB}/xml-value"
RESOURCE_PATH: Final = f"{_LAB}/resource-path"
_WHOLE_CLOCK: Final = re.compile(r"^\d\d:\d\d:\d\d|T\d\d:\d\d:\d\d.*(Z|[+-]\d\d:\d\d)$")
"""A time as FHIR knows it: to the second, and behind a date with a zone."""
_LARGEST: Final = 2_147_483_647
_SYSTEM: Final = {
    "Boolean": "boolean",
    "String": "string",
    "Integer": "integer",
    "Decimal": "decimal",
    "Date": "date",
    "Time": "time",
    "DateTime": "dateTime",
    "Quantity": "Quantity",
}


def item_part(item: Any) -> dict[str, Any]:
    """Return one item as a part: its type as the name, its value, and for a node its place."""
    if isinstance(item, fhirpath.Node):
        return _of_node(item)
    name = _SYSTEM.get(type_of_value(item).name, type(item).__name__)
    if isinstance(item, Quantity):
        return {"name": name, "valueQuantity": _quantity(item)}
    if isinstance(item, Long):
        return _valued(name, int(item))
    return _valued(name, item if isinstance(item, bool | int | Decimal) else _text(item))


def _of_node(node: fhirpath.Node) -> dict[str, Any]:
    name = node.type.class_name or node.type.name or "object"
    place = {"url": RESOURCE_PATH, "valueString": fhirpath.path(node)}
    if node.type.is_resource:
        return {"name": name, "extension": [place], "resource": node.value}
    part = _valued(node.type.name if node.type.is_primitive else name, node.value)
    part["extension"] = [place, *part.get("extension", ())]
    if node.extension and any(member.startswith("value") for member in part):
        member = next(member for member in part if member.startswith("value"))
        part[f"_{member}"] = dict(node.extension)
    return part


def _valued(name: str, plain: Any) -> dict[str, Any]:
    """Return a part with the value as value[x], or as JSON text when Parameters have no such type."""
    if plain == "" and name == "string":
        return {"name": "empty-string"}
    if plain is None:
        return {"name": name}
    member = f"value{name[:1].upper()}{name[1:]}"
    if _is_told(member, plain):
        return {"name": name, member: plain}
    text = plain if isinstance(plain, str) else fhir_json.format(_json(plain)).decode()
    return {"name": name, "extension": [{"url": JSON_VALUE, "valueString": text or "null"}]}


def _text(item: Any) -> Any:
    """Return a text, or the parts of what is no value, such as the answer of type()."""
    return msgspec.to_builtins(item) if isinstance(item, TypeInfo) else str(item)


def _is_told(member: str, plain: Any) -> bool:
    if member not in structure("Parameters.parameter").elements:
        return False
    if isinstance(plain, int) and not isinstance(plain, bool):
        return abs(plain) <= _LARGEST
    is_clock = member == "valueTime" or (member == "valueDateTime" and "T" in str(plain))
    return not is_clock or _WHOLE_CLOCK.search(str(plain)) is not None


def _json(plain: Any) -> Any:
    return plain if isinstance(plain, Mapping | list | bool | int | Decimal) else str(plain)


def _quantity(item: Quantity) -> dict[str, Any]:
    if item.is_calendar:
        return {"value": item.value, "unit": item.unit}
    return {"value": item.value, "unit": item.unit, "system": UCUM_URL, "code": item.unit}
