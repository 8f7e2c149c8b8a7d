"""Times of a dosage: bounds, cycles, meals."""

from decimal import Decimal
from typing import Any

import pytest
from lxml import etree

from mappings.cda.timing import timing
from mappings.context import Context

NAMES = 'xmlns="urn:hl7-org:v3" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'


def converted(xml: str) -> tuple[dict[str, Any], Context]:
    root = etree.fromstring(f"<ClinicalDocument {NAMES}>{xml}</ClinicalDocument>")
    context = Context(root, "2.999", {"value": "x"}, lambda element, context: [])
    return timing(list(root), context), context


PIVL = '<effectiveTime xsi:type="PIVL_TS" operator="A">{}</effectiveTime>'
IVL = '<effectiveTime xsi:type="IVL_TS">{}</effectiveTime>'
EIVL = '<effectiveTime xsi:type="EIVL_TS" operator="A">{}</effectiveTime>'


@pytest.mark.parametrize(
    ("xml", "expected"),
    [
        (PIVL.format('<period value="8" unit="h"/>'), {"frequency": 1, "period": Decimal(8), "periodUnit": "h"}),
        (PIVL.format('<period value="0.5" unit="d"/>'), {"frequency": 1, "period": Decimal("0.5"), "periodUnit": "d"}),
        (
            PIVL.format('<phase><low value="202401010800"/></phase><period value="1" unit="d"/>'),
            {"frequency": 1, "period": Decimal(1), "periodUnit": "d", "timeOfDay": ["08:00:00"]},
        ),
        (
            PIVL.format('<frequency><numerator value="3"/><denominator value="1" unit="d"/></frequency>'),
            {"frequency": 3, "period": Decimal(1), "periodUnit": "d"},
        ),
        (EIVL.format('<event code="ACM"/>'), {"when": ["ACM"]}),
        (EIVL.format('<event code="ACM"/>') + EIVL.format('<event code="ACV"/>'), {"when": ["ACM", "ACV"]}),
        (EIVL.format('<event code="PCD"/><offset value="1" unit="h"/>'), {"when": ["PCD"], "offset": 60}),
        (
            IVL.format('<low value="20240612"/><high value="20240618"/>'),
            {"boundsPeriod": {"start": "2024-06-12", "end": "2024-06-18"}},
        ),
        (
            IVL.format('<low value="20240612"/><width value="2" unit="wk"/>'),
            {"boundsPeriod": {"start": "2024-06-12", "end": "2024-06-25"}},
        ),
        (
            IVL.format('<width value="10" unit="d"/>'),
            {
                "boundsDuration": {
                    "value": Decimal(10),
                    "unit": "d",
                    "system": "http://unitsofmeasure.org",
                    "code": "d",
                }
            },
        ),
    ],
)
def test_repeat(xml: str, expected: dict[str, Any]) -> None:
    assert converted(xml)[0] == {"repeat": expected}


def test_a_parenthetic_expression_joins_its_components() -> None:
    parts = '<comp xsi:type="IVL_TS"><low value="20240612"/><width value="2" unit="d"/></comp>'
    parts += '<comp xsi:type="PIVL_TS" operator="A"><period value="12" unit="h"/></comp>'
    found, _ = converted(f'<effectiveTime xsi:type="SXPR_TS">{parts}</effectiveTime>')
    assert found["repeat"]["boundsPeriod"] == {"start": "2024-06-12", "end": "2024-06-13"}
    assert found["repeat"]["period"] == 12


def test_a_moment_is_an_event() -> None:
    assert converted('<effectiveTime operator="A" value="20240612"/>')[0] == {"event": ["2024-06-12"]}


@pytest.mark.parametrize(
    "xml",
    [
        PIVL.format('<period value="8" unit="fois"/>'),
        PIVL.format('<period nullFlavor="UNK"/>'),
        PIVL.format('<period value="0" unit="d"/>'),
        EIVL.format('<event code="XYZ"/>'),
        '<effectiveTime operator="A"/>',
    ],
)
def test_what_tells_nothing_gives_nothing(xml: str) -> None:
    assert converted(xml)[0] == {}


def test_a_width_of_no_whole_days_keeps_the_start_and_says_so() -> None:
    found, context = converted(IVL.format('<low value="20240612"/><width value="36" unit="h"/>'))
    assert found == {"repeat": {"boundsPeriod": {"start": "2024-06-12"}}}
    assert [issue.code for issue in context.issues] == ["not-supported"]
