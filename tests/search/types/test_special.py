from collections.abc import Callable

import pytest

from fhir_server.foundation.operation_outcome import BadRequest
from fhir_server.search.match import distance_metres

Finds = Callable[..., list[str]]


def at(location_id: str, latitude: float, longitude: float) -> dict[str, object]:
    return {"resourceType": "Location", "id": location_id, "position": {"latitude": latitude, "longitude": longitude}}


NECKER, LYON, DATE_LINE = at("necker", 48.8464, 2.3156), at("lyon", 45.76, 4.84), at("suva", -18.14, 178.44)
WORLD = (NECKER, LYON, DATE_LINE, {"resourceType": "Location", "id": "nowhere"})


@pytest.mark.spec("location.html#search")
@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("near=48.8566|2.3522|11.20|km", ["necker"]),
        ("near=48.8566|2.3522|1|km", []),
        ("near=48.8566|2.3522", ["necker"]),
        ("near=48.8566|2.3522||", ["necker"]),
        ("near=48.8566|2.3522|500|km", ["necker", "lyon"]),
        ("near=48.8566|2.3522|3000|m", ["necker"]),
        ("near=48.8566|2.3522|2|[mi_i]", ["necker"]),
        ("near=-18|-179.9|200", ["suva"]),
        ("near=45.76|4.84|1,-18.14|178.44|1", ["lyon", "suva"]),
        ("near=90|0|20100", ["necker", "lyon", "suva"]),
        ("near:missing=true", ["nowhere"]),
        ("near:missing=false", ["necker", "lyon", "suva"]),
    ],
)
def test_what_is_near(finds: Finds, query: str, found: list[str]) -> None:
    assert finds(f"Location?{query}", *WORLD) == found


def test_distances_are_those_of_the_sphere() -> None:
    assert distance_metres(48.8566, 2.3522, 45.76, 4.84) == pytest.approx(391_500, rel=0.005)
    assert distance_metres(0, 0, 0, 180) == pytest.approx(20_015_114, rel=1e-6)
    assert distance_metres(10, 20, 10, 20) == 0


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ("near=48.85", r"write latitude\|longitude\|distance\|units"),
        ("near=x|y", r"write latitude\|longitude"),
        ("near=1|2|3|km|5", r"write latitude\|longitude"),
        ("near=1|2|far", r"write latitude\|longitude"),
        ("near=91|2", "latitudes are -90 to 90"),
        ("near=1|181", "longitudes -180 to 180"),
        ("near=1|2|-3", "not negative"),
        ("near=1|2|3|miles", "units are km, m,"),
        ("near:exact=1|2", "no modifier 'exact'; it has missing"),
        ("_sort=near", "has no order"),
    ],
)
def test_what_is_nowhere_is_refused(finds: Finds, query: str, why: str) -> None:
    with pytest.raises(BadRequest, match=why):
        finds(f"Location?{query}")
