"""Extraction: every parameter of R4 compiles, and over the official examples the rows are what FHIRPath says."""

import re
import tarfile
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pytest

from fhir_server.foundation.operation_outcome import Unprocessable
from fhir_server.foundation.search_parameters import SearchParameter
from fhir_server.foundation.structure import RESOURCE_TYPES
from fhir_server.search.compile import NO_ROWS, compile_type
from fhir_server.search.extract import Extractor
from fhir_server.search.index_row import COLUMNS, COMPARTMENT, REFERENCE, STRING, TOKEN, URI
from fhir_server.search.parameters import WHOLE, Parameters
from fhir_server.search.types import SEARCH_TYPES

Resource = dict[str, Any]

PARAMETERS = Parameters()
EXTRACTOR = Extractor(PARAMETERS)
EXAMPLES_PER_TYPE = 25
TEXT_AS_DATE = "activity-date"
"""A CarePlan may say as a text when it is scheduled; a text is no date, even when it looks like one."""


@pytest.mark.spec("searchparameter-registry.html")
@pytest.mark.parametrize("resource_type", sorted(RESOURCE_TYPES))
def test_every_parameter_writes_rows_somewhere(resource_type: str) -> None:
    compiled = compile_type(resource_type, PARAMETERS)
    written = {
        constant.partition("$")[0].partition(":")[0]
        for constant in compiled.__code__.co_consts
        if isinstance(constant, str)
    }
    codes = {parameter.code for parameter in PARAMETERS.of_type(resource_type).values()} - {*NO_ROWS, *WHOLE}
    assert codes <= written


def examples(shared: Path) -> Iterator[Resource]:
    package = shared / "data" / "fhir-packages" / "hl7.fhir.r4.examples-4.0.1.tgz"
    if not package.is_file():
        pytest.skip("the official examples of R4 are not beside the project")
    counts: dict[str, int] = {}
    with tarfile.open(package) as archive:
        for member in archive:
            content = archive.extractfile(member) if member.name.endswith(".json") else None
            resource = msgspec.json.decode(content.read()) if content else {}
            resource_type = resource.get("resourceType", "")
            counts[resource_type] = counts.get(resource_type, 0) + 1
            if resource_type in RESOURCE_TYPES and counts[resource_type] <= EXAMPLES_PER_TYPE:
                yield resource


REWRITTEN = [
    (re.compile(r"\(([\w.]+) as (\w+)\)"), r"\1.ofType(\2)"),
    (re.compile(r"\.as\("), ".ofType("),
    (re.compile(r"where\(resolve\(\) is (\w+)\)"), r"where(reference.matches('(^|/)\1/') or type = '\1')"),
    (re.compile(r"\(hasExtension\(('[^']*')\)\)"), r"(extension(\1).exists())"),
]
"""What R4's expressions say that needs a collection, or another resource, said without."""


@cache
def evaluator(expression: str) -> Any:
    fhirpathpy = pytest.importorskip("fhirpathpy", reason="fhirpathpy, the independent FHIRPath, is not installed")
    from fhirpathpy.models import models

    for pattern, replacement in REWRITTEN:
        expression = pattern.sub(replacement, expression)
    return fhirpathpy.compile(expression, models["r4"])


def values(parameter: SearchParameter, resource: Resource) -> list[Any]:
    resource_type = resource["resourceType"]
    paths = [path.strip() for path in re.split(r"\|", parameter.expression)]
    roots = ("", "(", resource_type + ".", f"({resource_type}.", "Resource.")
    mine = [path for path in paths if path.startswith(roots[2:]) or path[0].islower()]
    found: list[Any] = []
    for path in mine:
        found += evaluator(re.sub(r"\bResource\.", f"{resource_type}.", path))(resource)
    if "extension(" in parameter.expression.lower():
        found = [item for value in found for name, item in value.items() if name.startswith("value")]
    # Bundle.composition and Bundle.message share one expression; their targets tell them apart.
    return [
        one for one in found if not isinstance(one, dict) or one.get("resourceType", "") in ("", *parameter.targets)
    ]


def leaf_texts(value: Any, names: Iterable[str]) -> Iterator[str]:
    """Yield the texts of some properties of a value, or the value itself when it is a text."""
    if isinstance(value, str):
        yield value
    if isinstance(value, bool):
        yield str(value).lower()
    if isinstance(value, dict):
        for name in names:
            items = value.get(name)
            yield from (text for text in (items if isinstance(items, list) else [items]) if isinstance(text, str))


def expected_texts(kind: str, value: Any) -> set[str]:
    if kind == "token":
        coded = value.get("coding", [value]) if isinstance(value, dict) else [value]
        return {text for one in coded for text in leaf_texts(one, ("code", "value"))}
    if kind == "string":
        human = ("text", "family", "given", "prefix", "suffix")
        return {*leaf_texts(value, (*human, "line", "district", "city", "state", "postalCode", "country"))} - {""}
    if kind == "reference":
        if isinstance(value, dict) and "resourceType" in value:
            return {f"{value['resourceType']}/{value.get('id')}"}
        return {text for text in leaf_texts(value, ("reference",)) if text[0] != "#"}
    return {*leaf_texts(value, ())}


def row_text(row: Any) -> str:
    if row[0] == REFERENCE:
        text = f"{row[3]}/{row[4]}" if row[3] else row[4]
        return text + (f"/_history/{row[5]}" if row[5] and row[3] else f"|{row[5]}" if row[5] else "")
    return str(row[{TOKEN: 4, STRING: 4, URI: 3}[row[0]]])


@pytest.mark.slow
@pytest.mark.spec("searchparameter.html")
def test_rows_of_the_official_examples_are_what_fhirpath_says(shared: Path) -> None:
    compared = 0
    for resource in examples(shared):
        rows = EXTRACTOR.extract(resource)
        for parameter in PARAMETERS.of_type(resource["resourceType"]).values():
            if parameter.type == "composite" or parameter.code in (*NO_ROWS, *WHOLE, TEXT_AS_DATE):
                continue
            family = SEARCH_TYPES[parameter.type].FAMILY
            mine = [row for row in rows if row[0] == family and row[1] == parameter.code]
            found = values(parameter, resource)
            where = (resource["resourceType"], resource.get("id"), parameter.code, found, mine)
            if family not in (TOKEN, STRING, REFERENCE, URI):
                assert bool(mine) <= bool(found), where
                assert bool(mine) or not found or not any(map(has_value, found)), where
                continue
            expected = set().union(*(expected_texts(parameter.type, value) for value in found))
            actual = {row_text(row) for row in mine if not is_whole_name(row, found)} - {""}
            # What a resource contains is named by its id alone: FHIRPath here cannot tell its type.
            actual = {text for text in actual if text[0] != "#"}
            assert actual == expected, where
            compared += len(expected)
    assert compared > 1000


def has_value(value: Any) -> bool:
    """Tell whether a value of dates, numbers or quantities has anything to compare."""
    if not isinstance(value, dict):
        return not isinstance(value, str) or value[:1].isdigit()
    bounds = value.get("repeat", {}).get("boundsPeriod", {})
    parts = (value.get("low", {}), value.get("high", {}))
    is_measured = "value" in value and "unit" not in value.get("repeat", {})
    return is_measured or bool({"start", "end", "event"} & {*value, *bounds}) or any("value" in part for part in parts)


def is_whole_name(row: Any, found: list[Any]) -> bool:
    """Tell whether a row is a name put together, which no element says."""
    return row[0] == STRING and any(
        isinstance(value, dict)
        and row[4] == f"{' '.join(value.get('given', ()))} {value.get('family')}"
        and row[4] != value.get("text")
        for value in found
    )


def test_rows_have_the_columns_of_their_family(shared: Path) -> None:
    for resource in examples(shared):
        rows = EXTRACTOR.extract(resource)
        assert len(rows) == len(set(rows))
        for row in rows:
            assert len(row) == 3 + len(COLUMNS[row[0]])
            assert None not in row


@pytest.mark.spec("compartmentdefinition-patient.html")
def test_the_patient_compartment() -> None:
    def compartments(resource: Resource) -> list[str]:
        return [row[3] for row in EXTRACTOR.extract(resource) if row[0] == COMPARTMENT]

    subject = {"subject": {"reference": "Patient/1"}}
    assert compartments({"resourceType": "Patient", "id": "1"}) == ["1"]
    assert compartments({"resourceType": "Patient", "id": "1", "link": [{"other": {"reference": "Patient/2"}}]}) == [
        "1",
        "2",
    ]
    assert compartments({"resourceType": "Observation", **subject}) == ["1"]
    performer = [{"reference": "Patient/2"}]
    assert sorted(compartments({"resourceType": "Observation", "performer": performer, **subject})) == ["1", "2"]
    assert compartments({"resourceType": "Observation", "subject": {"reference": "Group/1"}}) == []
    assert compartments({"resourceType": "Observation", "focus": [{"reference": "Patient/1"}]}) == []
    assert compartments({"resourceType": "Organization", "partOf": {"reference": "Organization/1"}}) == []


def test_references_below_our_addresses_come_home() -> None:
    extractor = Extractor(PARAMETERS, ("https://a.example/fhir", "https://b.example"))
    for base_url in ("https://a.example/fhir", "https://b.example"):
        rows = extractor.extract({"resourceType": "Observation", "subject": {"reference": f"{base_url}/Patient/1"}})
        assert (REFERENCE, "subject", 0, "Patient", "1", "") in rows
        assert (COMPARTMENT, "Patient", 0, "1") in rows


@pytest.mark.spec("json.html#primitive")
def test_an_array_of_primitives_may_have_gaps() -> None:
    rows = EXTRACTOR.extract({"resourceType": "Patient", "name": [{"given": [None, "Ana"], "_given": [{}, None]}]})
    assert (STRING, "given", 0, "ana", "Ana") in rows


@pytest.mark.parametrize(
    "resource",
    [
        {"resourceType": "Patient", "name": [1]},
        {"resourceType": "Patient", "name": [{"given": [1]}]},
        {"resourceType": "Patient", "birthDate": "yesterday"},
        {"resourceType": "Patient", "gender": {"code": "female"}},
        {"resourceType": "Observation", "valueQuantity": {"value": "much"}},
    ],
)
def test_a_resource_of_another_form_is_unprocessable(resource: Resource) -> None:
    with pytest.raises(Unprocessable, match=resource["resourceType"]):
        EXTRACTOR.extract(resource)


def test_a_parameter_may_be_added() -> None:
    added = SearchParameter(
        code="mother",
        base=("Patient",),
        type="string",
        url="https://sante.example/SearchParameter/mother",
        expression="Patient.extension('https://sante.example/mother').value.as(string)",
    )
    parameters = Parameters([added])
    extension = {"url": "https://sante.example/mother", "valueString": "Zoé"}
    rows = Extractor(parameters).extract({"resourceType": "Patient", "extension": [extension]})
    assert (STRING, "mother", 0, "zoe", "Zoé") in rows
    assert "mother" not in PARAMETERS.of_type("Patient")
    assert "mother" not in parameters.of_type("Practitioner")


def test_an_expression_beyond_what_is_compiled_is_evaluated() -> None:
    added = SearchParameter(
        "x", ("Patient",), "string", "https://sante.example/x", "Patient.name.select(given.first())"
    )
    patient = {"resourceType": "Patient", "name": [{"given": ["Ana", "Eva"]}]}
    assert (STRING, "x", 0, "ana", "Ana") in Extractor(Parameters([added])).extract(patient)


@pytest.mark.parametrize("resource_type", sorted(RESOURCE_TYPES))
def test_the_compartments_alone_are_those_of_the_whole(resource_type: str) -> None:
    own = {"reference": "Patient/1"}
    elements = ("subject", "patient", "performer", "author", "recipient", "beneficiary", "for", "owner", "requester")
    resource = {"resourceType": resource_type, "id": "x"}
    for element in elements:
        for value in (own, [own], [{"actor": own}]):
            try:
                rows = EXTRACTOR.extract({**resource, element: value})
            except Unprocessable:
                continue
            in_records = [row for row in rows if row[0] == COMPARTMENT]
            assert EXTRACTOR.compartments({**resource, element: value}) == in_records
