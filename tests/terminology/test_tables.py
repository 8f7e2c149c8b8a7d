"""Tables answer as the same code system in memory does."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fhir_server.foundation.operation_outcome import FhirError, Unprocessable
from fhir_server.terminology.code_system import CodeSystem
from fhir_server.terminology.ecl import select
from fhir_server.terminology.tables import write
from fhir_server.terminology.tables.file import Table, UnreadableTable
from fhir_server.terminology.tables.folder import Tables
from fhir_server.terminology.tables.tabled import TabledCodeSystem
from fhir_server.terminology.tables.write import Fact, write_table
from fhir_server.terminology.terminology import Terminology
from tests.terminology.samples import ANIMALS, code_system, held, value_set


class Known:
    """A source that tells what a CodeSystem resource says."""

    def __init__(self, resource: dict[str, Any]) -> None:
        self.resource = resource
        self.memory = CodeSystem(resource)

    def system(self) -> dict[str, Any]:
        return {name: value for name, value in self.resource.items() if name != "concept"}

    def codes(self) -> Iterator[str]:
        yield from self.memory.concepts

    def facts(self) -> Iterator[Fact]:
        for concept in self.memory.concepts.values():
            yield concept.code, "display", concept.display
            for parent in concept.parents:
                yield concept.code, "parent", parent
            for found in concept.properties:
                yield concept.code, "property", found
            for text in concept.designations:
                yield concept.code, "designation", (text.value, text.language, text.use)


def written(folder: Path, resource: dict[str, Any]) -> TabledCodeSystem:
    path = folder / "one.table"
    write_table(path, Known(resource))
    return TabledCodeSystem(Table(path))


@pytest.fixture
def zoo(tmp_path: Path) -> TabledCodeSystem:
    return written(tmp_path, code_system())


def test_a_table_answers_as_memory_does(zoo: TabledCodeSystem) -> None:
    memory = CodeSystem(code_system())
    assert dict(zoo.concepts) == dict(memory.concepts)
    assert list(zoo.concepts) == sorted(memory.concepts)
    assert {code: sorted(below) for code, below in zoo.children.items() if below} == {
        code: sorted(below) for code, below in memory.children.items()
    }
    for code in memory.concepts:
        assert zoo.ancestors(code) == memory.ancestors(code)
        assert zoo.descendants(code) == memory.descendants(code)
        assert zoo.validate_code(code, "Bird") == memory.validate_code(code, "Bird")
    for code in ("", "dodo", "BIRD", "birds", "zzz"):
        assert zoo.find(code) is None
        assert zoo.descendants(code) == frozenset()


@settings(max_examples=30, deadline=None)
@given(pairs=st.lists(st.tuples(st.text("ab€", min_size=1, max_size=4), st.integers(0, 30)), max_size=30))
def test_any_hierarchy_is_kept(tmp_path_factory: pytest.TempPathFactory, pairs: list[tuple[str, int]]) -> None:
    codes = sorted({code for code, _ in pairs} | {"root"})
    concepts = [
        {"code": code, "property": [{"code": "parent", "valueCode": codes[place % len(codes)]}]}
        for code, place in dict(pairs).items()
    ]
    resource = code_system(concept=[{"code": "root"}, *concepts])
    memory = CodeSystem(resource)
    table = written(tmp_path_factory.mktemp("tables"), resource)
    for code in codes:
        assert table.descendants(code) == memory.descendants(code)
        assert table.ancestors(code) == memory.ancestors(code)


def test_words_are_found_and_parts_do_not_matter(zoo: TabledCodeSystem, monkeypatch: pytest.MonkeyPatch) -> None:
    for text, expected in (("oiseau", ["bird"]), ("emeu", ["emu"]), ("i", ["animal", "bird", "fish"]), ("q", [])):
        assert [concept.code for concept in zoo.candidates((), text)] == expected
    below = [{"property": "concept", "op": "is-a", "value": "bird"}]
    assert {concept.code for concept in zoo.candidates(below)} == {"bird", "emu"}
    assert [concept.code for concept in zoo.candidates(below, "oiseau suisse")] == ["bird"]
    assert list(zoo.candidates([{"property": "concept", "op": "is-a", "value": "dodo"}])) == []


def test_many_parts_make_the_same_table(tmp_path: Path, zoo: TabledCodeSystem, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write, "PART", 2)
    assert dict(written(tmp_path / "small", code_system()).concepts) == dict(zoo.concepts)


def test_a_file_that_is_no_table_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "one.table"
    write_table(path, Known(code_system()))
    whole = path.read_bytes()
    for content in (b"", b"no table", whole[:60], whole[:-40]):
        path.write_bytes(content)
        with pytest.raises(UnreadableTable):
            Table(path)
    with pytest.raises(Unprocessable, match="0 codes"):
        write_table(path, Known(code_system(concept=[])))


def test_a_terminology_with_a_folder_of_tables(tmp_path: Path) -> None:
    tables = Tables(tmp_path / "later")
    everything, birds = "urn:all", "urn:birds"
    is_a = {"property": "concept", "op": "is-a", "value": "bird"}
    resources = {
        everything: value_set(everything, {"system": ANIMALS}),
        birds: value_set(birds, {"system": ANIMALS, "filter": [is_a]}),
        ANIMALS: code_system(content="not-present", concept=[]),
    }
    known = Terminology(held(resources), tables=tables)
    assert known.contains(birds, ANIMALS, "emu") is None
    write_table(tables.path(code_system()), Known(code_system()))
    assert known.contains(birds, ANIMALS, "emu") is True
    assert known.contains(birds, ANIMALS, "fish") is False
    assert [member.code for member in known.members(birds)] == ["bird", "emu"]
    assert [member.code for member in known.members(everything, "oiseau")] == ["bird"]
    assert len(list(known.members(everything))) == 5
    newer = code_system(version="10", concept=[{"code": "bird"}])
    write_table(tables.path(newer), Known(newer))
    os.utime(tables.folder, (1, 1))  # A second import within the clock's step is another folder, too.
    assert [member.code for member in known.members(everything)] == ["bird"]
    assert known.code_system(f"{ANIMALS}|2") is not None
    assert {system["version"] for system in tables.systems()} == {"2", "10"}


CODES = {"1000001": (), "1000002": ("1000001",), "1000003": ("1000002",), "1000004": ("1000001",)}


def clinical(folder: Path) -> TabledCodeSystem:
    concepts = [
        {"code": code, "property": [{"code": "parent", "valueCode": parent} for parent in parents]}
        for code, parents in CODES.items()
    ]
    return written(folder, code_system(concept=concepts))


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("1000001", "1"),
        ("<< 1000001 |top|", "1234"),
        ("<1000001", "234"),
        ("<!1000001", "24"),
        (">1000003", "12"),
        (">>1000003", "123"),
        (">!1000003", "2"),
        ("*", "1234"),
        ("<<1000002 OR 1000004", "234"),
        ("<1000001 MINUS <<1000002", "4"),
        ("<1000001 AND >1000003, << 1000002", "2"),
        ("(<1000001 MINUS 1000004) OR 1000001", "123"),
        ("<<1999999", ""),
    ],
)
def test_expressions(tmp_path: Path, expression: str, expected: str) -> None:
    assert sorted(select(clinical(tmp_path), expression)) == [f"100000{last}" for last in expected]


@pytest.mark.parametrize(
    "expression",
    ["", "<", "12", "<<1000001:363698007=*", "^700043003", "1000001 OR", "(1000001", "1000001 OR 1 AND 2",
     "1000001 OR 1000002 AND 1000003", "(" * 30 + "1000001" + ")" * 30, "1000001 " * 1000, "1000001 1000002"],
)  # fmt: skip
def test_what_is_no_expression_here_is_refused(tmp_path: Path, expression: str) -> None:
    with pytest.raises(FhirError):
        select(clinical(tmp_path), expression)


def test_many_are_asked_about_as_few_are(tmp_path: Path) -> None:
    concepts = [
        {"code": f"c{place:03}", "property": [{"code": "parent", "valueCode": f"c{place // 3:03}"}]}
        for place in range(1, 200)
    ]
    resource = code_system(concept=[{"code": "c000"}, *concepts])
    memory, table = CodeSystem(resource), written(tmp_path, resource)
    below, expected = table.below("c002"), memory.below("c002")
    assert [code in below for code in memory.concepts] == [code in expected for code in memory.concepts]
    assert "none" not in below
    assert "c000" not in table.below("none")
