"""The public FHIRPath cases: reading them, and comparing an answer with what they expect."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from fhir_server import fhirpath
from fhir_server.fhirpath import Context, Node
from fhir_server.fhirpath.node import of_type
from fhir_server.fhirpath.values.temporal import Temporal
from fhir_server.foundation import fhir_json

CASES = Path(__file__).parents[2].parent / "shared/data/conformance-cases/lib"
NOW = datetime(2026, 11, 22, 10, 0, 0, 123000, UTC)
NEVER_HERE = ("%factory", "%terminologies")
"""Variables that belong to other engines, or to a terminology server: no case that needs them is ours."""


class Case(msgspec.Struct):
    """One case; `wanted` is None where an error is expected; `base` is the path of what the input is a part of."""

    name: str
    expression: str
    resource: dict[str, Any]
    wanted: list[Any] | None
    is_strict: bool = False
    is_ordered: bool = True
    is_predicate: bool = False
    base: str = ""
    start: str = ""
    variables: dict[str, Any] = {}


def conforms(node: Node, url: str) -> bool | None:
    name = url.removeprefix("http://hl7.org/fhir/StructureDefinition/")
    return f"FHIR.{name}" in node.type.ancestors if name != url else None


CONTEXT = Context(now=lambda: NOW, conforms_to=conforms)


def rows(name: str) -> list[dict[str, Any]]:
    path = CASES / name
    if not path.is_file():
        return []
    return [json.loads(line, parse_float=Decimal) for line in path.read_text(encoding="utf-8").splitlines()]


def read(name: str) -> dict[str, Any]:
    path = CASES / "inputs" / name
    return fhir_json.parse(path.read_bytes()) if path.is_file() else {"resourceType": "Basic"}


def official() -> Iterator[Case]:
    for row in rows("fhirpath-r4.jsonl"):
        yield Case(
            row["id"],
            row["expression"],
            read(row["input"] or "none"),
            None if row["invalid"] else [output["value"] for output in row["outputs"]],
            is_strict=row["invalid"] == "semantic",
            is_ordered=row["ordered"],
            is_predicate=row["predicate"],
        )


def javascript() -> Iterator[Case]:
    for row in rows("fhirpath-js.jsonl"):
        expression, base = row["expression"], ""
        if isinstance(expression, dict):
            expression, base = expression["expression"], expression["base"]
        if any(name in expression for name in NEVER_HERE):
            continue
        yield Case(
            row["id"],
            expression,
            read(f"js-{row['inputfile'] or row['subject'] + '.json'}"),
            None if row["error"] else row["result"],
            base=base,
            start=row["context"] or "",
            variables=row["variables"] or {},
        )


def evaluate(case: Case) -> list[Any]:
    root_type = case.resource["resourceType"] if case.is_strict else None
    expression = fhirpath.compile(case.expression, root_type=root_type, is_strict=case.is_strict)
    subject = of_type(case.resource, case.base) if case.base else fhirpath.root(case.resource)
    if case.start:
        subject = fhirpath.evaluate(case.start, subject)[0]
    return expression(subject, msgspec.structs.replace(CONTEXT, variables=case.variables))


def shown(item: Any) -> str:
    """An item as the official cases write it."""
    value = fhirpath.system(item)
    if isinstance(value, Node):
        return json.dumps(value.value, sort_keys=True, default=str)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Temporal):
        return ("@T" if value.kind == "Time" else "@") + str(value)
    return str(value)


def is_shown(item: Any, wanted: Any) -> bool:
    """Whether an item is what a case expects; the second collection writes dates without @, and numbers freely."""
    value = fhirpath.system(item)
    if isinstance(wanted, dict):
        return isinstance(item, Node) and item.value == wanted
    if isinstance(value, bool) or isinstance(wanted, bool):
        return shown(item) == str(wanted).lower()
    if isinstance(value, int | Decimal):
        return value == Decimal(str(wanted))
    return str(wanted) in (shown(item), str(value))


def is_answer(found: list[Any], case: Case) -> bool:
    wanted = case.wanted
    if wanted is None:
        return False
    if case.is_predicate:
        return [str(bool(found)).lower()] == wanted
    kept = [item for item in found if fhirpath.system(item) is not None]
    if len(kept) != len(wanted):
        return False
    if not case.is_ordered:
        return sorted(map(shown, kept)) == sorted(map(str, wanted))
    return all(map(is_shown, kept, wanted))
