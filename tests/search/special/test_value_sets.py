import pytest

from fhir_server.foundation.operation_outcome import BadRequest
from fhir_server.search.parameters import Parameters
from fhir_server.search.parse import parse
from fhir_server.search.special.value_sets import value_sets

PARAMETERS = Parameters()


@pytest.mark.spec("search.html#token")
def test_the_value_sets_of_a_query_are_known_before_it_is_planned() -> None:
    query = parse(
        "Observation",
        [
            ("code:in", "http://example.org/a|1,ValueSet/b"),
            ("subject:Patient.gender:not-in", r"http://example.org/c\|d"),
            ("code:in", "ValueSet/b"),
            (
                "_filter",
                "subject[gender in http://example.org/e].name eq x and not (code ni ValueSet/f or status pr true)",
            ),
            ("code", "http://example.org/no"),
        ],
        PARAMETERS,
    )
    assert value_sets(query) == (
        "http://example.org/a|1",
        "ValueSet/b",
        "http://example.org/c|d",
        "http://example.org/e",
        "ValueSet/f",
    )
    with pytest.raises(BadRequest):
        value_sets(parse("Patient", [("_filter", "name")], PARAMETERS))
