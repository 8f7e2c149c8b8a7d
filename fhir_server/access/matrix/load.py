"""Load: the matrix from CSV or JSON; the edition that ships with the server, and the one in use.

Spec: arrêté of 26 October 2023 (matrice d'habilitation)
"""

import csv
from collections.abc import Iterable
from datetime import date
from functools import cache
from importlib import resources
from typing import Any, Final

import msgspec

from fhir_server.access.matrix.cells import ANY, CLASS, KINDS, RESOURCE, TYPE, Cell, Matrix
from fhir_server.foundation.operation_outcome import Unprocessable
from fhir_server.foundation.structure import RESOURCE_TYPES

COLUMNS: Final = ("profession", "kind", "code", "allowed", "from", "to")
_ALLOWED: Final = {"yes": True, "no": False}


def parse_matrix(content: bytes) -> Matrix:
    """Return the matrix of a CSV file with a head line, or of a JSON array of objects with the same names; UTF-8.

    | column | holds |
    |---|---|
    | profession | code of TRE_G15 (10 doctor, 21 pharmacist ...), `*` for all professions that have no row in force |
    | kind | type (code of LOINC or TRE_A05), class (code of TRE_A03) or resource (type of what is no document) |
    | code | the code; `*` for what has no row, with kind class (documents) and resource |
    | allowed | yes or no; a type goes before its class, a class before `*`; what no row says is not allowed |
    | from, to | YYYY-MM-DD, first day and the day after the last; empty is open |

    Further columns (source, meaning) are for readers. Raises Unprocessable (422) with the line that is not understood:
    half a matrix must not decide.
    """
    text = content.decode("utf-8-sig")
    if text.lstrip().startswith("["):
        listed: Iterable[dict[str, Any]] = msgspec.json.decode(content, type=list[dict[str, Any]])
    else:
        listed = csv.DictReader(text.splitlines())
    cells = tuple(_cell(row, line) for line, row in enumerate(listed, start=2))
    if not any(cell.profession == ANY for cell in cells):
        raise Unprocessable("The matrix has no row for other professions (profession *).")
    return Matrix(cells)


def _cell(row: dict[str, Any], line: int) -> Cell:
    try:
        profession, kind, code, allowed, low, high = (str(row.get(name) or "").strip() for name in COLUMNS)
        cell = Cell(
            profession,
            kind,
            code,
            _ALLOWED[allowed],
            date.fromisoformat(low) if low else date.min,
            date.fromisoformat(high) if high else date.max,
        )
    except (KeyError, ValueError) as error:
        raise Unprocessable(f"Row {line} of the matrix is not understood: {error}.") from error
    if not profession or not code or kind not in KINDS or cell.low >= cell.high:
        raise Unprocessable(f"Row {line} of the matrix lacks a profession, a kind, a code or a time in which it holds.")
    if (kind == TYPE and code == ANY) or (kind == RESOURCE and code != ANY and code not in RESOURCE_TYPES):
        raise Unprocessable(f"Row {line} of the matrix: {code} is no {kind}; `*` goes with {CLASS} and {RESOURCE}.")
    return cell


@cache
def default_matrix() -> Matrix:
    """Return the edition that ships with the server: what public sources confirm, and a cautious rest.

    Choice: the annex of the arrêté is not published as data. Rows say which are confirmed and which are ours; whoever
    runs a server for patients loads the official one.
    """
    return parse_matrix(resources.files(__package__).joinpath("default.csv").read_bytes())


_INSTALLED: Final[list[Matrix]] = []


def install_matrix(matrix: Matrix) -> None:
    """Put another edition in use; call `decision.use_matrix`, which also forgets what was decided by the one before."""
    _INSTALLED[:] = [matrix]


def matrix_in_use() -> Matrix:
    """Return the edition by which decisions are made."""
    return _INSTALLED[0] if _INSTALLED else default_matrix()
