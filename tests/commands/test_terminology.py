"""`fhir-server terminology import`: files into a store and beside it, used by a server at once."""

import asyncio
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from fhir_server.commands.local import opened
from fhir_server.commands.terminology import importing
from fhir_server.settings import Settings
from fhir_server.terminology.terminology import Terminology
from tests.terminology.test_ihe_svs import SAMPLE
from tests.terminology.test_loaders import CLAML


def run(data: Path, *paths: Path) -> tuple[int, str]:
    console = Console(record=True, width=200, file=StringIO())
    status = importing.run(Settings(data=str(data)), list(paths), "", console)
    return status, console.export_text()


def test_value_sets_are_stored_once(tmp_path: Path) -> None:
    folder, data = tmp_path / "jdv", tmp_path / "data"
    folder.mkdir()
    (folder / "one.xml").write_text(SAMPLE, encoding="utf-8")
    status, said = run(data, folder)
    assert (status, "1 value sets and tables imported" in said) == (0, True)
    assert "0 value sets and tables imported, 1 unchanged" in run(data, folder)[1]
    (folder / "two.xml").write_text("<a", encoding="utf-8")
    status, said = run(data, folder)
    assert status == 1
    assert "refused" in said


def test_reference_tables_tell_the_url_of_their_codes(tmp_path: Path) -> None:
    folder, data = tmp_path / "nos", tmp_path / "data"
    folder.mkdir()
    page = "https://mos.esante.gouv.fr/NOS/TRE_X1-Essai"
    table = f"""<RetrieveValueSetResponse xmlns="urn:ihe:iti:svs:2008">
      <ValueSet id="1.2.250.1.999.2" displayName="TRE_X1-Essai" typeFichier="TRE" urlFichier="{page}"><ConceptList>
      <Concept code="1" codeSystem="1.2.250.1.999.2" displayName="Un"/>
      <Concept code="2" codeSystem="1.2.250.1.999.2" displayName="Deux"/></ConceptList></ValueSet>
      </RetrieveValueSetResponse>"""
    (folder / "JDV_one.xml").write_text(SAMPLE, encoding="utf-8")
    (folder / "TRE_X1-Essai.xml").write_text(table, encoding="utf-8")
    assert "2 value sets and tables imported" in run(data, folder)[1]

    async def look() -> None:
        async with opened(Settings(data=str(data))) as runtime:
            assert runtime.canonicals is not None
            await runtime.canonicals.ready()
            assert isinstance(runtime.terminology, Terminology)
            url = f"{page}/FHIR/TRE-X1-Essai"
            one = "https://example.org/NOS/JDV_J1-Essai/FHIR/JDV-J1-Essai"
            assert runtime.terminology.validate_code(one, url, "1", "Un").result is True
            assert runtime.terminology.contains(one, url, "2") is False
            assert [member.code for member in runtime.terminology.members(f"{url}?vs")] == ["1", "2"]

    asyncio.run(look())


def test_a_code_system_is_a_table_and_a_resource(tmp_path: Path) -> None:
    path, data = tmp_path / "cim10.xml", tmp_path / "data"
    path.write_text(CLAML, encoding="utf-8")
    assert "3 concepts" in run(data, path)[1]
    settings = Settings(data=str(data))

    async def look() -> tuple[str, bool | None]:
        async with opened(settings) as runtime:
            stored = await runtime.store.read("CodeSystem", "CIM10-2099")
            assert stored is not None
            assert isinstance(runtime.terminology, Terminology)
            found = runtime.terminology.validate_in_system("http://hl7.org/fhir/sid/icd-10", "A00")
            return stored.content.decode(), found.result

    content, result = asyncio.run(look())
    assert '"content":"not-present"' in content
    assert '"count":3' in content
    assert result is True
    console = Console(record=True, width=200, file=StringIO())
    importing.show(settings, console)
    assert "http://hl7.org/fhir/sid/icd-10" in console.export_text()


@pytest.mark.parametrize("name", ["a.pdf", "a.csv", "a.xml"])
def test_a_file_of_no_known_kind_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes("Texte;Côde\n".encode("latin-1"))
    status, said = run(tmp_path / "data", path)
    assert status == 1
    assert "refused" in said
