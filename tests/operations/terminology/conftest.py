"""A server whose terminology is a small zoo."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from msgspec.structs import replace

from fhir_server.interactions.request import Response, Runtime
from fhir_server.terminology.terminology import Terminology
from tests.operations.conftest import asked, parameters
from tests.terminology.samples import ANIMALS, code_system, held, value_set

VALUE_SET = "http://example.org/vs/zoo"
PARTLY = "http://example.org/vs/partly"
MAP = "http://example.org/map"
TARGET = "http://example.org/letters"
ZOO: dict[str, dict[str, Any]] = {
    ANIMALS: code_system(id="animals"),
    f"{ANIMALS}|2": code_system(id="animals"),
    f"{ANIMALS}|1": code_system(id="old", version="1", concept=[{"code": "dodo", "display": "Dodo"}]),
    VALUE_SET: value_set(VALUE_SET, {"system": ANIMALS}, {"system": "urn:other", "concept": [{"code": "x"}]}),
    PARTLY: value_set(PARTLY, {"system": "http://example.org/unknown"}),
    MAP: {
        "resourceType": "ConceptMap",
        "url": MAP,
        "status": "active",
        "sourceUri": VALUE_SET,
        "group": [
            {
                "source": ANIMALS,
                "target": TARGET,
                "element": [
                    {"code": "bird", "target": [{"code": "B", "display": "Bee", "equivalence": "equivalent"}]},
                    {
                        "code": "fish",
                        "target": [
                            {"code": "F", "equivalence": "wider", "dependsOn": [{"property": "sea", "value": "salt"}]}
                        ],
                    },
                    {"code": "pet", "target": [{"equivalence": "unmatched"}]},
                ],
            }
        ],
    },
}
Post = Callable[..., Awaitable[Response]]


@pytest.fixture
def runtime(runtime: Runtime) -> Runtime:
    listed: dict[str, list[dict[str, Any]]] = {"ConceptMap": [ZOO[MAP]]}
    terminology = Terminology(held(ZOO), listed=lambda resource_type: listed.get(resource_type, []))
    return replace(runtime, terminology=terminology)


@pytest.fixture
def post(runtime: Runtime) -> Post:
    """Invoke an operation with Parameters: `post("$expand", "ValueSet", url={"valueUri": "..."})`."""

    async def post(interaction: str, place: str, /, **named: Any) -> Response:
        body = parameters(**{name.replace("__", "-"): part for name, part in named.items()})
        return await asked(runtime, interaction, place, body)

    return post


def values(parameters: dict[str, Any]) -> dict[str, Any]:
    """The simple outputs by name."""
    found = parameters.get("parameter", [])
    return {one["name"]: next(v for k, v in one.items() if k.startswith("value")) for one in found if "part" not in one}
