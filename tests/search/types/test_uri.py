from collections.abc import Callable

import pytest

from fhir_server.foundation.operation_outcome import BadRequest

Finds = Callable[..., list[str]]

VALUE_SET = {"resourceType": "ValueSet", "url": "http://acme.org/fhir/ValueSet/123"}


@pytest.mark.spec("search.html#uri")
@pytest.mark.parametrize(
    ("query", "is_found"),
    [
        ("url=http://acme.org/fhir/ValueSet/123", True),
        ("url=http://acme.org/fhir/valueset/123", False),
        ("url=http://acme.org/fhir/ValueSet", False),
        ("url:below=http://acme.org/fhir/", True),
        ("url:below=http://acme.org/fhir", True),
        ("url:below=http://acme.org/fhir/ValueSet/12", False),
        ("url:above=http://acme.org/fhir/ValueSet/123/_history/5", True),
        ("url:above=http://acme.org/fhir/ValueSet", False),
        ("url:missing=false", True),
    ],
)
def test_a_uri_is_compared_literally_or_by_segments(finds: Finds, query: str, is_found: bool) -> None:
    assert bool(finds(f"ValueSet?{query}", VALUE_SET)) is is_found


def test_a_urn_has_nothing_above_or_below(finds: Finds) -> None:
    with pytest.raises(BadRequest, match="url:below"):
        finds("ValueSet?url:below=urn:oid:1.2.3", VALUE_SET)


@pytest.mark.spec("search.html#profile")
def test_a_profile_is_found_with_and_without_its_version(finds: Finds) -> None:
    patient = {"resourceType": "Patient", "meta": {"profile": ["http://example.org/p|1.0"]}}
    assert finds("Patient?_profile=http://example.org/p", patient) == ["0"]
    assert finds("Patient?_profile=http://example.org/p|1.0", patient) == ["0"]
    assert finds("Patient?_profile=http://example.org/p|2.0", patient) == []
