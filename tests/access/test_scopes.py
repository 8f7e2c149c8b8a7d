"""SMART scopes are parsed exactly or refused, and never widened."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_server.access.grant import Scope
from fhir_server.access.scopes import LETTERS, covers, format_scope, format_scope_version_1, parse_scopes
from fhir_server.foundation.operation_outcome import BadRequest

scopes = st.builds(
    Scope,
    context=st.sampled_from(["patient", "user", "system"]),
    resource_type=st.sampled_from(["*", "Observation", "Patient"]),
    interactions=st.sets(st.sampled_from(LETTERS), min_size=1).map(frozenset),
)
scope_lists = st.lists(scopes, max_size=4, unique=True).map(tuple)


@pytest.mark.parametrize(
    ("text", "letters"),
    [
        ("patient/Observation.rs", "rs"),
        ("user/*.cruds", "cruds"),
        ("system/*.rs", "rs"),
        ("patient/Patient.read", "rs"),
        ("user/Patient.write", "cud"),
        ("user/Patient.*", "cruds"),
    ],
)
def test_version_1_and_2_are_read(text: str, letters: str) -> None:
    (scope,) = parse_scopes(text)
    assert scope.interactions == frozenset(letters)
    assert text.startswith(f"{scope.context}/{scope.resource_type}.")


@pytest.mark.parametrize(
    "text",
    [
        "patient/Observation.sr",
        "patient/Observation.rr",
        "patient/Observation.",
        "patient/Observation",
        "patient/observation.rs",
        "patient/*.readwrite",
        "patient/.rs",
        "patient/Observation.rs?",
        "patient/Observation.rs?category=laboratory",
        "patient/Observation.READ",
        "openid patient/Observation.x user/*.rs",
    ],
)
def test_malformed_resource_scopes_are_refused(text: str) -> None:
    with pytest.raises(BadRequest):
        parse_scopes(text)


def test_other_scopes_are_no_resource_scopes() -> None:
    assert parse_scopes("openid fhirUser launch launch/patient offline_access other/Observation.rs") == ()
    assert parse_scopes("") == ()


@given(scope_lists)
def test_formatted_scopes_parse_to_themselves(drawn: tuple[Scope, ...]) -> None:
    assert parse_scopes(" ".join(map(format_scope, drawn))) == drawn


def test_version_1_words_only_for_what_they_mean() -> None:
    assert [format_scope_version_1(one) for one in parse_scopes("user/*.rs user/*.cud user/*.cruds user/*.r")] == [
        "user/*.read",
        "user/*.write",
        "user/*.*",
        "",
    ]


def _reach(granted: tuple[Scope, ...]) -> set[tuple[str, str, str]]:
    types = ["Observation", "Patient", "Condition"]
    return {
        (scope.context, resource_type, letter)
        for scope in granted
        for resource_type in (types if scope.resource_type == "*" else [scope.resource_type])
        for letter in scope.interactions
    }


@given(scope_lists, scope_lists)
def test_granted_is_asked_and_allowed(asked: tuple[Scope, ...], allowed: tuple[Scope, ...]) -> None:
    assert _reach(covers(asked, allowed)) == _reach(asked) & _reach(allowed)


def test_granted_scopes_do_not_repeat_each_other() -> None:
    assert covers(parse_scopes("patient/*.rs"), parse_scopes("patient/*.rs patient/Observation.rs")) == parse_scopes(
        "patient/*.rs"
    )
