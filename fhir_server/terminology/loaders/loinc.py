"""LOINC as Regenstrief distributes it: the table, the hierarchy of parts, answer lists, linguistic variants.

Spec: loinc.html, https://loinc.org/kb/users-guide/

Files, by their names wherever they lie in the folder: Loinc.csv, ComponentHierarchyBySystem.csv, AnswerList.csv,
LoincAnswerListLink.csv, frFR18LinguisticVariant.csv and the like (French and English variants are read).
"""

import csv
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from fhir_server.foundation.operation_outcome import Unprocessable
from fhir_server.terminology.tables.write import Fact

URL: Final = "http://loinc.org"
TABLE: Final = "Loinc.csv"
LANGUAGES: Final = frozenset({"fr", "en"})
_PROPERTIES: Final = (
    "COMPONENT", "PROPERTY", "TIME_ASPCT", "SYSTEM", "SCALE_TYP", "METHOD_TYP", "CLASS", "STATUS", "ORDER_OBS",
    "EXAMPLE_UCUM_UNITS", "VersionLastChanged",
)  # fmt: skip
_VARIANT: Final = re.compile(r"([a-z]{2})([A-Z]{2})\d*LinguisticVariant\.csv")
_VERSION: Final = re.compile(r"(?i)loinc[_ -]?(\d+\.\d+)")


class Loinc:
    """Read a folder of LOINC; `version` is told, or read from the folder's name (`Loinc_2.77`)."""

    def __init__(self, folder: Path, version: str = "") -> None:
        self._files = {path.name: path for path in sorted(folder.rglob("*.csv"))}
        if TABLE not in self._files:
            raise Unprocessable(f"{folder.name} holds no {TABLE}: name the folder of the unpacked LOINC release.")
        found = _VERSION.search(str(folder.resolve()))
        self._version = version or (found[1] if found else "")

    def system(self) -> dict[str, Any]:
        """See Source.system."""
        return {
            "resourceType": "CodeSystem",
            "url": URL,
            "name": "LOINC",
            "title": "LOINC",
            "status": "active",
            "content": "complete",
            "hierarchyMeaning": "is-a",
            "valueSet": f"{URL}/vs",
            "copyright": "LOINC is copyright of Regenstrief Institute, Inc.; its licence is at http://loinc.org/license.",
        } | ({"version": self._version} if self._version else {})

    def codes(self) -> Iterator[str]:
        """See Source.codes."""
        for name, column in (
            (TABLE, "LOINC_NUM"),
            ("ComponentHierarchyBySystem.csv", "CODE"),
            ("AnswerList.csv", "AnswerListId"),
            ("AnswerList.csv", "AnswerStringId"),
        ):
            yield from (row[column] for row in self._rows(name) if row.get(column))

    def facts(self) -> Iterator[Fact]:
        """See Source.facts."""
        yield from self._hierarchy()
        yield from self._answers()
        for row in self._rows(TABLE):
            yield from _concept(row)
        for name in self._files:
            found = _VARIANT.fullmatch(name)
            if found and found[1] in LANGUAGES:
                yield from self._variant(name, f"{found[1]}-{found[2]}")

    def _rows(self, name: str) -> Iterator[dict[str, str]]:
        if name in self._files:
            with self._files[name].open(encoding="utf-8-sig", newline="") as file:
                yield from csv.DictReader(file)

    def _hierarchy(self) -> Iterator[Fact]:
        for row in self._rows("ComponentHierarchyBySystem.csv"):
            yield row["CODE"], "display", row.get("CODE_TEXT", "")
            if row.get("IMMEDIATE_PARENT"):
                yield row["CODE"], "parent", row["IMMEDIATE_PARENT"]

    def _answers(self) -> Iterator[Fact]:
        for row in self._rows("AnswerList.csv"):
            yield row["AnswerListId"], "display", row.get("AnswerListName", "")
            if answer := row.get("AnswerStringId", ""):
                yield answer, "display", row.get("DisplayText", "")
                yield answer, "property", ("answers-for", "valueCode", row["AnswerListId"])
                yield row["AnswerListId"], "property", ("answer", "valueCode", answer)
        for row in self._rows("LoincAnswerListLink.csv"):
            yield row["LoincNumber"], "property", ("answer-list", "valueCode", row["AnswerListId"])

    def _variant(self, name: str, language: str) -> Iterator[Fact]:
        for row in self._rows(name):
            for column in ("LinguisticVariantDisplayName", "LONG_COMMON_NAME", "SHORTNAME"):
                if row.get(column):
                    yield row["LOINC_NUM"], "designation", (row[column], language, None)
                    break


def _concept(row: dict[str, str]) -> Iterator[Fact]:
    code = row["LOINC_NUM"]
    yield code, "display", row.get("LONG_COMMON_NAME") or row.get("COMPONENT", "")
    for name in _PROPERTIES:
        if row.get(name):
            yield code, "property", (name, "valueString", row[name])
    if row.get("STATUS") == "DEPRECATED":
        yield code, "property", ("inactive", "valueBoolean", True)
    for name in ("SHORTNAME", "CONSUMER_NAME", "DisplayName"):
        if row.get(name):
            yield code, "designation", (row[name], "en", {"system": URL, "code": name})
