"""Mathematics.

Spec: https://hl7.org/fhirpath/N1/#math
"""

from collections.abc import Callable
from decimal import ROUND_CEILING, ROUND_DOWN, ROUND_FLOOR, ROUND_HALF_UP, Decimal
from typing import Any, Final

from fhir_server.fhirpath.context import Frame, Items
from fhir_server.fhirpath.errors import EvaluationFailed
from fhir_server.fhirpath.functions.signature import Function
from fhir_server.fhirpath.operators.arithmetic import EXACT, OUT_OF_RANGE, bounded, is_number
from fhir_server.fhirpath.operators.singleton import EMPTY, integer, one, wrong
from fhir_server.fhirpath.values.quantity import Quantity

_MAX_DIGITS: Final = 30


def _numeric(name: str, apply: Callable[..., Items], parameters: str = "", required: int = 0) -> Function:
    def call(frame: Frame, items: Items, *arguments: Items) -> Items:
        value = one(items, f"{name}()")
        if value is None:
            return EMPTY
        if not is_number(value) and not isinstance(value, Quantity):
            raise wrong(f"{name}()", "a number", value)
        try:
            return apply(value, *arguments)
        except OUT_OF_RANGE:
            return EMPTY

    return Function(call, parameters, required)


def _on_quantity(value: Any, apply: Callable[[Any], Items]) -> Items:
    """Apply to the number of a quantity, which keeps its unit."""
    if not isinstance(value, Quantity):
        return apply(value)
    found = apply(value.value)
    return [Quantity(Decimal(found[0]), value.unit, value.is_calendar)] if found else EMPTY


def _abs(value: Any) -> Items:
    return _on_quantity(value, lambda number: bounded(abs(number), number))


def _rounded(mode: str) -> Callable[[Any], Items]:
    def whole(number: Any) -> Items:
        if isinstance(number, int):
            return [number]
        if number.adjusted() > _MAX_DIGITS:
            return EMPTY
        return bounded(int(number.to_integral_value(mode)))

    return lambda value: _on_quantity(value, whole)


def _round(value: Any, precision: Items = EMPTY) -> Items:
    digits = integer(precision, "round()") or 0
    if not 0 <= digits <= _MAX_DIGITS:
        raise EvaluationFailed(f"round() takes a precision of 0 to {_MAX_DIGITS} decimals.")

    def to_digits(number: Any) -> Items:
        found = Decimal(number).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP, EXACT)
        return [found]

    return _on_quantity(value, to_digits)


def _decimal(value: Any, name: str) -> Decimal:
    if not is_number(value):
        raise wrong(f"{name}()", "a number", value)
    return Decimal(value)


def _exp(value: Any) -> Items:
    return [EXACT.exp(_decimal(value, "exp"))]


def _ln(value: Any) -> Items:
    number = _decimal(value, "ln")
    return [EXACT.ln(number)] if number > 0 else EMPTY


def _log(value: Any, argument: Items) -> Items:
    base = one(argument, "log()")
    number = _decimal(value, "log")
    if base is None or number <= 0 or _decimal(base, "log") <= 0:
        return EMPTY
    found = EXACT.divide(EXACT.ln(number), EXACT.ln(_decimal(base, "log")))
    nearest = found.quantize(Decimal(1).scaleb(-_MAX_DIGITS), context=EXACT) if abs(found) < 1000 else found
    return [nearest.normalize()]


def _sqrt(value: Any) -> Items:
    number = _decimal(value, "sqrt")
    return [EXACT.sqrt(number)] if number >= 0 else EMPTY


def _power(value: Any, argument: Items) -> Items:
    exponent = one(argument, "power()")
    number = _decimal(value, "power")
    if exponent is None:
        return EMPTY
    raised = _decimal(exponent, "power")
    found = EXACT.power(number, raised) if raised else Decimal(1)
    if not found.is_finite():  # Zero has no negative power.
        return EMPTY
    if isinstance(value, int) and isinstance(exponent, int) and exponent >= 0:
        return bounded(int(found), value) if found.adjusted() < _MAX_DIGITS else EMPTY
    return [found]


MATH: Final = {
    "abs": _numeric("abs", _abs),
    "ceiling": _numeric("ceiling", _rounded(ROUND_CEILING)),
    "floor": _numeric("floor", _rounded(ROUND_FLOOR)),
    "truncate": _numeric("truncate", _rounded(ROUND_DOWN)),
    "round": _numeric("round", _round, "v"),
    "exp": _numeric("exp", _exp),
    "ln": _numeric("ln", _ln),
    "log": _numeric("log", _log, "v", 1),
    "sqrt": _numeric("sqrt", _sqrt),
    "power": _numeric("power", _power, "v", 1),
}
