"""Types: the names that `is`, `as` and `ofType` know, and which members each one has.

Spec: https://hl7.org/fhirpath/N1/#types-and-reflection, fhirpath.html#types
"""

from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import cache, cached_property, lru_cache
from typing import Any, Final

import msgspec

from fhir_server.fhirpath.values.long import Long
from fhir_server.fhirpath.values.quantity import Quantity
from fhir_server.fhirpath.values.temporal import Temporal, parse_date, parse_datetime, parse_time
from fhir_server.foundation.structure import ABSTRACT_TYPES, DATA_TYPES, PRIMITIVES, RESOURCE_TYPES, structure

_PRIMITIVE_PARENTS: Final = {
    **dict.fromkeys(("code", "id", "markdown"), "string"),
    **dict.fromkeys(("url", "canonical", "uuid", "oid"), "uri"),
    **dict.fromkeys(("positiveInt", "unsignedInt"), "integer"),
}
_DEFINED: Final = RESOURCE_TYPES | DATA_TYPES | ABSTRACT_TYPES
SYSTEM_TYPES: Final = (
    "Any", "Boolean", "String", "Integer", "Long", "Decimal", "Date", "DateTime", "Time", "Quantity"
)  # fmt: skip


class Slot(msgspec.Struct, frozen=True, eq=False):
    """Hold where a member stands in JSON: `key`, and for a primitive's id and extensions `under`, else "".

    A choice `value` has a slot for each type: `valueString`, `valueQuantity` and so on.
    """

    name: str
    key: str
    under: str
    type: "Type"
    is_list: bool
    is_primitive: bool


class Type:
    """Be a type: `ancestors` are the qualified names of itself and of what it extends.

    `class_name` finds its members in the element index; "" for a System type and for JSON that FHIR does not define.
    """

    def __init__(self, namespace: str, name: str, ancestors: frozenset[str], class_name: str = "") -> None:
        self.namespace = namespace
        self.name = name
        self.qualified = f"{namespace}.{name}"
        self.ancestors = ancestors | {self.qualified}
        self.class_name = class_name
        self.is_primitive = class_name in PRIMITIVES or (namespace == "System" and name != "Any")
        self.is_untyped = not class_name and namespace == "FHIR"
        self.is_any_resource = name in ("Resource", "DomainResource")
        self.is_resource = "FHIR.Resource" in self.ancestors
        self.is_quantity = "FHIR.Quantity" in self.ancestors
        self.convert: Callable[[Any], Any] = _CONVERT.get(name, _same) if self.is_primitive else _same

    @cached_property
    def by_key(self) -> Mapping[str, Slot]:
        """Return the slots by their key in JSON, with `_key` as well for primitives."""
        slots: dict[str, Slot] = {}
        if not self.class_name or self.is_primitive:
            return slots
        for element in structure(self.class_name).elements.values():
            name = element.choice.removesuffix("[x]") or element.name
            is_system = name == "id" or (name == "url" and self.class_name == "Extension")
            member = system_type("String") if is_system else type_of(element.class_name, element.type_code)
            under = f"_{element.name}" if element.is_primitive else ""
            slot = Slot(name, element.name, under, member, element.is_list, element.is_primitive)
            slots[element.name] = slot
        return slots

    @cached_property
    def named(self) -> Mapping[str, tuple[Slot, ...]]:
        """Return the slots of each member name."""
        names: dict[str, list[Slot]] = {}
        for slot in self.by_key.values():
            names.setdefault(slot.name, []).append(slot)
        return {name: tuple(slots) for name, slots in names.items()}


def _same(value: Any) -> Any:
    return value


def _decimal(value: Any) -> Any:
    return Decimal(value) if value.__class__ is int else value


def _temporal(parse: Callable[[str], Temporal | None]) -> Callable[[Any], Any]:
    def read(value: Any) -> Any:
        found = parse(value) if isinstance(value, str) else None
        return value if found is None else found

    return read


_CONVERT: Final[Mapping[str, Callable[[Any], Any]]] = {
    "decimal": _decimal,
    "date": _temporal(parse_date),
    "dateTime": _temporal(parse_datetime),
    "instant": _temporal(parse_datetime),
    "time": _temporal(parse_time),
}


@cache
def system_type(name: str) -> Type:
    """Return a System type by its name."""
    return Type("System", name, frozenset({"System.Any"}))


def type_of(class_name: str, type_code: str = "") -> Type:
    """Return the FHIR type of a name such as `Patient`, or of a path such as `Patient.contact` with its type code.

    A name that FHIR does not define gives a type without members: its JSON is read as it stands. Such types are not
    kept, for whoever writes a resource makes them up.
    """
    if class_name in _DEFINED:
        return _known(class_name, class_name)
    return _known(class_name, type_code) if type_code else Type("FHIR", class_name, frozenset())


@cache
def _known(class_name: str, name: str) -> Type:
    if class_name in PRIMITIVES:
        parent = _PRIMITIVE_PARENTS.get(class_name)
        above = type_of(parent).ancestors if parent else frozenset({"FHIR.Element"})
        return Type("FHIR", name, above, class_name)
    base = structure(class_name).base
    return Type("FHIR", name, type_of(base).ancestors if base else frozenset(), class_name)


def types_at(path: str) -> tuple[Type, ...]:
    """Return the types of a path such as `Patient.contact.name` or `Observation.value[x]`; none when it is no path."""
    first, *names = path.split(".")
    found: tuple[Type, ...] = (type_of(first),)
    for name in names:
        plain = name.removesuffix("[x]")
        found = tuple(slot.type for known in found for slot in known.named.get(plain, ()))
    return tuple(known for known in found if not known.is_untyped)


UNTYPED: Final = type_of("")


@lru_cache(maxsize=1024)
def resolve_type(name: str) -> tuple[str, ...] | None:
    """Return the qualified names that a type specifier means; None when there is no such type.

    A bare name is sought among FHIR's types and System's: `Quantity` names both.
    """
    namespace, _, bare = name.rpartition(".")
    found = []
    if bare in _DEFINED and namespace in ("", "FHIR"):
        found.append(f"FHIR.{bare}")
    if bare in SYSTEM_TYPES and namespace in ("", "System"):
        found.append(f"System.{bare}")
    return tuple(found) or None


_SYSTEM_OF_CLASS: Final = {
    bool: "Boolean",
    str: "String",
    int: "Integer",
    Long: "Long",
    Decimal: "Decimal",
    Quantity: "Quantity",
}


def type_of_value(value: Any) -> Type:
    """Return the System type of a value."""
    if value.__class__ is Temporal:
        return system_type(value.kind)
    return system_type(_SYSTEM_OF_CLASS.get(value.__class__, "Any"))
