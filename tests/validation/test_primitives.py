from decimal import Decimal

import pytest

from fhir_server.foundation.structure import PRIMITIVES
from fhir_server.validation.primitives import HINTS, IS_VALID

RIGHT = {
    "boolean": [True, False],
    "integer": [0, -(2**31), 2**31 - 1],
    "unsignedInt": [0, 2**31 - 1],
    "positiveInt": [1],
    "decimal": [0, -1, Decimal("1.00"), Decimal("1E-22"), 12345678901234567890],
    "string": ["a", " ", "a\n\tb", "é\u00a0"],
    "markdown": ["# a\n\n* b"],
    "code": ["a", "a b", "<="],
    "id": ["a", "A-1.b", "x" * 64],
    "uri": ["a", "urn:x", "http://x/y?z#a", "#x"],
    "url": ["mailto:x@y"],
    "canonical": ["http://x|1"],
    "oid": ["urn:oid:1.2.0"],
    "uuid": ["urn:uuid:c757873d-ec9a-4326-a141-556f43239520"],
    "date": ["2026", "2026-11", "2024-02-29", "9999-12-31"],
    "dateTime": ["2026", "2026-11-22", "2026-11-22T10:00:00Z", "2026-11-22T23:59:60.5-14:00"],
    "instant": ["2026-11-22T10:00:00.123+01:00"],
    "time": ["23:59:59", "10:00:00.5"],
    "base64Binary": ["SGVsbG8=", "SGVs\r\nbG8=", "AAAA"],
}
WRONG = {
    "boolean": [None, 0, 1, "true"],
    "integer": [True, 2**31, -(2**31) - 1, "1", Decimal(1), 1.0],
    "unsignedInt": [-1, False],
    "positiveInt": [0, -1],
    "decimal": ["1", True, None, Decimal("1E+308"), 10**308, Decimal("1E-400"), Decimal("1E+999999999")],
    "string": ["", "\x00", "a\x1f", 1, None, [], {}],
    "markdown": [""],
    "code": ["", " a", "a ", "a  b"],
    "id": ["", "a_b", "a/b", "x" * 65, "é", "a\n"],
    "uri": ["", "a b", "a\n"],
    "url": [" http://x"],
    "canonical": ["http://x |1"],
    "oid": ["1.2.3", "urn:oid:3.1", "urn:oid:1.02"],
    "uuid": ["urn:uuid:C757873D-EC9A-4326-A141-556F43239520", "c757873d-ec9a-4326-a141-556f43239520"],
    "date": ["", "26", "2026-1", "2026-02-29", "2026-13", "2026-11-22T10:00:00Z", "0000", "2026-11-22\n"],
    "dateTime": ["2026-11-22T10:00:00", "2026-11-22T10:00Z", "2026-11-22T24:00:00Z", "2026-02-30T10:00:00Z"],
    "instant": ["2026-11-22", "2026-11-22T10:00Z", "2026-11-22T10:00:00+15:00"],
    "time": ["10:00", "24:00:00", "10:00:00Z"],
    "base64Binary": ["", " ", "%", "SGVsbG8", "SGVsbG8==", "SGVs=bG8", 1],
}


@pytest.mark.spec("datatypes.html#primitive")
def test_every_primitive_type_has_a_check_and_a_hint():
    assert IS_VALID.keys() | {"xhtml"} == PRIMITIVES == HINTS.keys()
    assert RIGHT.keys() == WRONG.keys() == IS_VALID.keys()


@pytest.mark.spec("datatypes.html#primitive")
@pytest.mark.parametrize(("type_code", "value"), [(name, value) for name, values in RIGHT.items() for value in values])
def test_right_values(type_code, value):
    assert IS_VALID[type_code](value)
    assert IS_VALID[type_code](value)


@pytest.mark.spec("datatypes.html#primitive")
@pytest.mark.parametrize(("type_code", "value"), [(name, value) for name, values in WRONG.items() for value in values])
def test_wrong_values(type_code, value):
    assert not IS_VALID[type_code](value)
