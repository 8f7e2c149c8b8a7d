from datetime import UTC, datetime
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_server.foundation import fhir_json
from fhir_server.foundation.operation_outcome import Unparsable

NOW = datetime(2026, 11, 22, 10, 0, 0, 123_456, tzinfo=UTC)


@pytest.mark.spec("datatypes.html#decimal")
@pytest.mark.parametrize("literal", ["1.00", "0.010", "-0.0", "3.14159265358979323846264338327950288419", "1E+400"])
def test_decimals_keep_every_digit(literal):
    content = b'{"value":%s}' % literal.encode()
    resource = fhir_json.parse(content)
    assert resource["value"] == Decimal(literal)
    assert fhir_json.format(resource) == content


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "empty"),
        (b" \n ", "empty"),
        (b"\xef\xbb\xbf{}", "byte order mark"),
        (b'{"a":"\xff"}', "not UTF-8 at line 1, column 7"),
        (b'{"\xff":"a"}', "not UTF-8"),
        (b'{"a":"\xed\xa0\x80"}', "not UTF-8"),
        (b"[]", "no JSON object"),
        (b"12", "no JSON object"),
        (b'{"a":1,}', "line 1, column 8"),
        (b'{\n "a": tru}', "line 2, column"),
        ('{\n "é": tru}'.encode(), "line 2, column"),
        (b'{"a":1} x', "trailing"),
        (b'{"a":1}{}', "trailing"),
        (b'{"a"', "truncated"),
        (b'{"a":NaN}', "line 1, column 6"),
        (b'{"a":Infinity}', "line 1"),
        (b'{"a":-Infinity}', "line 1"),
        (b'{"a":01}', "invalid number"),
        (b'{"a":"\\ud800"}', "surrogate"),
        (b'{"a":"\\udc00x"}', "surrogate"),
        (b'{"a":"\\ud800\\u0041"}', "surrogate"),
        (b'{"a":"\x01"}', "invalid character"),
        (b'{"a":' + b"9" * 5000 + b"}", "digits"),
        (b"<Patient/>", "no JSON"),
    ],
)
def test_what_is_no_json_is_refused_with_its_place(content, sentence):
    with pytest.raises(Unparsable, match=sentence) as refusal:
        fhir_json.parse(content)
    assert refusal.value.status == 400


@pytest.mark.parametrize("content", [b"[" * 200_000, b'{"a":' * 200_000, b'{"a":' * 900 + b"1" + b"}" * 900])
def test_nesting_is_bounded(content):
    with pytest.raises(Unparsable, match="64 levels"):
        fhir_json.parse(content)


def test_the_bound_of_nesting_is_exact():
    nested = b'{"a":' * 5 + b"1" + b"}" * 5
    assert fhir_json.parse(nested, max_depth=5)
    with pytest.raises(Unparsable):
        fhir_json.parse(nested, max_depth=4)
    assert fhir_json.parse(b'{"a":"%s"}' % (b"[" * 500))


@pytest.mark.parametrize(
    ("content", "path"),
    [
        (b'{"a":1,"a":1}', "a"),
        (b'{"a":1, "\\u0061":2}', "a"),
        (b'{"a":[{},{"b":{"c":1,"c":null}}]}', "a[1].b.c"),
        (b'{"x":":","a":1,"a" : ":"}', "a"),
        (b'{"x":"\\u003a\\"","a":1e5,"a":1}', "a"),
    ],
)
def test_duplicate_keys_are_refused_with_their_path(content, path):
    with pytest.raises(Unparsable) as refusal:
        fhir_json.parse(content)
    assert refusal.value.issues[0].expression == (path,)


def test_text_that_is_written_unlike_ours_is_no_duplicate():
    content = b'{ "a" : "\\u00e9\\/" , "b" : [ 1e5, -0, 1.0E+2 ] }'
    assert fhir_json.parse(content) == {"a": "é/", "b": [Decimal("1e5"), 0, Decimal("1.0E+2")]}


def test_seal_places_what_the_server_says_and_keeps_the_rest():
    content = b'{"resourceType":"Observation","valueQuantity":{"value":1.00,"code":"\\u00e9"},"status":"final"}'
    assert fhir_json.seal(content, "1", 3, NOW) == (
        b'{"resourceType":"Observation","id":"1","meta":{"versionId":"3","lastUpdated":"2026-11-22T10:00:00.123Z"},'
        b'"valueQuantity":{"value":1.00,"code":"\\u00e9"},"status":"final"}'
    )


@pytest.mark.spec("resource.html#Meta")
def test_seal_keeps_the_meta_of_the_client_but_version_and_date():
    content = (
        b'{\n "resourceType" : "Patient",\n "meta": {"versionId":"9","_lastUpdated":{"id":"x"},'
        b'"tag":[{"code":"a  b"}]},\n "id":"old"}'
    )
    assert fhir_json.seal(content, "new", 1, NOW, {"source": "urn:x"}) == (
        b'{"resourceType":"Patient","id":"new","meta":{"versionId":"1","lastUpdated":"2026-11-22T10:00:00.123Z",'
        b'"tag":[{"code":"a  b"}],"source":"urn:x"}}'
    )


def test_seal_refuses_a_meta_that_is_no_object():
    with pytest.raises(Unparsable):
        fhir_json.seal(b'{"resourceType":"Patient","meta":[]}', "1", 1, NOW)


def test_pretty_keeps_number_literals():
    assert fhir_json.pretty(b'{"a":1.00,"b":[1e5]}') == b'{\n  "a": 1.00,\n  "b": [\n    1e5\n  ]\n}'


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.decimals(allow_nan=False, allow_infinity=False),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
    max_leaves=20,
)


@given(st.dictionaries(st.text(), json_values))
def test_what_is_written_is_read_back(resource):
    assert fhir_json.parse(fhir_json.format(resource)) == resource
    assert fhir_json.parse(msgspec.json.format(fhir_json.format(resource), indent=3)) == resource
