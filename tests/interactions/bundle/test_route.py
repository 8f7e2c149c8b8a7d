"""What a method and an address name. Spec: http.html#summary."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_server.foundation.operation_outcome import BadRequest, NotFound
from fhir_server.interactions.bundle.route import NoSuchMethod, Route, is_id, route

SUMMARY = [
    ("GET", "Patient/1", Route("read", "Patient", "1")),
    ("GET", "Patient/1/_history/2", Route("vread", "Patient", "1", "2")),
    ("PUT", "Patient/1", Route("update", "Patient", "1")),
    ("PUT", "Patient", Route("update", "Patient")),
    ("DELETE", "Patient/1", Route("delete", "Patient", "1")),
    ("DELETE", "Patient", Route("delete", "Patient")),
    ("POST", "Patient", Route("create", "Patient")),
    ("GET", "Patient", Route("search", "Patient")),
    ("POST", "Patient/_search", Route("search", "Patient")),
    ("GET", "Patient/1/Observation", Route("search", "Observation", compartment=("Patient", "1"))),
    ("GET", "Patient/1/*", Route("search", "", compartment=("Patient", "1"))),
    ("POST", "Patient/1/Observation/_search", Route("search", "Observation", compartment=("Patient", "1"))),
    ("GET", "", Route("search")),
    ("POST", "_search", Route("search")),
    ("GET", "metadata", Route("capabilities")),
    ("POST", "", Route("transaction")),
    ("GET", "Patient/1/_history", Route("history", "Patient", "1")),
    ("GET", "Patient/_history", Route("history", "Patient")),
    ("GET", "_history", Route("history")),
    ("POST", "Patient/1/$everything", Route("$everything", "Patient", "1")),
    ("GET", "Patient/$match", Route("$match", "Patient", is_get=True)),
    ("POST", "$convert", Route("$convert")),
]


@pytest.mark.spec("http.html#summary")
@pytest.mark.parametrize(("method", "path", "expected"), SUMMARY, ids=[f"{row[0]} {row[1]}" for row in SUMMARY])
def test_summary_every_row_of_the_table(method: str, path: str, expected: Route) -> None:
    assert route(method, path) == expected


def test_general_a_slash_at_the_end_is_forgiven() -> None:
    assert route("GET", "Patient/1/") == Route("read", "Patient", "1")


@pytest.mark.spec("http.html#read")
def test_unknown_type_is_not_found_and_a_near_one_is_proposed() -> None:
    with pytest.raises(NotFound, match="Did you mean Patient"):
        route("GET", "Patinet/1")


@pytest.mark.spec("datatypes.html#id")
@pytest.mark.parametrize("resource_id", ["a b", "a" * 65, "é", "x_y", "a\n"])
def test_id_that_cannot_be_one_is_refused(resource_id: str) -> None:
    assert not is_id(resource_id)
    with pytest.raises(BadRequest):
        route("GET", f"Patient/{resource_id}")


@pytest.mark.spec("datatypes.html#id")
@pytest.mark.parametrize("resource_id", ["1", "a" * 64, "A-b.9"])
def test_id_that_can_be_one_is_taken(resource_id: str) -> None:
    assert route("GET", f"Patient/{resource_id}").resource_id == resource_id


def test_method_that_is_not_offered_tells_those_that_are() -> None:
    with pytest.raises(NoSuchMethod) as refused:
        route("POST", "Patient/1")
    assert refused.value.allowed == ("GET", "PUT", "PATCH", "DELETE")


@given(st.sampled_from(["GET", "PUT", "POST", "DELETE", "PATCH", "TRACE"]), st.text(max_size=40))
def test_any_address_is_routed_or_refused(method: str, path: str) -> None:
    found: Route | None = None
    with contextlib.suppress(NotFound, BadRequest, NoSuchMethod):
        found = route(method, path)
    assert found is None or found.interaction


def test_operation_below_a_version() -> None:
    found = route("GET", "Patient/1/_history/2/$meta")
    assert (found.interaction, found.resource_id, found.version_id) == ("$meta", "1", "2")
    for path in ("Patient/1/Observation/_search/$meta", "Patient/1/_history/2/meta"):
        with pytest.raises(NotFound):
            route("GET", path)
