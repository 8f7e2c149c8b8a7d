"""Checks of a value by itself: fixed values, patterns, bounds, lengths.

Spec: elementdefinition.html#ElementDefinition.fixed_x_, elementdefinition.html#ElementDefinition.pattern_x_
"""

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

from fhir_server import fhirpath
from fhir_server.fhirpath.values.quantity import from_fhir
from fhir_server.foundation import fhir_json
from fhir_server.foundation.operation_outcome import FhirError
from fhir_server.validation.profiles.place import Place, node_of
from fhir_server.validation.profiles.run import Run

Check = Callable[[Place, Run], None]
_NUMBERS: Final = (int, Decimal)


def value_of(definition: Mapping[str, Any], prefix: str) -> tuple[str, Any] | None:
    """Return type and value of `fixed[x]`, `pattern[x]`, `minValue[x]` or `maxValue[x]`; None when it is absent."""
    for key, value in definition.items():
        if key.startswith(prefix) and key[len(prefix) :][:1].isupper():
            return key[len(prefix) :], value
    return None


def contains(value: Any, pattern: Any) -> bool:
    """Tell whether a value holds all that a pattern says, lists item by item in any order."""
    if pattern.__class__ is dict:
        return value.__class__ is dict and all(contains(value.get(key), part) for key, part in pattern.items())
    if pattern.__class__ is list:
        return value.__class__ is list and all(any(contains(item, part) for item in value) for part in pattern)
    return bool(value == pattern) and (value.__class__ is bool) == (pattern.__class__ is bool)


def equals(value: Any, fixed: Any) -> bool:
    """Tell whether a value is exactly the fixed one."""
    return bool(value == fixed) and (value.__class__ is bool) == (fixed.__class__ is bool)


def value_checks(definition: Mapping[str, Any]) -> Iterator[Check]:
    """Yield the checks that the value rules of a definition ask for."""
    for prefix, compare in (("fixed", equals), ("pattern", contains)):
        found = value_of(definition, prefix)
        if found is not None:
            yield _content_check(prefix, compare, found[1])
    for prefix, message_id, sign in (("minValue", "too-small", 1), ("maxValue", "too-large", -1)):
        found = value_of(definition, prefix)
        if found is not None:
            yield bound_check(message_id, sign, found[1])
    if "maxLength" in definition:
        yield _length_check(definition["maxLength"])


def _content_check(message_id: str, compare: Callable[[Any, Any], bool], wanted: Any) -> Check:
    shown = wanted if isinstance(wanted, str) else fhir_json.format(wanted).decode()

    def check(place: Place, run: Run) -> None:
        if not compare(place.value, wanted):
            run.add(message_id, place, shown)

    return check


def bound_check(message_id: str, sign: int, bound: Any) -> Check:
    """Return the check of a least (`sign` 1) or greatest (-1) value."""
    if isinstance(bound, dict):
        return _quantity_check(message_id, sign, bound)

    def check(place: Place, run: Run) -> None:
        value = place.value
        if isinstance(value, _NUMBERS) and isinstance(bound, _NUMBERS):
            if (value - bound) * sign < 0:
                run.add(message_id, place, bound)
        elif isinstance(value, str) and isinstance(bound, str) and (value < bound if sign > 0 else value > bound):
            # Dates of the same form sort as text.
            run.add(message_id, place, bound)

    return check


def _quantity_check(message_id: str, sign: int, bound: Mapping[str, Any]) -> Check:
    """Return the check of a quantity, which may be in another unit of the same kind."""
    expression = fhirpath.compile("$this >= %bound" if sign > 0 else "$this <= %bound")
    unit = str(bound.get("code", ""))
    context = fhirpath.Context(variables={"bound": [from_fhir(Decimal(str(bound.get("value", 0))), unit)]})

    def check(place: Place, run: Run) -> None:
        try:
            holds = expression.is_true(node_of(place), context)
        except FhirError as error:
            run.add("invariant-unchecked", place, message_id, error)
            return
        if holds is False:
            run.add(message_id, place, f"{bound.get('value')} {unit}")

    return check


def _length_check(length: int) -> Check:
    def check(place: Place, run: Run) -> None:
        if isinstance(place.value, str) and len(place.value) > length:
            run.add("too-long", place, length, len(place.value))

    return check
