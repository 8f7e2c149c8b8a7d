from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

import pytest

from fhir_server.foundation.operation_outcome import BadRequest, Forbidden, TooCostly
from fhir_server.search.condition import ALWAYS, NEVER, And, Compare, Condition, Contains, Exists, Identity, OfType, Or
from fhir_server.search.index_row import COMPARTMENT, DATE, STRING, TOKEN
from fhir_server.search.parameters import Parameters
from fhir_server.search.parse import parse
from fhir_server.search.plan import Bounds, Plan, PlannedInclude, PlannedSort, Planner

Finds = Callable[..., list[str]]

PARAMETERS = Parameters()
MINE = Compare(COMPARTMENT, "Patient", (("compartment_id", "eq", "1"),))


def everything(resource_type: str) -> Condition:
    return ALWAYS


def only(*allowed: str) -> Callable[[str], Condition]:
    def within(resource_type: str) -> Condition:
        if resource_type not in allowed:
            raise Forbidden(f"not {resource_type}")
        return MINE

    return within


def planned(text: str, within: Callable[[str], Condition] = everything, **settings: Any) -> Plan:
    resource_type, _, query = text.partition("?")
    planner = Planner(PARAMETERS, within, **settings)
    return planner.plan(parse(resource_type, parse_qsl(query), PARAMETERS))


def test_a_plan_carries_the_decision_beside_what_was_asked() -> None:
    plan = planned("Observation?_id=1", only("Observation"))
    assert (plan.condition, plan.within) == (Identity(("1",)), MINE)
    assert planned("Observation").condition == ALWAYS


@pytest.mark.spec("search.html#chaining")
def test_a_chain_stays_under_the_decision_on_the_other_type() -> None:
    name = Compare(STRING, "name", (("folded", "prefix", "x"),))
    plan = planned("Observation?subject:Patient.name=x", only("Observation", "Patient"))
    stored = Exists("subject", "Patient", And((name, MINE)))
    # What a resource contains is seen by whoever sees the resource.
    assert plan.condition == Or((stored, Contains("Patient", name, "subject")))
    with pytest.raises(Forbidden):
        planned("Observation?subject:Patient.name=x", only("Observation"))
    with pytest.raises(Forbidden):
        planned("Observation?subject:Patient._has:Encounter:patient:status=x", only("Observation", "Patient"))


@pytest.mark.spec("search.html#chaining")
def test_a_chain_without_type_leads_to_each_type_that_may_be_searched() -> None:
    def types(within: Callable[[str], Condition]) -> list[str]:
        condition = planned("Observation?subject.identifier=x", within).condition
        return [part.resource_type for part in getattr(condition, "conditions", ()) if isinstance(part, Exists)]

    assert types(everything) == ["Device", "Group", "Location", "Patient"]
    assert types(only("Observation", "Patient")) == ["Patient"]
    with pytest.raises(Forbidden):
        types(only("Observation"))
    location_or_patient = planned("Observation?subject.address-city=x").condition
    assert [part.resource_type for part in location_or_patient.conditions[::2]] == ["Location", "Patient"]  # type: ignore


def test_chains_that_multiply_are_refused() -> None:
    with pytest.raises(TooCostly, match="say which"):
        planned("Provenance?target.subject.subject.subject._id=x")


@pytest.mark.spec("search.html#has")
def test_reverse_chains_stay_under_the_decision(finds: Finds) -> None:
    patient = {"resourceType": "Patient", "id": "p"}
    other = {"resourceType": "Patient", "id": "q"}
    observation = {
        "resourceType": "Observation",
        "id": "o",
        "code": {"coding": [{"code": "1234-5"}]},
        "subject": {"reference": "Patient/p"},
    }
    world = (patient, other, observation)
    assert finds("Patient?_has:Observation:patient:code=1234-5", *world) == ["p"]
    assert finds("Patient?_has:Observation:patient:code=other", *world) == []
    assert finds("Patient?_has:Observation:patient:_id=o", *world) == ["p"]

    def hidden(resource_type: str) -> Condition:
        return NEVER if resource_type == "Observation" else ALWAYS

    assert finds("Patient?_has:Observation:patient:code=1234-5", *world, within=hidden) == []


@pytest.mark.spec("search.html#chaining")
def test_chains_of_several_links(finds: Finds) -> None:
    hospital = {"resourceType": "Organization", "id": "h", "name": "Hôpital Necker"}
    encounter = {"resourceType": "Encounter", "id": "e", "serviceProvider": {"reference": "Organization/h"}}
    observation = {"resourceType": "Observation", "id": "o", "encounter": {"reference": "Encounter/e"}}
    world = (hospital, encounter, observation, {"resourceType": "Observation", "id": "alone"})
    assert finds("Observation?encounter.service-provider.name=hopital", *world) == ["o"]
    assert finds("Observation?encounter.service-provider.name=clinique", *world) == []
    assert finds("Observation?encounter.service-provider:missing=false", *world) == ["o"]


@pytest.mark.spec("search.html#combining")
def test_repeats_are_and_commas_are_or(finds: Finds) -> None:
    both = {"resourceType": "Patient", "name": [{"given": ["Ana", "Bea"]}]}
    one = {"resourceType": "Patient", "name": [{"given": ["Ana"]}]}
    assert finds("Patient?given=ana&given=bea", both, one) == ["0"]
    assert finds("Patient?given=ana,bea", both, one) == ["0", "1"]


@pytest.mark.spec("search.html#missing")
def test_missing_of_what_no_resource_lacks(finds: Finds) -> None:
    patient = {"resourceType": "Patient"}
    assert finds("Patient?_id:missing=false&_lastUpdated:missing=false", patient) == ["0"]
    assert finds("Patient?_id:missing=true", patient) == []
    assert finds("Patient?_id:not=5", patient) == ["0"]
    with pytest.raises(BadRequest, match="name:missing is true or false"):
        planned("Patient?name:missing=yes")


@pytest.mark.spec("http.html#search")
def test_a_search_over_types(finds: Finds) -> None:
    world = (
        {"resourceType": "Patient", "id": "a"},
        {"resourceType": "Observation", "id": "b", "subject": {"reference": "Patient/a"}},
        {"resourceType": "Condition", "id": "c", "subject": {"reference": "Patient/a"}},
    )
    assert finds("?_type=Patient,Condition", *world) == ["a", "c"]
    assert finds("?_type=Observation,Condition&patient=a", *world) == ["b", "c"]
    assert finds("?_id=b,c", *world) == ["b", "c"]
    assert planned("?_type=Patient").condition == OfType(("Patient",))


@pytest.mark.spec("search.html#sort")
def test_sort_names_the_rows() -> None:
    assert planned("Observation?_sort=-date,code,_id,-_lastUpdated").sort == (
        PlannedSort("date", DATE, True),
        PlannedSort("code", TOKEN, False),
        PlannedSort("_id", 0, False),
        PlannedSort("_lastUpdated", 0, True),
    )
    assert planned("?_type=Observation,Procedure&_sort=date").sort == (PlannedSort("date", DATE, False),)


@pytest.mark.spec("search.html#count")
@pytest.mark.parametrize(
    ("query", "limit", "needs_total"),
    [
        ("", 50, False),
        ("_count=7", 7, False),
        ("_count=5000", 1000, False),
        ("_count=0", 0, True),
        ("_summary=count", 0, True),
        ("_total=accurate", 50, True),
        ("_total=estimate", 50, True),
        ("_total=none", 50, False),
    ],
)
def test_counts_are_bounded(query: str, limit: int, needs_total: bool) -> None:
    plan = planned(f"Patient?{query}", bounds=Bounds(50, 1000))
    assert (plan.limit, plan.needs_total) == (limit, needs_total)


@pytest.mark.spec("search.html#include")
def test_includes_carry_the_decision_on_each_target() -> None:
    allowed = only("Observation", "Patient", "Provenance", "Encounter")
    assert planned("Observation?_include=Observation:subject", allowed).includes == (
        PlannedInclude("subject", "Observation", (("Patient", MINE),), False, False),
    )
    assert planned("Observation?_include:iterate=Encounter:patient:Patient", allowed).includes == (
        PlannedInclude("patient", "Encounter", (("Patient", MINE),), False, True),
    )
    assert planned("Observation?_revinclude=Provenance:target", allowed).includes == (
        PlannedInclude("target", "Provenance", (("Provenance", MINE),), True, False),
    )
    assert planned("Observation?_include=Observation:device", allowed).includes == ()
    with pytest.raises(Forbidden):
        planned("Observation?_include=Observation:subject:Group", allowed)
    with pytest.raises(Forbidden):
        planned("Observation?_revinclude=DiagnosticReport:result", allowed)


def test_an_include_of_everything_is_one_of_each_reference() -> None:
    includes = planned("Encounter?_include=*").includes
    assert {include.parameter for include in includes} >= {"patient", "subject", "service-provider", "participant"}
    assert includes == planned("Encounter?_include=Encounter:*").includes
    assert planned("Encounter?_include=*&_summary=count").includes == ()


def test_a_cursor_is_for_one_query() -> None:
    asked = planned("Observation?date=ap2020&code=x&_sort=date")
    assert planned("Observation?date=ap2020&code=x&_sort=date&_count=7&_cursor=abc", now=1).purpose == asked.purpose
    for other in ("Observation?date=ap2020&code=y&_sort=date", "Observation?date=ap2020&_sort=date", "Patient?"):
        assert planned(other).purpose != asked.purpose
