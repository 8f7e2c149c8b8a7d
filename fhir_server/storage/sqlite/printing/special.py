"""Special: the words of a text and the distance of a point, as SQL.

Source: https://www.sqlite.org/fts5.html
Spec: search.html#content, location.html#search
"""

# ruff: noqa: S608 - texts are put together from our own names; every value is bound.

import math
from typing import Final

from fhir_server.search.condition import Compare, Near
from fhir_server.search.index_row import POSITION
from fhir_server.search.match import EARTH_METRES
from fhir_server.storage.sqlite.printing.printer import Printer, Subject
from fhir_server.storage.sqlite.printing.source import rows_of
from fhir_server.storage.sqlite.rows import TEXT_COLUMNS

_SLACK: Final = 1e-6
"""Degrees that a box is larger than it must be, so that rounding loses nothing; a tenth of a metre."""


def has_words(printer: Printer, condition: Compare, subject: Subject) -> str:
    """Return the expression that the subject's text passes the tests."""
    if not condition.tests:
        rows = rows_of(printer, condition, subject)
        return f"EXISTS (SELECT 1 FROM {rows.table})"
    if subject.held:
        return "0"
    asked = words_asked(condition)
    if not asked:
        return "0"
    return (
        f"EXISTS (SELECT 1 FROM words WHERE words.words MATCH {printer.bind(asked)}"
        f" AND words.rowid = {subject.alias}.rid)"
    )


def words_asked(condition: Compare) -> str:
    """Return what the full text index is asked; "" when it has no such parameter."""
    column = TEXT_COLUMNS.get(condition.parameter)
    words = [word for _, _, listed in condition.tests for word in listed]
    if column is None or not words:
        return ""
    doubled = (word.replace('"', '""') for word in words)
    quoted = (f'"{word[:-1]}" *' if word.endswith("*") else f'"{word}"' for word in doubled)
    return f"{column} : ({' AND '.join(quoted)})"


def is_near(printer: Printer, condition: Near, subject: Subject) -> str:
    """Return the expression that a position of the subject is near enough."""
    rows = rows_of(printer, Compare(POSITION, condition.parameter), subject)
    where = " AND ".join((*rows.where, within_distance(printer, condition, rows.expressions)))
    return f"EXISTS (SELECT 1 FROM {rows.table} WHERE {where})"


def within_distance(printer: Printer, condition: Near, expressions: dict[str, str]) -> str:
    """Return the exact comparison; `distance_metres` is a function that each connection has."""
    point = f"{printer.bind(condition.latitude)}, {printer.bind(condition.longitude)}"
    other = f"{expressions['latitude']}, {expressions['longitude']}"
    return f"distance_metres({point}, {other}) <= {printer.bind(condition.metres)}"


def box(printer: Printer, condition: Near, expressions: dict[str, str]) -> list[str]:
    """Return the bounds of latitude and longitude within which everything near enough lies."""
    angle = condition.metres / EARTH_METRES
    height = math.degrees(angle) + _SLACK
    south, north = condition.latitude - height, condition.latitude + height
    bounds = [f"{expressions['latitude']} BETWEEN {printer.bind(south)} AND {printer.bind(north)}"]
    if south <= -90 or north >= 90:
        return bounds  # a pole lies within: every longitude does
    width = math.degrees(math.asin(min(1.0, math.sin(angle) / math.cos(math.radians(condition.latitude))))) + _SLACK
    west, east = condition.longitude - width, condition.longitude + width
    longitude = expressions["longitude"]
    if west < -180:
        bounds.append(f"({longitude} >= {printer.bind(west + 360)} OR {longitude} <= {printer.bind(east)})")
    elif east > 180:
        bounds.append(f"({longitude} >= {printer.bind(west)} OR {longitude} <= {printer.bind(east - 360)})")
    else:
        bounds.append(f"{longitude} BETWEEN {printer.bind(west)} AND {printer.bind(east)}")
    return bounds
