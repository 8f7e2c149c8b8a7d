"""Whatever JSON holds where, validation answers; and what it accepts, XML carries."""

import copy
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from fhir_server.foundation import fhir_json, fhir_xml
from fhir_server.foundation.operation_outcome import FhirError
from fhir_server.validation.validate import validate

RESOURCE = {
    "resourceType": "Observation",
    "id": "o",
    "meta": {"tag": [{"code": "a"}]},
    "text": {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">x</div>'},
    "contained": [{"resourceType": "Patient", "id": "p", "name": [{"given": ["A", "B"]}]}],
    "extension": [{"url": "http://x", "valueRange": {"low": {"value": Decimal("1.0")}}}],
    "status": "final",
    "code": {"coding": [{"system": "http://loinc.org", "code": "1-8"}], "text": "x"},
    "subject": {"reference": "#p"},
    "effectivePeriod": {"start": "2026-01-01", "end": "2026-01-02"},
    "component": [{"code": {"text": "y"}, "valueBoolean": True, "_valueBoolean": {"id": "v"}}],
}
SHAPES = [None, True, 0, Decimal("1.5"), "", "x", "#", "2026-02-30", [], {}, [None], [[]], {"id": "x"}]
SHAPES += [
    {"extension": []},
    {"reference": "#"},
    {"resourceType": "Patient"},
    {"coding": [None]},
    {"start": [], "end": {}},
]
NAMES = ["_status", "_valueBoolean", "valueString", "contained", "extension", "reference", "x", "div", "resourceType"]


def places(node):
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in list(items):
        yield node, key
        yield from places(value)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_any_shape_anywhere_is_answered(data):
    resource = copy.deepcopy(RESOURCE)
    for _ in range(data.draw(st.integers(1, 3))):
        node, key = data.draw(st.sampled_from(list(places(resource))))
        name = data.draw(st.sampled_from([key, *NAMES])) if isinstance(node, dict) else key
        node[name] = copy.deepcopy(data.draw(st.sampled_from(SHAPES)))
    try:
        validate(resource)
    except FhirError as refusal:
        assert {issue.severity for issue in refusal.issues} <= {"error", "information"}  # noqa: PT017 - both ways are right
    else:
        assert validate(fhir_xml.parse(fhir_xml.format(resource))) is None
        assert fhir_json.parse(fhir_json.format(resource)) == resource
