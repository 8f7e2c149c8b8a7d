from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_server.foundation.operation_outcome import BadRequest, TooCostly
from fhir_server.search.parameters import Parameters, UnknownParameter
from fhir_server.search.parse import MAXIMUM_CLAUSES, MAXIMUM_LINKS, MAXIMUM_VALUES, format_query, parse
from fhir_server.search.query import ChainLink, Clause, IncludeClause, Query, ReverseLink, SortKey

PARAMETERS = Parameters()


def read(resource_type: str, *pairs: tuple[str, str], is_lenient: bool = False) -> Query:
    return parse(resource_type, pairs, PARAMETERS, is_lenient)


@pytest.mark.spec("search.html#modifiers")
@pytest.mark.parametrize(
    ("resource_type", "name", "clause"),
    [
        ("Patient", "name", Clause("name", values=("x",))),
        ("Patient", "name:exact", Clause("name", "exact", ("x",))),
        ("Observation", "subject:Patient", Clause("subject", "Patient", ("x",))),
        ("Observation", "code:missing", Clause("code", "missing", ("x",))),
        ("Observation", "subject.name", Clause("name", "", ("x",), (ChainLink("subject"),))),
        (
            "Observation",
            "subject:Patient.name:exact",
            Clause("name", "exact", ("x",), (ChainLink("subject", "Patient"),)),
        ),
        (
            "Observation",
            "encounter.service-provider.name",
            Clause("name", "", ("x",), (ChainLink("encounter"), ChainLink("service-provider"))),
        ),
        (
            "Patient",
            "_has:Observation:patient:code",
            Clause("code", "", ("x",), (ReverseLink("Observation", "patient"),)),
        ),
        (
            "Patient",
            "_has:Observation:patient:_has:AuditEvent:entity:agent",
            Clause("agent", "", ("x",), (ReverseLink("Observation", "patient"), ReverseLink("AuditEvent", "entity"))),
        ),
        (
            "Encounter",
            "patient._has:Group:member:_id",
            Clause("_id", "", ("x",), (ChainLink("patient"), ReverseLink("Group", "member"))),
        ),
        (
            "Patient",
            "_has:Observation:patient:encounter.status",
            Clause("status", "", ("x",), (ReverseLink("Observation", "patient"), ChainLink("encounter"))),
        ),
    ],
)
def test_a_name_says_chain_parameter_and_modifier(resource_type: str, name: str, clause: Clause) -> None:
    query = read(resource_type, (name, "x"))
    assert query.clauses == (clause,)
    assert format_query(query) == [(name, "x")]


@pytest.mark.spec("search.html#escaping")
@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("a,b", ("a", "b")),
        (r"a\,b", ("a,b",)),
        (r"a\\,b", ("a\\\\", "b")),
        (r"a\\\,b", ("a\\\\,b",)),
        (r"a\|b\$c|d", (r"a\|b\$c|d",)),
    ],
)
def test_only_commas_part_values(text: str, values: tuple[str, ...]) -> None:
    query = read("Patient", ("identifier", text))
    assert query.clauses[0].values == values
    assert format_query(query) == [("identifier", text)]


@pytest.mark.spec("search.html#return")
def test_result_parameters() -> None:
    query = read(
        "Observation",
        ("_sort", "-date,_id"),
        ("_count", "10"),
        ("_total", "accurate"),
        ("_summary", "text"),
        ("_elements", "code,Patient.name"),
        ("_cursor", "abc"),
        ("_include", "Observation:subject:Patient"),
        ("_include:iterate", "Patient:general-practitioner"),
        ("_revinclude", "Provenance:target"),
        ("_include", "*"),
        ("_format", "json"),
        ("_pretty", "true"),
    )
    assert query == Query(
        "Observation",
        includes=(
            IncludeClause("Observation", "subject", "Patient"),
            IncludeClause("Patient", "general-practitioner", is_iterated=True),
            IncludeClause("Provenance", "target", is_reverse=True),
            IncludeClause("", "*"),
        ),
        sort=(SortKey("date", True), SortKey("_id")),
        count=10,
        total="accurate",
        summary="text",
        elements=("code", "Patient.name"),
        cursor="abc",
    )


@pytest.mark.spec("http.html#search")
def test_a_search_over_all_types_asks_what_its_types_share() -> None:
    assert read("", ("_id", "1")).clauses == (Clause("_id", values=("1",)),)
    query = read("", ("_type", "Observation,Condition"), ("patient", "1"))
    assert query.clauses[0] == Clause("_type", values=("Observation", "Condition"))
    with pytest.raises(UnknownParameter, match="Patient has no search parameter 'patient'"):
        read("", ("_type", "Observation,Patient"), ("patient", "1"))
    with pytest.raises(UnknownParameter, match="over all types"):
        read("", ("patient", "1"))


@pytest.mark.spec("search.html#errors")
def test_an_unknown_parameter_is_refused_with_what_would_be_right() -> None:
    with pytest.raises(UnknownParameter, match=r"'nmae'. Did you mean name\? It has: .*birthdate") as refusal:
        read("Patient", ("nmae", "x"))
    assert refusal.value.status == 400
    assert refusal.value.issues[0].expression == ("nmae",)


@pytest.mark.spec("search.html#errors")
def test_lenient_handling_leaves_out_and_says_so() -> None:
    query = read("Patient", ("nmae", "x"), ("name", "y"), ("family", ""), ("_lists", "z"), is_lenient=True)
    assert query == Query("Patient", (Clause("name", values=("y",)),), ignored=("nmae", "family", "_lists"))
    assert format_query(query) == [("name", "y")]


@pytest.mark.parametrize("is_lenient", [False, True])
@pytest.mark.parametrize(
    ("resource_type", "name", "value", "why"),
    [
        ("Patient", "name:foo", "x", "no modifier 'foo'; it has missing, contains, exact"),
        ("Patient", "birthdate:exact", "2000", "no modifier 'exact'; it has missing"),
        ("Patient", "_id:exact", "1", "it has not, missing"),
        ("Observation", "subject:Medication", "1", "no modifier 'Medication'"),
        ("Observation", "code-value-quantity:exact", "1", "it has missing"),
        ("Observation", "code.name", "1", "no reference"),
        ("Observation", "subject:Medication.code", "1", "subject refers to Device, Group"),
        ("QuestionnaireResponse", "questionnaire.name", "x", "by canonical URL"),
        ("QuestionnaireResponse", "_include", "QuestionnaireResponse:status", "no reference"),
        ("Questionnaire", "_has:QuestionnaireResponse:questionnaire:status", "x", "by canonical URL"),
        ("Patient", "name", "a,,b", "between two commas"),
        ("Patient", "_count", "-1", "no whole number"),
        ("Patient", "_count", "many", "no whole number"),
        ("Patient", "_total", "some", "none, estimate, accurate"),
        ("Patient", "_summary", "short", "true, text, data, count, false"),
        ("Patient", "_elements", "a b", "no name of an element"),
        ("Observation", "_sort", "code-value-quantity", "no order"),
        ("Patient", "_include", "Patient", "write Source:parameter"),
        ("Patient", "_include", "Patient::Group", "write Source:parameter"),
        ("Patient", "_include", "Patinet:link", "no resource type"),
        ("Patient", "_include", "Patient:name", "no reference"),
        ("Patient", "_include", "Patient:organization:Group", "refers to Organization"),
        ("Patient", "_include:foo", "Patient:link", "no modifier 'foo'"),
        ("Patient", "_revinclude", "*", "write Type"),
        ("Patient", "_has:Observation:patient", "x", "write _has:Type"),
        ("Patient", "_has:Observasion:patient:code", "x", "no resource type"),
        ("Patient", "_has:Observation:code:code", "x", "no reference"),
        ("", "_type", "Patinet", "no resource type"),
        ("Patient", "_query", "everyone", "no named queries"),
        ("Patient", "_contained", "yes", "none of false, true, both"),
        ("", "_contained", "both", "say the types of the contained resources, as _type=Medication"),
        ("Patient", "_containedType", "inner", "none of container, contained"),
        ("Patient", "_list:not", "1", "no modifier 'not'; it has none"),
        ("Patient", "_sort", "_list", "has no order"),
    ],
)
def test_what_is_wrong_is_refused_even_leniently(
    resource_type: str, name: str, value: str, why: str, is_lenient: bool
) -> None:
    with pytest.raises(BadRequest, match=why.replace("?", r"\?")):
        read(resource_type, (name, value), is_lenient=is_lenient)


@pytest.mark.parametrize(
    ("name", "value"),
    [("name", ""), ("near", "x"), ("_type", "Patient"), ("_sort", "nmae"), ("subject.nmae", "x")],
)
def test_what_is_not_offered_is_unknown(name: str, value: str) -> None:
    with pytest.raises(UnknownParameter):
        read("Observation", (name, value))


@pytest.mark.spec("search.html#contained")
def test_what_is_contained_is_asked_for() -> None:
    pairs = [("name", "x"), ("_sort", "-_lastUpdated"), ("_contained", "both"), ("_containedType", "contained")]
    assert format_query(read("Patient", *pairs)) == pairs
    with pytest.raises(BadRequest, match="with _contained=true the order is that of _id or _lastUpdated"):
        read("Patient", ("_contained", "true"), ("_sort", "name"))


@pytest.mark.spec("search_filter.html")
def test_the_commas_of_a_filter_part_nothing() -> None:
    text = r'name co "a, b\" or _id eq c'
    query = read("Patient", ("_filter", text))
    assert query.clauses == (Clause("_filter", values=(text,)),)
    assert format_query(query) == [("_filter", text)]


def test_once_is_once() -> None:
    with pytest.raises(BadRequest, match="_count may be given once"):
        read("Patient", ("_count", "1"), ("_count", "2"))


def test_a_chain_is_bounded() -> None:
    links = "part-of." * (MAXIMUM_LINKS + 1)
    with pytest.raises(BadRequest, match=f"at most {MAXIMUM_LINKS} links"):
        read("Encounter", (f"{links}status", "x"))


@pytest.mark.parametrize(
    "pairs",
    [[("_tag", "x")] * (MAXIMUM_CLAUSES + 1), [("_id", ",".join(["x"] * (MAXIMUM_VALUES + 1)))]],
)
def test_a_query_is_bounded(pairs: list[tuple[str, str]]) -> None:
    with pytest.raises(TooCostly, match="at most"):
        read("Patient", *pairs)


SIMPLE = st.text(st.characters(codec="utf-8", exclude_characters="\\,"), min_size=1, max_size=8)
VALUES = st.lists(
    st.lists(st.sampled_from(["a", "|", "$", " ", ",", r"\|", r"\$", r"\\", "é"]) | SIMPLE, min_size=1, max_size=4).map(
        "".join
    ),
    min_size=1,
    max_size=3,
).map(tuple)
CLAUSES = st.builds(
    Clause,
    st.sampled_from(["_id", "_tag"]),
    st.sampled_from(["", "not", "missing"]),
    VALUES,
    st.sampled_from(
        [(), (ChainLink("subject"),), (ChainLink("subject", "Patient"),), (ReverseLink("Provenance", "target"),)]
    ),
) | st.builds(Clause, st.just("subject"), st.sampled_from(["", "identifier", "Patient"]), VALUES)
INCLUDES = st.builds(
    IncludeClause,
    st.just("Observation"),
    st.sampled_from(["*", "subject"]),
    st.sampled_from(["", "Patient"]),
    st.booleans(),
    st.booleans(),
)
QUERIES = st.builds(
    Query,
    st.just("Observation"),
    st.lists(CLAUSES, max_size=3).map(tuple),
    st.lists(INCLUDES, max_size=2).map(tuple),
    st.lists(st.builds(SortKey, st.sampled_from(["date", "_id", "code"]), st.booleans()), max_size=2).map(tuple),
    st.none() | st.integers(0, 999),
    st.sampled_from(["", "none", "accurate"]),
    st.sampled_from(["", "true", "count"]),
    st.lists(st.sampled_from(["code", "status", "Patient.name"]), max_size=2).map(tuple),
    st.sampled_from(["", "a.b-c_d"]),
)


@pytest.mark.spec("search.html#conformance")
@given(QUERIES)
def test_what_is_formatted_is_parsed_back(query: Query) -> None:
    assert read("Observation", *format_query(query)) == query


@given(st.text(max_size=40), st.text(max_size=40))
def test_no_text_makes_parsing_fail_otherwise(name: str, value: str) -> None:
    try:
        parsed: Any = read("Observation", (name, value))
    except BadRequest:
        return
    assert isinstance(parsed, Query)
