"""SMART scopes are parsed exactly or refused, and never widened."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from fhir_server.access.decision import decide
from fhir_server.access.grant import Scope
from fhir_server.access.scopes import LETTERS, covers, format_scope, format_scope_version_1, parse_scopes
from fhir_server.foundation.operation_outcome import BadRequest, Forbidden
from fhir_server.search.match import match
from tests.access.world import OPERATOR, subject_of

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
        "patient/Observation.rs?category",
        "patient/Observation.rs?category=",
        "patient/Observation.rs?category=laboratory&",
        "patient/Observation.rs?kategory=laboratory",
        "patient/Observation.rs?category:not=laboratory",
        "patient/Observation.rs?code:in=http://vs",
        "patient/Observation.rs?subject:Patient.gender=male",
        "patient/Observation.rs?date=2026",
        "patient/Observation.rs?_filter=code eq x",
        "patient/Observation.rs?_has:Provenance:target:_id=1",
        "patient/Observation.read?category=laboratory",
        "patient/*.rs?category=laboratory",
        "patient/Nonsense.rs?category=laboratory",
        "patient/Observation.rs?code=a|b|c",
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


LABORATORY = "http://terminology.hl7.org/CodeSystem/observation-category|laboratory"
constrained = st.builds(
    Scope,
    context=st.sampled_from(["patient", "user"]),
    resource_type=st.just("Observation"),
    interactions=st.sets(st.sampled_from(LETTERS), min_size=1).map(frozenset),
    query=st.lists(
        st.tuples(st.sampled_from(["category", "code", "status"]), st.sampled_from(["a", "urn:s|b", "c,d", "e f&g"])),
        max_size=2,
        unique=True,
    ).map(tuple),
)


@given(st.lists(constrained, max_size=4, unique=True).map(tuple))
def test_scopes_with_search_parameters_parse_to_themselves(drawn: tuple[Scope, ...]) -> None:
    assert parse_scopes(" ".join(map(format_scope, drawn))) == drawn


def test_a_scope_with_search_parameters_reads_as_smart_writes_it() -> None:
    (scope,) = parse_scopes(f"patient/Observation.rs?category={LABORATORY}&status=final")
    assert scope.query == (("category", LABORATORY), ("status", "final"))
    assert format_scope(scope) == f"patient/Observation.rs?category={LABORATORY}&status=final"
    assert format_scope_version_1(scope) == ""


def observed(category: str, status: str) -> dict[str, object]:
    concept = {"coding": [{"system": LABORATORY.partition("|")[0], "code": category}]}
    return {"resourceType": "Observation", "id": "1", "status": status, "category": [concept]}


def reaches(scopes: tuple[Scope, ...], interaction: str, category: str, status: str) -> bool:
    grant = replace(OPERATOR, scopes=scopes)
    try:
        return match(decide(grant, interaction, "Observation"), subject_of(observed(category, status)))
    except Forbidden:
        return False


@given(
    st.lists(
        st.builds(
            Scope,
            st.just("system"),
            st.sampled_from(["*", "Observation"]),
            st.sampled_from(["r", "rs"]).map(frozenset),
        ),
        max_size=2,
    ),
    st.sampled_from(["", "?category=laboratory", "?status=final", "?category=laboratory,imaging&status=final"]),
    st.sampled_from(["", "?category=laboratory", f"?category={LABORATORY}"]),
)
def test_granted_is_asked_and_allowed_also_with_search_parameters(wide: list[Scope], one: str, other: str) -> None:
    asked = parse_scopes(f"system/Observation.rs{one}")
    allowed = (*wide, *parse_scopes(f"system/Observation.r{other}"))
    granted = covers(asked, allowed)
    for category in ("laboratory", "imaging"):
        for status in ("final", "amended"):
            for interaction in ("read", "search"):
                case = (interaction, category, status)
                assert reaches(granted, *case) == (reaches(asked, *case) and reaches(allowed, *case))
