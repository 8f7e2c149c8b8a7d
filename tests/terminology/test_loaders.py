"""Loaders read files in the form of their owners; what they hold here is made up."""

from pathlib import Path
from typing import Any

import pytest

from fhir_server.foundation.operation_outcome import Unprocessable
from fhir_server.terminology.loaders.ccam import Ccam
from fhir_server.terminology.loaders.claml import Claml
from fhir_server.terminology.loaders.loinc import Loinc
from fhir_server.terminology.loaders.snomed import SnomedCt
from fhir_server.terminology.lookup import lookup_parameters
from fhir_server.terminology.tables.file import Table
from fhir_server.terminology.tables.folder import Tables
from fhir_server.terminology.tables.tabled import TabledCodeSystem
from fhir_server.terminology.tables.write import Source, write_table
from fhir_server.terminology.terminology import Terminology
from tests.terminology.samples import held


def loaded(folder: Path, source: Source) -> TabledCodeSystem:
    tables = Tables(folder / "tables")
    write_table(tables.path(source.system()), source)
    (system,) = tables.systems()
    return TabledCodeSystem(Table(tables.path(system)))


def asked(folder: Path) -> Terminology:
    return Terminology(held({}), tables=Tables(folder / "tables"))


def put(folder: Path, name: str, *rows: str) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")


@pytest.fixture
def loinc(tmp_path: Path) -> Path:
    folder = tmp_path / "Loinc_9.99"
    put(
        folder,
        "LoincTable/Loinc.csv",
        '"LOINC_NUM","COMPONENT","PROPERTY","SYSTEM","CLASS","STATUS","SHORTNAME","LONG_COMMON_NAME"',
        '"9-1","Sugar","MCnc","Bld","CHEM","ACTIVE","Sugar Bld","Sugar [Mass/volume] in Blood"',
        '"9-2","Salt","MCnc","Bld","CHEM","DEPRECATED","Salt Bld","Salt in Blood"',
    )
    hierarchy = "AccessoryFiles/ComponentHierarchyBySystem/ComponentHierarchyBySystem.csv"
    put(
        folder,
        hierarchy,
        "PATH_TO_ROOT,SEQUENCE,IMMEDIATE_PARENT,CODE,CODE_TEXT",
        ",1,,LP9-9,Laboratory",
        "LP9-9,1,LP9-9,LP9-8,Chemistry",
        "LP9-9.LP9-8,1,LP9-8,9-1,Sugar",
    )
    put(
        folder,
        "AccessoryFiles/AnswerFile/AnswerList.csv",
        "AnswerListId,AnswerListName,AnswerStringId,DisplayText",
        "LL9-9,Yes or no,LA9-1,Yes",
        "LL9-9,Yes or no,LA9-2,No",
    )
    put(folder, "AccessoryFiles/AnswerFile/LoincAnswerListLink.csv", "LoincNumber,AnswerListId", "9-1,LL9-9")
    put(
        folder,
        "AccessoryFiles/LinguisticVariants/frFR18LinguisticVariant.csv",
        "LOINC_NUM,LONG_COMMON_NAME,LinguisticVariantDisplayName",
        "9-1,Sucre [Masse/Volume] Sang,",
    )
    put(folder, "AccessoryFiles/LinguisticVariants/deDE15LinguisticVariant.csv", "LOINC_NUM,SHORTNAME", "9-1,Zucker")
    return folder


@pytest.mark.spec("loinc.html")
def test_loinc(tmp_path: Path, loinc: Path) -> None:
    system = loaded(tmp_path, Loinc(loinc))
    assert (system.url, system.version, len(system.concepts)) == ("http://loinc.org", "9.99", 7)
    sugar = system.concepts["9-1"]
    assert (sugar.display, sugar.shown("fr")) == ("Sugar [Mass/volume] in Blood", "Sucre [Masse/Volume] Sang")
    assert "Zucker" not in [found.value for found in sugar.designations]
    assert list(sugar.values("CLASS")) == ["CHEM"]
    assert list(sugar.values("answer-list")) == ["LL9-9"]
    assert system.concepts["9-2"].is_inactive
    assert system.subsumes("LP9-9", "9-1") is True
    known = asked(tmp_path)
    assert [member.code for member in known.members("http://loinc.org/vs/LL9-9")] == ["LA9-1", "LA9-2"]
    assert [member.code for member in known.members("http://loinc.org/vs/LP9-8")] == ["9-1", "LP9-8"]
    assert [member.code for member in known.members("http://loinc.org/vs", "sucre")] == ["9-1"]
    assert known.validate_code("http://loinc.org/vs", "http://loinc.org", "9-3").result is False
    names = {one["name"] for one in lookup_parameters(*known.lookup("http://loinc.org", "9-1"))["parameter"]}
    assert names == {"name", "version", "display", "designation", "property"}


@pytest.fixture
def release(tmp_path: Path) -> Path:
    folder, day = tmp_path / "SnomedCT_Sample", "20990101"
    core, model = "900000000000207008", "900000000000074008"
    full, synonym, sense = "900000000000003001", "900000000000013009", "900000000000448009"

    def row(*cells: str) -> str:
        return "\t".join(cells)

    put(
        folder,
        f"Snapshot/Terminology/sct2_Concept_Snapshot_INT_{day}.txt",
        "id\teffectiveTime\tactive\tmoduleId\tdefinitionStatusId",
        *(row(code, day, active, core, model) for code, active in (("100001", "1"), ("100002", "1"), ("100003", "0"))),
    )
    put(
        folder,
        f"Snapshot/Terminology/sct2_Description_Snapshot-en_INT_{day}.txt",
        "id\teffectiveTime\tactive\tmoduleId\tconceptId\tlanguageCode\ttypeId\tterm\tcaseSignificanceId",
        row("9001", day, "1", core, "100001", "en", full, "Illness (disorder)", sense),
        row("9002", day, "1", core, "100001", "en", synonym, "Ailment", sense),
        row("9003", day, "1", core, "100001", "en", synonym, "Illness", sense),
        row("9004", day, "0", core, "100001", "en", synonym, "Forgotten", sense),
        row("9005", day, "1", core, "100002", "en", full, 'Cold "common" (disorder)', sense),
        row("9006", day, "1", core, "100002", "fr", synonym, "Rhume", sense),
    )
    put(
        folder,
        f"Snapshot/Terminology/sct2_Relationship_Snapshot_INT_{day}.txt",
        "id\teffectiveTime\tactive\tmoduleId\tsourceId\tdestinationId\trelationshipGroup\ttypeId\tcharacteristicTypeId",
        row("1", day, "1", core, "100002", "100001", "0", "116680003", "x"),
        row("2", day, "0", core, "100001", "100002", "0", "116680003", "x"),
        row("3", day, "1", core, "100002", "100003", "1", "363698007", "x"),
    )
    put(
        folder,
        f"Snapshot/Refset/Language/der2_cRefset_LanguageSnapshot-en_INT_{day}.txt",
        "id\teffectiveTime\tactive\tmoduleId\trefsetId\treferencedComponentId\tacceptabilityId",
        row("a", day, "1", core, "900000000000509007", "9003", "900000000000548007"),
        row("b", day, "1", core, "900000000000509007", "9002", "900000000000549004"),
    )
    return folder


@pytest.mark.spec("snomedct.html")
def test_snomed_ct(tmp_path: Path, release: Path) -> None:
    system = loaded(tmp_path, SnomedCt(release))
    assert system.version == "http://snomed.info/sct/900000000000207008/version/20990101"
    illness, cold = system.concepts["100001"], system.concepts["100002"]
    assert (illness.display, cold.display, cold.shown("fr")) == ("Illness", 'Cold "common" (disorder)', "Rhume")
    assert [found.value for found in illness.designations] == ["Illness (disorder)", "Ailment", "Illness"]
    assert list(cold.values("363698007")) == ["100003"]
    assert system.concepts["100003"].is_inactive
    assert system.subsumes("100001", "100002") is True
    assert system.subsumes("100002", "100001") is False
    known = asked(tmp_path)
    sct = "http://snomed.info/sct"
    for question in ("isa/100001", "ecl/%3C%3C%20100001%20%7CIllness%7C"):
        assert [member.code for member in known.members(f"{sct}?fhir_vs={question}")] == ["100001", "100002"]
    assert known.contains(f"{sct}?fhir_vs=ecl/<100001", sct, "100001") is False


CLAML = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE ClaML SYSTEM "ClaML.dtd">
<ClaML version="2.0.0">
 <Title name="CIM-10 d'essai" date="2099-01-01" version="2099">CIM-10 d'essai</Title>
 <Class code="I" kind="chapter"><SubClass code="A00-A09"/>
  <Rubric kind="preferred"><Label xml:lang="fr">Chapitre</Label></Rubric></Class>
 <Class code="A00-A09" kind="block"><SuperClass code="I"/>
  <Rubric kind="preferred"><Label xml:lang="fr">Bloc</Label></Rubric></Class>
 <Class code="A00" kind="category"><SuperClass code="A00-A09"/>
  <Rubric kind="preferred"><Label xml:lang="fr">Mal <Reference>(B00)</Reference></Label></Rubric>
  <Rubric kind="inclusion"><Label xml:lang="fr">Mal de tête</Label></Rubric></Class>
</ClaML>
"""


def test_cim_10(tmp_path: Path) -> None:
    path = tmp_path / "cim10.xml"
    path.write_text(CLAML, encoding="utf-8")
    system = loaded(tmp_path, Claml(path))
    assert (system.url, system.version, system.name) == ("http://hl7.org/fhir/sid/icd-10", "2099", "CIM-10 d'essai")
    assert system.concepts["A00"].display == "Mal (B00)"
    assert [found.value for found in system.concepts["A00"].designations] == ["Mal de tête"]
    assert system.ancestors("A00") == {"A00-A09", "I"}
    assert system.concepts["I"].is_abstract
    assert asked(tmp_path).code_system("urn:oid:2.16.840.1.113883.6.3") is not None


@pytest.mark.parametrize("content", ["<ClaML", '<!DOCTYPE a [<!ENTITY b "c">]><ClaML/>'])
def test_claml_that_is_not_right_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "cim10.xml"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(Unprocessable):
        Claml(path)


@pytest.mark.parametrize("delimiter", [";", ",", "\t"])
def test_ccam(tmp_path: Path, delimiter: str) -> None:
    rows: list[tuple[str, str]] = [
        ("Code", "Texte"),
        ("01.", "SYSTÈME D'ESSAI"),
        ("01.01", "ACTES D'ESSAI"),
        ("", "Une note"),
        ("ABCD001", "Geste  d'essai"),
        ("02", "AUTRE"),
    ]
    put(tmp_path, "ccam.csv", *(delimiter.join(row) for row in rows))
    system = loaded(tmp_path, Ccam(tmp_path / "ccam.csv", "99"))
    assert sorted(system.concepts) == ["01", "01.01", "02", "ABCD001"]
    assert system.concepts["ABCD001"].display == "Geste d'essai"
    assert system.ancestors("ABCD001") == {"01.01", "01"}
    assert (system.version, system.concepts["02"].is_abstract) == ("99", True)


def test_files_of_another_form_are_refused(tmp_path: Path) -> None:
    put(tmp_path, "other.csv", "a;b", "1;2")
    refusals: list[Any] = [lambda: Ccam(tmp_path / "other.csv"), lambda: Loinc(tmp_path), lambda: SnomedCt(tmp_path)]
    for refusal in refusals:
        with pytest.raises(Unprocessable):
            refusal()
