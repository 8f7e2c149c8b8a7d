"""Comparison: one test of a column, as SQL.

Spec: search.html#prefix
"""

# ruff: noqa: S608 - texts are put together from our own names; every value is bound.

from collections.abc import Collection, Iterable
from typing import Any, Final

import msgspec

from fhir_server.search.condition import Test
from fhir_server.storage.sqlite.printing.printer import Printer
from fhir_server.storage.sqlite.rows import finite

_SIGNS: Final = {"eq": "=", "ne": "<>", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}
_LISTED_MAXIMUM: Final = 8
_LAST_CHARACTER: Final = 0x10FFFF
_SURROGATES: Final = range(0xD800, 0xE000)
_NUMBERED: Final = {
    "system": ("system", "uri"),
    "target_type": ("resource_type", "name"),
}
"""Columns that hold a number in place of a name: the table and the column of the name."""

_encode: Final = msgspec.json.Encoder().encode


def tests_of(printer: Printer, tests: Iterable[Test], expressions: dict[str, str]) -> list[str]:
    """Return the tests on a family's columns, given the expression of each column."""
    return [_numbered(printer, expressions[column], column, (operator, value)) for column, operator, value in tests]


def _numbered(printer: Printer, expression: str, column: str, test: tuple[str, Any]) -> str:
    if column not in _NUMBERED:
        return comparison(printer, expression, *test)
    table, name = _NUMBERED[column]
    if test[0] == "eq" and column == "target_type":
        return f"{expression} = {printer.resource_type(test[1])}"
    sign = "=" if test[0] == "eq" else "IN"
    return f"{expression} {sign} (SELECT id FROM {table} WHERE {comparison(printer, name, *test)})"


def comparison(printer: Printer, expression: str, operator: str, value: Any) -> str:
    """Return the comparison of an expression that is never NULL; bytes decide, so no pattern is ever escaped."""
    if operator == "in":
        return _in(printer, expression, value)
    if operator == "prefix":
        return _prefix(printer, expression, value)
    if operator == "suffix":
        return _suffix(printer, expression, value)
    if operator == "contains":
        return f"instr({expression}, {printer.bind(value)}) > 0"
    return f"{expression} {_SIGNS[operator]} {printer.bind(_bound(value))}"


def _in(printer: Printer, expression: str, values: Collection[Any]) -> str:
    if not values:
        return "0"
    bound = [_bound(value) for value in values]
    if len(bound) <= _LISTED_MAXIMUM:
        return f"{expression} IN ({', '.join(printer.bind(value) for value in bound)})"
    return f"{expression} IN (SELECT value FROM json_each({printer.bind(_encode(bound).decode())}))"


def _prefix(printer: Printer, expression: str, prefix: str) -> str:
    if not prefix:
        return "1"
    low = f"{expression} >= {printer.bind(prefix)}"
    high = after(prefix)
    return f"{low} AND {expression} < {printer.bind(high)}" if high else low


def _suffix(printer: Printer, expression: str, suffix: str) -> str:
    if not suffix:
        return "1"
    mark = printer.bind(suffix)
    return f"substr({expression}, -length({mark})) = {mark}"


def after(prefix: str) -> str:
    """Return the smallest text that is greater than all texts with the prefix; "" when there is none."""
    for position in range(len(prefix) - 1, -1, -1):
        following = ord(prefix[position]) + 1
        if following in _SURROGATES:
            following = _SURROGATES.stop
        if following <= _LAST_CHARACTER:
            return prefix[:position] + chr(following)
    return ""


def _bound(value: Any) -> Any:
    return finite(value) if isinstance(value, float) else value
