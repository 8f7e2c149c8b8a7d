from collections.abc import Callable
from typing import Any

import pytest

from fhir_server.foundation.operation_outcome import BadRequest
from fhir_server.search.condition import ALWAYS, Condition, Identity, none_of
from fhir_server.search.special.hierarchy import MAXIMUM_LEVELS

Finds = Callable[..., list[str]]
Resource = dict[str, Any]


def location(location_id: str, whole: str = "") -> Resource:
    part = {"partOf": {"reference": f"Location/{whole}"}} if whole else {}
    return {"resourceType": "Location", "id": location_id, **part}


def procedure(location_id: str) -> Resource:
    return {
        "resourceType": "Procedure",
        "id": f"in-{location_id}",
        "location": {"reference": f"Location/{location_id}"},
    }


SITE = (location("site"), location("wing", "site"), location("ward", "wing"), location("elsewhere"))
WORLD = (*SITE, *(procedure(one["id"]) for one in SITE))


@pytest.mark.spec("search.html#recursive")
@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("Procedure?location:below=site", ["in-site", "in-wing", "in-ward"]),
        ("Procedure?location:below=Location/wing", ["in-wing", "in-ward"]),
        ("Procedure?location:below=ward", ["in-ward"]),
        ("Procedure?location:above=ward", ["in-site", "in-wing", "in-ward"]),
        ("Procedure?location:above=Location/site", ["in-site"]),
        ("Procedure?location:below=ward,elsewhere", ["in-ward", "in-elsewhere"]),
        ("Location?partof:below=site", ["wing", "ward"]),
        ("Procedure?location:below=unknown", []),
    ],
)
def test_parts_and_wholes(finds: Finds, query: str, found: list[str]) -> None:
    assert finds(query, *WORLD) == found


def test_a_hierarchy_that_may_not_be_seen_tells_nothing(finds: Finds) -> None:
    def without_wing(resource_type: str) -> Condition:
        return none_of(Identity(("wing",))) if resource_type == "Location" else ALWAYS

    assert finds("Procedure?location:below=site", *WORLD, within=without_wing) == ["in-site"]


def test_hierarchies_are_bounded(finds: Finds) -> None:
    names = [f"level{number}" for number in range(MAXIMUM_LEVELS + 3)]
    chain = [location(name, whole) for name, whole in zip(names, ["", *names], strict=False)]
    found = finds("Procedure?location:below=level0", *chain, *(procedure(name) for name in names))
    assert found == [f"in-{name}" for name in names[: MAXIMUM_LEVELS + 1]]


def test_a_circle_ends(finds: Finds) -> None:
    circle = (location("a", "b"), location("b", "a"), procedure("a"), procedure("b"))
    assert finds("Procedure?location:below=a", *circle) == ["in-a", "in-b"]


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ("Observation?subject:below=Patient/1", "those of Location have one"),
        ("Observation?subject:below=Medication/1", "write id or Type/id, of Device, Group, Location, Patient"),
        ("Observation?encounter:below=Encounter/1/_history/2", "write id or Type/id"),
        ("Observation?specimen:below=1", "none of its targets has one"),
        ("Observation?subject:below=a b", "write id or Type/id"),
    ],
)
def test_what_has_no_hierarchy_is_refused(finds: Finds, query: str, why: str) -> None:
    with pytest.raises(BadRequest, match=why):
        finds(query)
