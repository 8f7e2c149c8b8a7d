"""Cells: the matrix of professions and types of documents, as rows of data with dates.

Spec: arrêté of 26 October 2023 (matrice d'habilitation), CSP L.1111-17 III, R.1111-46
"""

from collections.abc import Iterable
from datetime import date
from typing import Final

import msgspec

ANY: Final = "*"
TYPE: Final = "type"
CLASS: Final = "class"
RESOURCE: Final = "resource"
KINDS: Final = (TYPE, CLASS, RESOURCE)


class Cell(msgspec.Struct, frozen=True):
    """Say whether a profession may consult something, while `low <= day < high`.

    `profession` is a code of TRE_G15, or ANY for those that have no row in force; `kind` says what `code` is: a type of
    document (LOINC, TRE_A05), a class (TRE_A03) or a resource type; code ANY is what has no row of its own (a class of
    documents, a resource type).
    """

    profession: str
    kind: str
    code: str
    is_allowed: bool
    low: date = date.min
    high: date = date.max


class Sight(msgspec.Struct, frozen=True):
    """What one profession may consult on one day: the exceptions of each kind to what holds otherwise."""

    types: dict[str, bool]
    classes: dict[str, bool]
    resources: dict[str, bool]

    @property
    def sees_other_documents(self) -> bool:
        """Say whether documents are seen whose type and class have no cell."""
        return self.classes.get(ANY, False)

    @property
    def sees_other_resources(self) -> bool:
        """Say whether resources are seen whose type has no cell."""
        return self.resources.get(ANY, False)


class Matrix(msgspec.Struct, frozen=True):
    """The cells of one edition."""

    cells: tuple[Cell, ...]

    def sight(self, profession: str, day: date | None) -> Sight:
        """Return what a profession may consult on a day; None is after every change that is known.

        A profession without a cell on that day is any other one. What the matrix does not say is not seen.
        """
        when = date.max.replace(day=30) if day is None else day
        in_force = [cell for cell in self.cells if cell.low <= when < cell.high]
        own = [cell for cell in in_force if cell.profession == profession] if profession != ANY else []
        cells = own or [cell for cell in in_force if cell.profession == ANY]
        return Sight(_codes(cells, TYPE), _codes(cells, CLASS), _codes(cells, RESOURCE))


def _codes(cells: Iterable[Cell], kind: str) -> dict[str, bool]:
    """Return code -> is allowed; where two rows disagree, no holds."""
    found: dict[str, bool] = {}
    for cell in cells:
        if cell.kind == kind:
            found[cell.code] = cell.is_allowed and found.get(cell.code, True)
    return found
