from pathlib import Path
from typing import Any

import msgspec
import pytest

from fhir_server.foundation.definitions.compile import read_package
from fhir_server.foundation.operation_outcome import FhirError
from fhir_server.terminology import definitions
from fhir_server.terminology.concept_map import Question
from fhir_server.terminology.definitions import compile as compiler
from fhir_server.terminology.terminology import Terminology
from tests.terminology.samples import held

PACKAGE = "data/fhir-packages/hl7.fhir.r4.core-4.0.1.tgz"
V3 = "http://terminology.hl7.org/CodeSystem/v3-"
base = Terminology(held({}))


def test_tables_are_small_and_say_where_they_come_from() -> None:
    tables = (definitions.CODE_SYSTEMS, definitions.VALUE_SETS, definitions.CONCEPT_MAPS)
    assert sum(len(definitions.content(name)) for name in tables) < 1_500_000
    assert [len(definitions.table(name)) for name in tables] == [1062, 1316, 80]
    source = msgspec.json.decode(definitions.content(definitions.SOURCE))
    assert (source["package"], source["version"], len(source["sha256"])) == ("hl7.fhir.r4.core", "4.0.1", 64)


@pytest.mark.parametrize(
    ("value_set", "system", "code", "answer"),
    [
        ("administrative-gender", "http://hl7.org/fhir/administrative-gender", "male", True),
        ("administrative-gender|4.0.1", "", "homme", False),
        ("administrative-gender|3.0.0", "", "male", None),
        ("account-type", f"{V3}ActCode", "PBILLACCT", True),
        ("account-type", f"{V3}ActCode", "AMB", False),
        ("marital-status", f"{V3}MaritalStatus", "M", True),
        ("marital-status", f"{V3}NullFlavor", "UNK", True),
        ("marital-status", f"{V3}NullFlavor", "OTH", False),
        ("mimetypes", "", "application/pdf", True),
        ("observation-codes", "http://loinc.org", "8867-4", None),
        ("observation-codes", V3, "8867-4", False),
        ("iso3166-1-2", "urn:iso:std:iso:3166", "FR", True),
    ],
)
def test_bindings_of_r4_are_checked_without_a_package(value_set: str, system: str, code: str, answer: bool) -> None:
    assert base.contains(f"http://hl7.org/fhir/ValueSet/{value_set}", system, code) is answer


def test_hierarchies_and_displays() -> None:
    assert base.subsumes(f"{V3}ActCode", "_ActAccountCode", "PBILLACCT") is True
    found = base.code_system(f"{V3}ActCode")
    assert found is not None
    assert found.lookup("PBILLACCT").display == "patient billing account"
    assert found.lookup("_ActAccountCode").is_abstract


def test_concept_maps() -> None:
    (match,) = base.translate(
        "http://hl7.org/fhir/ConceptMap/cm-administrative-gender-v3",
        Question("http://hl7.org/fhir/administrative-gender", "male"),
    )
    assert (match.system, match.code) == (f"{V3}AdministrativeGender", "M")


def test_oids_of_systems() -> None:
    assert definitions.system_oids()["2.16.840.1.113883.5.4"] == f"{V3}ActCode"


def test_what_resolve_gives_comes_first() -> None:
    gender = "http://hl7.org/fhir/administrative-gender"
    own = {"resourceType": "CodeSystem", "url": gender, "content": "complete", "concept": [{"code": "x"}]}
    known = Terminology(held({gender: own}))
    assert known.contains("http://hl7.org/fhir/ValueSet/administrative-gender", gender, "male") is False


@pytest.fixture(scope="module")
def package(shared: Path) -> Path:
    path = shared / PACKAGE
    if not path.exists():
        pytest.skip("the official R4 package is not among the shared data")
    return path


@pytest.mark.slow
def test_the_tables_are_what_the_official_package_says(package: Path) -> None:
    tables = compiler.tables(package)
    different = [name for name, rows in tables.items() if compiler.written(name, rows) != definitions.content(name)]
    assert different == []


@pytest.mark.slow
def test_value_sets_expand_as_with_the_whole_package(package: Path) -> None:
    types = ("CodeSystem", "ValueSet")
    whole = {found["url"]: found for found in read_package(package) if found["resourceType"] in types}

    def resolve(canonical: str, resource_type: str) -> dict[str, Any] | None:
        url, _, version = canonical.partition("|")
        found = whole.get(url)
        return found if found and version in ("", found.get("version", "")) else None

    official, ours = Terminology(resolve), Terminology(held({}))
    urls = [url for url, found in whole.items() if found["resourceType"] == "ValueSet"]
    codes = {url: expanded(official, url) for url in urls}
    assert {url: expanded(ours, url) for url in urls} == codes
    # Of example-filter's property, the code system says nothing: it has no answer rather than an empty one.
    assert sum(isinstance(found, list) for found in codes.values()) == 1210


def expanded(terminology: Terminology, url: str) -> list[tuple[Any, ...]] | str:
    try:
        members = terminology.members(url)
        return [(found.system, found.code, found.is_abstract, found.is_inactive, found.parents) for found in members]
    except FhirError as refused:
        return str(refused)
