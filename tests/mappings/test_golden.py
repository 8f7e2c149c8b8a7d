"""Golden pairs: a document that we wrote, and the Bundle, metadata and issues that it must give."""

import json
from decimal import Decimal
from pathlib import Path

import fhirkit
import pytest

import mappings
from fhir_server.validation.validate import validate

GOLDEN = sorted(path for path in (Path(__file__).parent / "golden").iterdir() if path.is_dir())


def encoded(value: object) -> str:
    """Write JSON with every digit of a decimal, so that 1.0 and 1.00 differ."""
    return json.dumps(value, default=lambda decimal: {"decimal": str(decimal)}, sort_keys=True, ensure_ascii=False)


def issue_of(issue: mappings.Issue) -> dict[str, object]:
    names = ("severity", "code", "diagnostics", "location", "template_id", "count")
    return {name: getattr(issue, name) for name in names if getattr(issue, name) is not None}


@pytest.mark.parametrize("folder", GOLDEN, ids=lambda folder: folder.name)
def test_golden(folder: Path) -> None:
    content = (folder / "input.xml").read_bytes()
    expected = json.loads((folder / "expected.json").read_text("utf-8"), parse_float=Decimal)
    conversion = mappings.convert(content)
    # An integer literal is a Decimal here and an int in the file: compare them as they are written.
    assert encoded(normal(conversion.bundle)) == encoded(expected["bundle"])
    assert encoded(normal(mappings.document_reference(conversion))) == encoded(expected["document_reference"])
    assert [issue_of(issue) for issue in conversion.issues] == expected["issues"]
    assert mappings.convert(content) == conversion


@pytest.mark.parametrize("folder", GOLDEN, ids=lambda folder: folder.name)
def test_golden_is_valid_for_an_independent_parser(folder: Path) -> None:
    expected = json.loads((folder / "expected.json").read_text("utf-8"), parse_float=Decimal)
    assert not fhirkit.validate(json.dumps(expected["bundle"], default=float))
    validate(expected["bundle"])


def normal(value: object) -> object:
    if isinstance(value, dict):
        return {name: normal(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [normal(inner) for inner in value]
    return int(value) if isinstance(value, Decimal) and "." not in str(value) else value


def test_a_decimal_keeps_its_trailing_zero() -> None:
    folder = next(path for path in GOLDEN if path.name == "biology")
    conversion = mappings.convert((folder / "input.xml").read_bytes())
    values = [entry["resource"].get("valueQuantity", {}).get("value") for entry in conversion.bundle["entry"]]
    assert "5.40" in [str(value) for value in values]
