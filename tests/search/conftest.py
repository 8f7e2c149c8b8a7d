"""What a query finds among resources: parsed, planned and matched over their own rows."""

from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qsl

import pytest

from fhir_server.search.condition import ALWAYS, Condition
from fhir_server.search.extract import Extractor
from fhir_server.search.index_row import IndexRow
from fhir_server.search.match import Subject, match
from fhir_server.search.parameters import Parameters
from fhir_server.search.parse import parse
from fhir_server.search.plan import Planner
from fhir_server.search.types.terminology import SPECIFIED_CODES, Terminology

Resource = dict[str, Any]
Finds = Callable[..., list[str]]

PARAMETERS = Parameters()
BASE_URL = "https://sante.example/fhir"
NOW = 1_700_000_000_000_000


class Resources:
    """A world of resources, indexed."""

    now = NOW

    def __init__(self, resources: Iterable[Resource], extractor: Extractor) -> None:
        self.subjects = [
            Subject(resource["resourceType"], resource["id"], NOW, extractor.extract(resource))
            for resource in resources
        ]

    def find(self, resource_type: str, resource_id: str) -> Subject | None:
        return next((one for one in self.all_of_type(resource_type) if one.resource_id == resource_id), None)

    def all_of_type(self, resource_type: str) -> Iterable[Subject]:
        return [one for one in self.subjects if one.resource_type == resource_type]

    def relations(self) -> Iterable[IndexRow]:
        return ()


@pytest.fixture(scope="session")
def extractor() -> Extractor:
    return Extractor(PARAMETERS, (BASE_URL,))


@pytest.fixture(scope="session")
def finds(extractor: Extractor) -> Finds:
    """Return the function that answers `Type?query` over resources with the ids of its matches."""

    def find(
        text: str,
        *resources: Resource,
        within: Callable[[str], Condition] = lambda resource_type: ALWAYS,
        terminology: Terminology = SPECIFIED_CODES,
    ) -> list[str]:
        resource_type, _, query = text.partition("?")
        named = [{"id": str(number), **resource} for number, resource in enumerate(resources)]
        world = Resources(named, extractor)
        planner = Planner(PARAMETERS, within, (BASE_URL,), NOW, terminology=terminology)
        plan = planner.plan(parse(resource_type, parse_qsl(query, keep_blank_values=True), PARAMETERS))
        subjects = world.all_of_type(plan.resource_type) if plan.resource_type else world.subjects
        return [
            one.resource_id for one in subjects if match(plan.condition, one, world) and match(plan.within, one, world)
        ]

    return find
