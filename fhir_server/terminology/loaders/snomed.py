"""SNOMED CT in Release Format 2: concepts, descriptions, relationships and language reference sets of a snapshot.

Spec: snomedct.html, https://confluence.ihtsdotools.org/display/DOCRELFMT

Files, by their names wherever they lie in the folder: sct2_Concept_Snapshot_*, sct2_Description_Snapshot-*,
sct2_Relationship_Snapshot_*, der2_cRefset_LanguageSnapshot-*. An extension's files may lie beside the international
ones.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from fhir_server.foundation.operation_outcome import Unprocessable
from fhir_server.terminology.tables.write import Fact

URL: Final = "http://snomed.info/sct"
LANGUAGES: Final = frozenset({"fr", "en"})
IS_A: Final = "116680003"
FULL_NAME: Final = "900000000000003001"
SYNONYM: Final = "900000000000013009"
PREFERRED: Final = "900000000000548007"
DEFINED: Final = "900000000000073002"
_USES: Final = {FULL_NAME: "Fully specified name", SYNONYM: "Synonym"}
Row = list[str]


class SnomedCt:
    """Read a folder of a release; `version` is an edition, as `http://snomed.info/sct/900000000000207008/version/...`.

    The preferred English synonym is the display.
    """

    def __init__(self, folder: Path, version: str = "") -> None:
        self._folder = folder
        self._concepts = self._found("sct2_Concept_Snapshot*")
        self._descriptions = self._found("sct2_Description_Snapshot*")
        self._relationships = self._found("sct2_Relationship_Snapshot*")
        if not (self._concepts and self._descriptions and self._relationships):
            raise Unprocessable(
                f"{folder.name} lacks sct2_Concept_Snapshot, sct2_Description_Snapshot or sct2_Relationship_Snapshot: "
                "name the folder of an unpacked RF2 release."
            )
        self._version = version or self._edition()

    def _found(self, pattern: str) -> list[Path]:
        return sorted(self._folder.rglob(f"{pattern}.txt"))

    def _edition(self) -> str:
        """Return the international edition of the date at the end of the name of the concepts' file."""
        date = self._concepts[0].stem.rpartition("_")[2]
        return f"{URL}/900000000000207008/version/{date}" if date.isdecimal() else ""

    def system(self) -> dict[str, Any]:
        """See Source.system."""
        return {
            "resourceType": "CodeSystem",
            "url": URL,
            "name": "SNOMED_CT",
            "title": "SNOMED CT",
            "status": "active",
            "content": "complete",
            "hierarchyMeaning": "is-a",
            "valueSet": f"{URL}?fhir_vs",
            "copyright": "SNOMED CT is copyright of SNOMED International; using it needs an affiliate licence.",
        } | ({"version": self._version} if self._version else {})

    def codes(self) -> Iterator[str]:
        """See Source.codes."""
        return (row[0] for row in _rows(self._concepts))

    def facts(self) -> Iterator[Fact]:
        """See Source.facts."""
        for code, _, active, module, status in _rows(self._concepts):
            yield code, "property", ("inactive", "valueBoolean", active != "1")
            yield code, "property", ("moduleId", "valueCode", module)
            yield code, "property", ("sufficientlyDefined", "valueBoolean", status == DEFINED)
        for row in _rows(self._relationships):
            if row[2] == "1" and row[7] == IS_A:
                yield row[4], "parent", row[5]
            elif row[2] == "1":
                yield row[4], "property", (row[7], "valueCode", row[5])
        yield from self._texts()

    def _texts(self) -> Iterator[Fact]:
        """Yield designations; of each concept the full name, and over it the preferred English synonym, is shown."""
        preferred = self._preferred()
        for pass_over in (FULL_NAME, SYNONYM):
            for row in _rows(self._descriptions):
                if row[2] != "1" or row[6] != pass_over or row[5] not in LANGUAGES:
                    continue
                use = {"system": URL, "code": row[6], "display": _USES[row[6]]}
                yield row[4], "designation", (row[7], row[5], use)
                if row[5] == "en" and (row[6] == FULL_NAME or int(row[0]) in preferred):
                    yield row[4], "display", row[7]

    def _preferred(self) -> frozenset[int]:
        """Return the ids of the descriptions that a language reference set prefers."""
        files = self._found("der2_cRefset_Language*Snapshot*")
        return frozenset(int(row[5]) for row in _rows(files) if row[2] == "1" and row[6] == PREFERRED)


def _rows(files: list[Path]) -> Iterator[Row]:
    """Yield the rows of tab-separated files without their headers; RF2 quotes nothing."""
    for path in files:
        with path.open(encoding="utf-8-sig", newline="\n") as file:
            next(file, None)
            for line in file:
                row = line.rstrip("\r\n").split("\t")
                if len(row) >= _COLUMNS:
                    yield row


_COLUMNS: Final = 5
