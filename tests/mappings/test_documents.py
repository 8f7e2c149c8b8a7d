"""The public CI-SIS documents: all accepted, valid for oracles that are not ours, nothing lost without a word."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import fhirkit
import pytest
from lxml import etree

import mappings
from fhir_server.validation.validate import validate
from mappings.cda.xml import ACTS, parse
from tests.mappings.r4_codes import RequiredCodes

FOLDER = Path(__file__).parents[2].parent / "shared" / "data"
DOCUMENTS = sorted((FOLDER / "cda").glob("*.xml"))
NAMES = {"h": "urn:hl7-org:v3"}
TEMPLATE = "1.2.250.1.213.1.1.3."

pytestmark = pytest.mark.skipif(not DOCUMENTS, reason="the public CDA documents are not beside the project")
every_document = pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.stem)


@cache
def converted(path: Path) -> mappings.Conversion:
    return mappings.convert(path.read_bytes())


def encoded(resource: dict[str, Any]) -> str:
    return json.dumps(resource, default=float_of)


def float_of(value: object) -> float:
    assert isinstance(value, Decimal)
    return float(value)


@pytest.fixture(scope="session")
def required_codes() -> RequiredCodes:
    package = FOLDER / "fhir-packages" / "hl7.fhir.r4.core-4.0.1.tgz"
    if not package.exists():
        pytest.skip("hl7.fhir.r4.core is not beside the project")
    return RequiredCodes(package)


def test_the_oracle_of_codes_sees_what_is_wrong(required_codes: RequiredCodes) -> None:
    wrong = {"resourceType": "Observation", "status": "finished", "component": [{"valueString": "a"}]}
    assert required_codes.problems(wrong) == [
        "Observation.status: finished",
        "Observation.code is missing",
        "Observation.component.code is missing",
    ]


def test_there_are_97() -> None:
    assert len(DOCUMENTS) == 97


@every_document
def test_accepted_and_deterministic(path: Path) -> None:
    first, again = converted(path), mappings.convert(path.read_bytes())
    assert json.dumps(first.bundle, default=str) == json.dumps(again.bundle, default=str)
    assert first == again


@every_document
def test_valid_for_an_independent_parser(path: Path) -> None:
    for resource in (converted(path).bundle, mappings.document_reference(converted(path))):
        assert [f"{issue.path} {issue.message}" for issue in fhirkit.validate(encoded(resource))] == []


@every_document
def test_codes_and_cardinalities_of_the_official_definitions(path: Path, required_codes: RequiredCodes) -> None:
    assert required_codes.problems(converted(path).bundle) == []
    assert required_codes.problems(mappings.document_reference(converted(path))) == []


@every_document
def test_valid_for_the_door_of_the_server(path: Path) -> None:
    validate(converted(path).bundle)
    validate(mappings.document_reference(converted(path)))


@every_document
def test_valid_for_pydantic_models_of_r4(path: Path) -> None:
    bundles = pytest.importorskip("fhir.resources.R4B.bundle")
    bundles.Bundle.model_validate_json(encoded(converted(path).bundle))


@every_document
def test_references_resolve_and_nothing_is_empty(path: Path) -> None:
    bundle = converted(path).bundle
    full_urls = [entry["fullUrl"] for entry in bundle["entry"]]
    assert len(full_urls) == len(set(full_urls))
    assert bundle["entry"][0]["resource"]["resourceType"] == "Composition"
    for value in members(bundle):
        assert value not in (None, "", [], {})
        if isinstance(value, dict) and "reference" in value:
            assert value["reference"] in full_urls
    assert {"type", "identifier", "timestamp"} <= bundle.keys()


def members(value: object) -> Iterator[object]:
    if isinstance(value, dict):
        for inner in value.values():
            yield inner
            yield from members(inner)
    elif isinstance(value, list):
        for inner in value:
            yield inner
            yield from members(inner)


@every_document
def test_every_word_of_the_narrative_is_there_in_order(path: Path) -> None:
    document = parse(path.read_bytes()).document
    texts = document.xpath("h:component/h:structuredBody//h:section/h:text", namespaces=NAMES)
    expected = [words for text in texts if (words := letters(text))]
    images = set(document.xpath("//h:renderMultiMedia/@referencedObject", namespaces=NAMES))
    found = [letters(etree.fromstring(div), images) for div in divs(converted(path).bundle["entry"][0]["resource"])]
    assert [div for div in found if div] == [words for words in expected if words]


def letters(element: etree._Element, images: Iterable[str] = ()) -> str:
    """Give the visible characters; the name that stands for an image is not a word of the text."""
    for link in element.iter("{http://www.w3.org/1999/xhtml}a"):
        if link.text in images:
            link.text = None
    return re.sub(r"\s", "", "".join(map(str, element.itertext())))


def divs(holder: dict[str, Any]) -> Iterator[str]:
    for section in holder.get("section", []):
        if section.get("text", {}).get("status") == "additional":
            yield section["text"]["div"]
        yield from divs(section)


def test_every_section_of_every_document_has_its_place() -> None:
    for path in DOCUMENTS:
        document = parse(path.read_bytes()).document
        count = len(document.xpath("h:component/h:structuredBody//h:section", namespaces=NAMES))
        assert count_sections(converted(path).bundle["entry"][0]["resource"]) == max(count, 0 if count else 1)


def count_sections(holder: dict[str, Any]) -> int:
    return sum(1 + count_sections(section) for section in holder.get("section", []))


COUNTED = {
    "Immunization": f"h:entry/h:substanceAdministration[h:templateId/@root='{TEMPLATE}45']",
    "AllergyIntolerance": f"h:entry/h:act/h:entryRelationship/h:observation[h:templateId/@root='{TEMPLATE}41']",
    "Specimen": "h:entry//h:specimen[not(parent::h:procedure)]",
}


COUNTED["Specimen"] += (
    f"|//h:entry//h:procedure[h:templateId/@root='{TEMPLATE}77' or h:templateId/@root='{TEMPLATE}100']"
)


@pytest.mark.parametrize(("resource_type", "xpath"), COUNTED.items())
def test_as_many_resources_as_the_xml_has(resource_type: str, xpath: str) -> None:
    for path in DOCUMENTS:
        document = parse(path.read_bytes()).document
        expected = len(document.xpath(f"//{xpath}", namespaces=NAMES))
        counts = Counter(entry["resource"]["resourceType"] for entry in converted(path).bundle["entry"])
        if "2-7-MedicationCard" not in path.name:
            assert counts[resource_type] == expected, path.name


def test_every_result_in_a_report_is_an_observation_with_its_literal_value() -> None:
    values: Counter[str] = Counter()
    found: Counter[str] = Counter()
    path = "h:value[@value and @unit]/@value"
    xpath = f"//h:entry[h:templateId/@root='{TEMPLATE}21']//h:observation/{path}"
    xpath += f"|//h:observation[h:templateId/@root='{TEMPLATE}102' or h:templateId/@root='{TEMPLATE}80']/{path}"
    for path in DOCUMENTS:
        values.update(map(str, parse(path.read_bytes()).document.xpath(xpath, namespaces=NAMES)))
        for entry in converted(path).bundle["entry"]:
            resource = entry["resource"]
            category = resource.get("category", [{}])[0] if resource["resourceType"] == "Observation" else {}
            if "comparator" in resource.get("valueQuantity", {}) or "unit" not in resource.get("valueQuantity", {}):
                continue
            if category.get("coding", [{}])[0].get("code") == "laboratory":
                found[str(resource["valueQuantity"]["value"])] += 1
    assert found == values


@every_document
def test_every_act_of_an_entry_is_converted_or_counted(path: Path) -> None:
    document = parse(path.read_bytes()).document
    conversion = converted(path)
    acts = [act for entry in document.iter("{urn:hl7-org:v3}entry") for act in entry if act.tag in ACTS]
    reported = sum(issue.count for issue in conversion.issues if "has no FHIR resource yet" in issue.diagnostics)
    section_entries = sum(
        count_entries(section) for section in conversion.bundle["entry"][0]["resource"].get("section", [])
    )
    assert reported + section_entries >= len(acts)


def count_entries(section: dict[str, Any]) -> int:
    return len(section.get("entry", [])) + sum(count_entries(inner) for inner in section.get("section", []))


def test_a_report_without_structure_holds_its_pdf() -> None:
    conversion = converted(next(path for path in DOCUMENTS if path.name == "DOC_NON_STRUCTURE_CDA-R2-N1.xml"))
    composition = conversion.bundle["entry"][0]["resource"]
    resources = {entry["fullUrl"]: entry["resource"] for entry in conversion.bundle["entry"]}
    binary = resources[composition["section"][0]["entry"][0]["reference"]]
    assert binary["contentType"] == "application/pdf"
    assert binary["data"].startswith("JVBER")
    assert conversion.document.source.body_media_type == "application/pdf"


def test_the_international_summary_says_what_the_official_example_says() -> None:
    conversion = converted(next(path for path in DOCUMENTS if path.name == "IPS-FR_2024.01.xml"))
    composition = conversion.bundle["entry"][0]["resource"]
    assert composition["identifier"]["value"] == "urn:oid:1.2.250.1.213.1.1.1.51.2024.1"
    assert composition["relatesTo"][0]["code"] == "replaces"
    related = composition["relatesTo"][0]["targetIdentifier"]["value"]
    assert related == "urn:uuid:8d5e778c-e155-4685-95c6-5ff65a362964"
    assert (composition["status"], composition["confidentiality"], composition["language"]) == ("final", "N", "fr-FR")
    codes = [section["code"]["coding"][0]["code"] for section in composition["section"]]
    assert codes[:4] == ["11450-4", "11348-0", "47519-4", "48765-2"]
