import pytest

from fhir_server.foundation.operation_outcome import BadRequest
from fhir_server.foundation.parameters import parameter, parameters_resource, parts, single, value, values

GIVEN = parameters_resource(
    [
        parameter("url", "uri", "http://x"),
        parameter("valueSet", "resource", {"resourceType": "ValueSet"}),
        parameter("count", "integer", 3),
        parameter("flag", "boolean", False),
        parameter("property", "code", "a"),
        parameter("property", "code", "b"),
        parameter("match", "part", [parameter("relationship", "code", "equal")]),
    ]
)


@pytest.mark.spec("parameters.html")
def test_values_are_found_by_name_whatever_their_type():
    assert single(GIVEN, "url", str) == "http://x"
    assert single(GIVEN, "valueSet", dict) == {"resourceType": "ValueSet"}
    assert single(GIVEN, "flag", bool) is False
    assert single(GIVEN, "absent") is None
    assert values(GIVEN, "property") == ["a", "b"]


@pytest.mark.spec("parameters.html")
def test_parts_are_read_like_parameters():
    match = next(part for part in parts(GIVEN) if part["name"] == "match")
    assert value(match) is None
    assert single(match, "relationship", str, is_required=True) == "equal"


@pytest.mark.parametrize(
    ("given", "name", "sentence"),
    [
        (GIVEN, "property", "2 times"),
        (GIVEN, "count", "another type"),
        (GIVEN, "absent", "required"),
        ({"resourceType": "Patient"}, "url", "is a Patient"),
    ],
)
def test_what_an_operation_cannot_take_is_a_bad_request(given, name, sentence):
    with pytest.raises(BadRequest, match=sentence):
        single(given, name, str, is_required=True)


@pytest.mark.spec("json.html#null")
def test_an_empty_answer_has_no_array():
    assert parameters_resource([]) == {"resourceType": "Parameters"}
