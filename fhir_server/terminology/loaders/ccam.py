"""CCAM as a table of codes and texts, exported from the file that CNAM and ATIH publish.

Spec: https://www.ameli.fr (CCAM), https://www.atih.sante.fr (CCAM descriptive à usage PMSI)

Choice: CSV with `;`, a comma or tabs, whose first row names a column with the code (Code, or beginning so) and one with
the text (Texte or Libellé): both publish spreadsheets whose form changes with the edition, and every spreadsheet
exports that. Chapters (01, 01.02 ...) stand above the acts that follow them.
"""

import csv
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from fhir_server.foundation.operation_outcome import Unprocessable
from fhir_server.terminology.expansion import folded
from fhir_server.terminology.tables.write import Fact

URL: Final = "urn:oid:1.2.250.1.213.2.5"
_ACT: Final = re.compile(r"[A-Z]{4}\d{3}(?:[+-]\d{2,3})?")
_CHAPTER: Final = re.compile(r"\d{1,2}(?:\.\d{1,2}){0,4}\.?")


class Ccam:
    """Read one file; `version` is that of the edition."""

    def __init__(self, path: Path, version: str = "") -> None:
        self._path = path
        self._version = version
        with path.open(encoding="utf-8-sig", newline="") as file:
            self._delimiter = max(";,\t", key=file.readline().count)
        names = [folded(name).strip() for name in next(self._table(), [])]
        self._code = next((place for place, name in enumerate(names) if name.startswith("code")), -1)
        self._text = next((place for place, name in enumerate(names) if name.startswith(("texte", "libelle"))), -1)
        if self._code < 0 or self._text < 0:
            raise Unprocessable(f"{path.name} has no column Code and Texte: export the table with its first row.")

    def system(self) -> dict[str, Any]:
        """See Source.system."""
        return {
            "resourceType": "CodeSystem",
            "url": URL,
            "name": "CCAM",
            "title": "Classification commune des actes médicaux",
            "status": "active",
            "content": "complete",
            "hierarchyMeaning": "is-a",
            "language": "fr",
        } | ({"version": self._version} if self._version else {})

    def codes(self) -> Iterator[str]:
        """See Source.codes."""
        return (code for code, _ in self._rows())

    def facts(self) -> Iterator[Fact]:
        """See Source.facts."""
        above = ""
        for code, text in self._rows():
            yield code, "display", text
            if _ACT.fullmatch(code):
                yield code, "parent", above
                continue
            yield code, "property", ("notSelectable", "valueBoolean", True)
            yield code, "parent", code.rpartition(".")[0]
            above = code

    def _rows(self) -> Iterator[tuple[str, str]]:
        """Yield code and text; rows of other things, such as notes, are passed over."""
        for row in self._table():
            if len(row) > max(self._code, self._text):
                code, text = row[self._code].strip(), " ".join(row[self._text].split())
                if text and (_ACT.fullmatch(code) or _CHAPTER.fullmatch(code)):
                    yield code.rstrip("."), text

    def _table(self) -> Iterator[list[str]]:
        with self._path.open(encoding="utf-8-sig", newline="") as file:
            yield from csv.reader(file, delimiter=self._delimiter)
