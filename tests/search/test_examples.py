"""Every official example of R4 is found by each of its own search values, and not by values beside them.

The values are read by FHIRPath, which extraction does not use. A few examples of each type are asked of the embedded
store; FHIR_EXAMPLES=20 takes so many of each type. Spec: search.html, searchparameter-registry.html
"""

import os
import re
import tarfile
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from fhir_server import fhirpath
from fhir_server.fhirpath.errors import EvaluationFailed
from fhir_server.foundation import fhir_json
from fhir_server.foundation.dates import microseconds
from fhir_server.foundation.operation_outcome import FhirError
from fhir_server.foundation.resource import Version
from fhir_server.foundation.search_parameters import SearchParameter
from fhir_server.foundation.structure import RESOURCE_TYPES
from fhir_server.search.condition import ALWAYS
from fhir_server.search.custom import BOUNDED
from fhir_server.search.extract import Extractor
from fhir_server.search.match import Subject, match
from fhir_server.search.parameters import WHOLE, Parameters
from fhir_server.search.parse import parse
from fhir_server.search.plan import Planner
from fhir_server.search.types.string import fold
from fhir_server.storage.sqlite.store import SqliteStore
from fhir_server.storage.store import Search, Transaction

pytestmark = [pytest.mark.anyio, pytest.mark.slow]
Resource = dict[str, Any]
Asked = Iterator[tuple[str, str, bool]]
"""Modifier, value, and whether the resource is found by them."""

NOW = datetime(2026, 1, 1, tzinfo=UTC)
EACH = int(os.environ.get("FHIR_EXAMPLES", "2"))
EVERY = EACH > 2
VALUES = 6 if EVERY else 4
JUDGED = 20
PARAMETERS = Parameters()
EXTRACTOR = Extractor(PARAMETERS)
PLANNER = Planner(PARAMETERS, lambda resource_type: ALWAYS, now=microseconds(NOW))
HAS_EXTENSION = re.compile(r"hasExtension\(('[^']*')\)")
"""A function that R4's expressions use and FHIRPath does not have."""
BEYOND_TARGETS = "DeviceMetric/example: parent=dc102 should find it"
"""A bare id is that of one of the parameter's targets, and this reference leads to no such type."""
MISREAD = {
    "CarePlan.activity-date": "a schedule may be a text",
    "Bundle.composition": "what stands in an entry is no value of FHIRPath's Reference",
    "Bundle.message": "what stands in an entry is no value of FHIRPath's Reference",
}


def escaped(text: str) -> str:
    return re.sub(r"([\\,|$])", r"\\\1", text)


def token(type_code: str, value: Any) -> Asked:
    if type_code in ("CodeableConcept", "Coding"):
        for coding in value.get("coding", ()) if type_code == "CodeableConcept" else [value]:
            system, code = escaped(coding.get("system", "")), escaped(coding.get("code", ""))
            if code:
                yield "", code, True
                yield "", f"{system}|{code}", True
                yield "", f"{system}x|{code}", False
                yield "not", f"{system}|{code}", False
                yield "not", f"{code}x", True
            if system:
                yield "", f"{system}|", True
            if fold(coding.get("display", "")):
                yield "text", escaped(coding["display"][: len(coding["display"]) // 2 + 1]), True
        if fold(value.get("text", "")):
            yield "text", escaped(value["text"].upper()), True
    elif type_code in ("Identifier", "ContactPoint") and "value" in value:
        system, text = escaped(value.get("system", "")), escaped(value["value"])
        yield "", text, True
        yield "", f"{system}|{text}", True
        yield "", f"{text}-x", False
        for coding in value.get("type", {}).get("coding", ()):
            if "system" in coding and "code" in coding:
                yield "of-type", f"{escaped(coding['system'])}|{escaped(coding['code'])}|{text}", True
                yield "of-type", f"{escaped(coding['system'])}|{escaped(coding['code'])}x|{text}", False
    elif isinstance(value, bool | str):
        text = escaped(str(value).lower() if isinstance(value, bool) else value)
        yield "", text, True
        yield "", f"{text}x", False


def string(type_code: str, value: Any) -> Asked:
    names = (
        "text",
        "family",
        "given",
        "prefix",
        "suffix",
        "line",
        "city",
        "district",
        "state",
        "postalCode",
        "country",
    )
    listed = [value] if isinstance(value, str) else [value.get(name) for name in names]
    for text in (text for one in listed for text in (one if isinstance(one, list) else [one])):
        if not isinstance(text, str) or not fold(text):
            continue
        yield "", escaped(text), True
        yield "", escaped(text[:4].upper()) if fold(text[:4]) else "", True
        yield "exact", escaped(text), True
        yield "exact", escaped(text.swapcase()), text.swapcase() == text
        yield "contains", escaped(fold(text)[1:] or text), True
        yield "contains", escaped(f"{text}qzx"), False


def date(type_code: str, value: Any) -> Asked:
    start, end = (value.get("start"), value.get("end")) if isinstance(value, dict) else (value, value)
    if type_code in ("Timing", "string") or not (start or end):
        return
    if start:
        yield "", f"ge{start}", True
        yield "", f"lt{start[:4]}-01-01T00:00:00Z" if start[5:] > "01-02" else "lt0100", False
        yield "", f"eb{start}", False
    if end:
        yield "", f"le{end}", True
        yield "", f"sa{end}", False
    if isinstance(value, str):
        yield "", value, True
        yield "", value[:4], True
        yield "", f"ap{value}", True
        yield "", f"ne{value}", False
        yield "", f"gt{value}", False
        yield "missing", "true", False


def number(type_code: str, value: Any) -> Asked:
    if isinstance(value, int | Decimal):
        yield "", f"{Decimal(value):f}", True
        yield "", f"ge{Decimal(value):f}", True
        yield "", f"gt{Decimal(value):f}", False
        yield "", f"lt{Decimal(value):f}", False
        yield "", f"{Decimal(value) + 10:f}", False


def quantity(type_code: str, value: Any) -> Asked:
    amount = value.get("value")
    if amount is None or type_code not in ("Quantity", "Money", "Age", "Duration", "Distance", "Count"):
        return
    exact = not value.get("comparator")
    system, code = escaped(value.get("system", "")), escaped(value.get("code", "") or value.get("unit", ""))
    if type_code == "Money":
        system, code = "urn:iso:std:iso:4217", value.get("currency", "")
    yield "", f"{amount:f}", exact
    yield "", f"ap{amount:f}", exact
    yield "", f"gt{amount + abs(amount) + 1:f}", value.get("comparator", "") in (">", ">=")
    if code:
        yield "", f"{amount:f}||{code}", exact
        yield "", f"{amount:f}||{code}x", False
    if code and system:
        yield "", f"{amount:f}|{system}|{code}", exact


def reference(type_code: str, value: Any) -> Asked:
    literal = value if isinstance(value, str) else value.get("reference", "")
    local = re.fullmatch(r"([A-Z][A-Za-z]+)/([A-Za-z0-9.\-]{1,64})", literal)
    if local and local[1] in RESOURCE_TYPES:
        yield "", literal, True
        yield "", local[2], True
        yield "", f"{local[1]}/{local[2]}-x"[:70], False
        yield "", f"http://elsewhere.example/{literal}", False
    elif ":" in literal:
        yield "", escaped(literal.partition("|")[0]) if type_code == "canonical" else escaped(literal), True
        yield "", escaped(f"{literal}x") if "|" not in literal else "urn:x", False
    if isinstance(value, dict) and value.get("identifier", {}).get("value"):
        identifier = value["identifier"]
        yield "identifier", f"{escaped(identifier.get('system', ''))}|{escaped(identifier['value'])}", True


def uri(type_code: str, value: Any) -> Asked:
    if isinstance(value, str):
        yield "", escaped(value), True
        yield "", escaped(value + "x"), False
        if re.fullmatch(r"https?://[^/]+/.+[^/]", value):
            yield "below", escaped(value.rpartition("/")[0]), True
            yield "above", escaped(f"{value}/deeper"), True
            yield "above", escaped(value.rpartition("/")[0]), False


def near(type_code: str, value: Any) -> Asked:
    latitude, longitude = value["latitude"], value["longitude"]
    yield "", f"{latitude}|{longitude}|1|km", True
    yield "", f"{latitude / 2 + 1}|{longitude}|5|m", False


SAYS: dict[str, Callable[[str, Any], Asked]] = {
    "token": token,
    "string": string,
    "date": date,
    "number": number,
    "quantity": quantity,
    "reference": reference,
    "uri": uri,
    "special": near,
}


def items(expression: str, resource: Any) -> list[tuple[str, Any]]:
    """The typed JSON values of an expression."""
    found = []
    expression = HAS_EXTENSION.sub(r"extension(\1).exists()", expression)
    for item in fhirpath.compile(expression, is_as_filter=True)(resource, BOUNDED):
        if isinstance(item, fhirpath.Node):
            found.append((item.type.name, item.value))
        else:
            found.append(
                ("boolean" if isinstance(item, bool) else "decimal" if not isinstance(item, str) else "", item)
            )
    spread = []
    for type_code, value in found:
        if type_code == "Extension":
            spread += [(name.removeprefix("value"), inner) for name, inner in value.items() if name[:5] == "value"]
        else:
            spread.append((type_code, value))
    return [(type_code, value) for type_code, value in spread if value is not None]


def composite(parameter: SearchParameter, resource: Resource) -> Iterator[tuple[str, bool]]:
    """Values of a composite: of each element that has all of its components, their first values together."""
    swapped = parameter.url.endswith("DocumentReference-relationship")
    nodes = fhirpath.compile(parameter.expression, is_as_filter=True)(resource, BOUNDED)
    for node in nodes:
        whole = node.value if isinstance(node, fhirpath.Node) else node
        parts = []
        for position, component in enumerate(parameter.components):
            definition = parameter.components[1 - position if swapped else position].definition
            kind = PARAMETERS.by_url(definition)
            assert kind is not None
            at_root = "%resource" in component.expression
            expression = component.expression.replace("%resource.", "")
            values = _of_part(expression, resource if at_root else node, whole)
            said = [value for type_code, value in values for value in _first(SAYS[kind.type](type_code, value))]
            parts.append(said)
        if all(parts):
            yield "$".join(part[0] for part in parts), True
            yield (
                "$".join([*(part[0] for part in parts[:-1]), "0.123456" if parts[-1][0][0].isdigit() else "qzx"]),
                False,
            )


def _of_part(expression: str, start: Any, whole: Any) -> list[tuple[str, Any]]:
    try:
        return items(expression, start)
    except (EvaluationFailed, TypeError, AttributeError):
        return []


def _first(asked: Asked) -> list[str]:
    return [value for modifier, value, is_found in asked if not modifier and is_found][:1]


def questions(resource: Resource) -> Iterator[tuple[str, str, bool]]:
    """Name, value and whether the resource is found, for each of its own search values."""
    resource_type = resource["resourceType"]
    for code, parameter in PARAMETERS.of_type(resource_type).items():
        if code in WHOLE or f"{resource_type}.{code}" in MISREAD:
            continue
        if parameter.type == "composite":
            yield from ((code, value, is_found) for value, is_found in composite(parameter, resource))
            continue
        if code == "_lastUpdated":
            yield from (
                (code, value, is_found) for _, value, is_found in [*date("instant", "2026-01-01T00:00:00Z")][:-1]
            )
            continue
        own = items(parameter.expression, resource)
        several = len(own) > 1
        for type_code, value in own[:VALUES]:
            for modifier, text, is_found in SAYS[parameter.type](type_code, value):
                # Beside another value of its own, a resource may be found by what is not this one.
                if text and (is_found or not several) and not (several and modifier == "not"):
                    yield f"{code}:{modifier}" if modifier else code, text, is_found


def examples(shared: Path) -> Iterator[Resource]:
    package = shared / "data" / "fhir-packages" / "hl7.fhir.r4.examples-4.0.1.tgz"
    if not package.is_file():
        pytest.skip("the official examples of R4 are not beside the project")
    counts: Counter[str] = Counter()
    with tarfile.open(package) as archive:
        for member in archive:
            content = archive.extractfile(member) if member.name.endswith(".json") else None
            if content is None or "/." in member.name or member.name.endswith("package.json"):
                continue
            if member.size > (200_000 if EVERY else 30_000):
                continue
            resource = fhir_json.parse(content.read())
            resource_type = resource.get("resourceType", "")
            if resource_type in RESOURCE_TYPES and "id" in resource and counts[resource_type] < EACH:
                counts[resource_type] += 1
                yield resource


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    store = SqliteStore(tmp_path / "fhir.sqlite")
    await store.open()
    yield store
    await store.close()


async def fill(store: SqliteStore, resources: list[Resource]) -> dict[str, list[Subject]]:
    subjects: dict[str, dict[str, Subject]] = {}
    for resource in resources:
        resource_type, resource_id = resource["resourceType"], resource["id"]
        if resource_id in subjects.setdefault(resource_type, {}):
            continue
        rows = EXTRACTOR.extract(resource)
        version = Version(resource_type, resource_id, 1, NOW, b"{}")

        async def work(transaction: Transaction, version: Version = version, rows: Any = rows) -> None:
            await transaction.put(version, rows)

        await store.transact(work)
        subjects[resource_type][resource_id] = Subject(resource_type, resource_id, microseconds(NOW), rows)
    return {resource_type: list(listed.values()) for resource_type, listed in subjects.items()}


async def test_every_example_is_found_by_its_own_values(store: SqliteStore, shared: Path) -> None:
    resources = list(examples(shared))
    subjects = await fill(store, resources)
    problems: list[str] = []
    asked: dict[tuple[str, str, str], set[str]] = {}
    for resource in resources:
        resource_type = resource["resourceType"]
        for name, value, is_found in questions(resource):
            key = (resource_type, name, value)
            if key not in asked:
                try:
                    plan = PLANNER.plan(parse(resource_type, [(name, value)], PARAMETERS))
                except FhirError as refusal:
                    problems.append(f"{resource_type}?{name}={value}: {refusal}")
                    asked[key] = set()
                    continue
                page = await store.search(Search(resource_type, plan.condition, limit=5000))
                asked[key] = {version.resource_id for version in page.versions}
                own = subjects[resource_type][:JUDGED]
                said = {one.resource_id for one in own if match(plan.condition, one)}
                if said != asked[key] & {one.resource_id for one in own}:
                    problems.append(f"{resource_type}?{name}={value}: the store and match differ")
            if (resource["id"] in asked[key]) is not is_found:
                problems.append(
                    f"{resource_type}/{resource['id']}: {name}={value} should {'' if is_found else 'not '}find it"
                )
    print(len(asked), "questions about", len(resources), "examples")  # noqa: T201
    assert len(asked) > 5000
    problems = [problem for problem in problems if problem != BEYOND_TARGETS]
    assert not problems, f"{len(problems)} problems\n" + "\n".join(problems[:60])
