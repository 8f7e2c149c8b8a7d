"""Nothing that is asked of an operation makes it fail: it answers, or refuses."""

import asyncio
import importlib
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fhir_server.access.grant import OPEN
from fhir_server.foundation import fhir_json
from fhir_server.foundation.operation_outcome import FhirError
from fhir_server.interactions.request import Request, Runtime
from fhir_server.operations import OPERATIONS
from fhir_server.storage.sqlite.store import SqliteStore
from fhir_server.terminology.terminology import Terminology
from fhir_server.validation.validate import validate
from tests.operations.terminology.conftest import ANIMALS, MAP, TARGET, VALUE_SET, ZOO
from tests.terminology.samples import held

TEXTS = st.sampled_from(
    [ANIMALS, VALUE_SET, MAP, TARGET, "bird", "emu", "B", "", "|", "#", "a|b|c", "urn:oid:1", "fr", "é", "true", "-1"]
)
CODINGS = st.dictionaries(st.sampled_from(["system", "code", "display", "version"]), TEXTS.filter(bool), max_size=4)
FILTERS = st.fixed_dictionaries(
    {
        "property": st.sampled_from(["concept", "legs", "constraint", "display"]),
        "op": st.sampled_from(
            ["=", "is-a", "is-not-a", "descendent-of", "generalizes", "in", "not-in", "regex", "exists"]
        ),
        "value": st.sampled_from(["bird", "2", "(((", "[a", "<<bird", "true", "a{9999}"]),
    }
)
INCLUDES = st.fixed_dictionaries(
    {},
    optional={
        "system": st.sampled_from([ANIMALS, "urn:none"]),
        "version": st.sampled_from(["1", "2", "*"]),
        "filter": st.lists(FILTERS, min_size=1, max_size=2),
        "valueSet": st.lists(st.sampled_from([VALUE_SET, "#x", "urn:none"]), min_size=1, max_size=2),
    },
)
VALUE_SETS = st.fixed_dictionaries(
    {"resourceType": st.just("ValueSet"), "status": st.just("active")},
    optional={
        "url": st.sampled_from([VALUE_SET, "urn:own"]),
        "compose": st.fixed_dictionaries(
            {"include": st.lists(INCLUDES, min_size=1, max_size=3)},
            optional={"exclude": st.lists(INCLUDES, min_size=1, max_size=1), "inactive": st.booleans()},
        ),
        "expansion": st.just({"timestamp": "2026-01-01T00:00:00Z", "contains": [{"code": "x"}, {"display": "y"}]}),
    },
)
CONCEPTS = st.lists(CODINGS.filter(bool), min_size=1, max_size=3).map(lambda codings: {"coding": codings})
BY_KIND: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "boolean": st.booleans().map(lambda value: {"valueBoolean": value}),
    "integer": st.integers(-2, 5).map(lambda value: {"valueInteger": value}),
    "Coding": CODINGS.filter(bool).map(lambda value: {"valueCoding": value}),
    "CodeableConcept": CONCEPTS.map(lambda value: {"valueCodeableConcept": value}),
    "ValueSet": VALUE_SETS.map(lambda value: {"resource": value}),
    "CodeSystem": st.just({"resource": ZOO[ANIMALS]}),
    "ConceptMap": st.just({"resource": ZOO[MAP]}),
    "part": st.just({"part": [{"name": "element", "valueUri": "sea"}]}),
}
TEXT = TEXTS.filter(bool).map(lambda text: {"valueUri": text})


CODED = {"system": {"valueUri": ANIMALS}, "code": {"valueCode": "bird"}}
PLACES: list[tuple[str, str, dict[str, Any]]] = [
    ("lookup", "CodeSystem", CODED),
    ("validate-code", "CodeSystem", {"url": {"valueUri": ANIMALS}, "code": {"valueCode": "bird"}}),
    ("subsumes", "CodeSystem", {**CODED, "codeA": {"valueCode": "bird"}, "codeB": {"valueCode": "emu"}}),
    ("expand", "ValueSet", {"url": {"valueUri": VALUE_SET}}),
    ("validate-code", "ValueSet", {"url": {"valueUri": VALUE_SET}, **CODED}),
    ("translate", "ConceptMap", {"url": {"valueUri": MAP}, **CODED}),
]


def listed(resource_type: str) -> list[dict[str, Any]]:
    return [ZOO[MAP]] if resource_type == "ConceptMap" else []


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Runtime:
    """A server without a store: nothing here is stored."""
    return Runtime(
        store=SqliteStore(tmp_path_factory.mktemp("store") / "fhir.sqlite"),
        now=lambda: datetime(2026, 1, 1, tzinfo=UTC),
        new_id=lambda: "id",
        terminology=Terminology(held(ZOO), listed=listed),
    )


@settings(max_examples=300, deadline=None)
@given(data=st.data(), place=st.sampled_from(PLACES), by_get=st.booleans())
def test_an_answer_or_a_refusal(runtime: Runtime, data: st.DataObject, place: Any, by_get: bool) -> None:
    code, resource_type, usual = place
    (operation,) = (one for one in OPERATIONS if one.code == code and resource_type in one.resource_types)
    kinds = importlib.import_module(operation.invoke.__module__).KINDS
    told = data.draw(st.lists(st.sampled_from(sorted(kinds)), max_size=4))
    parts = [{"name": name, **data.draw(BY_KIND.get(kinds[name].removesuffix("*"), TEXT))} for name in told]
    parts += [{"name": name, **value} for name, value in usual.items() if name not in told]
    pairs = tuple((part["name"], str(next(reversed(part.values())))) for part in parts)
    body = {"resourceType": "Parameters", "parameter": parts}
    given_so: dict[str, Any] = {"parameters": pairs} if by_get else {"resource": body}
    try:
        response = asyncio.run(operation.invoke(Request(f"${code}", OPEN, resource_type, **given_so), runtime))
    except FhirError as refusal:
        assert refusal.status < 500  # noqa: PT017 - an answer is right, and so is a refusal
    else:
        validate(fhir_json.parse(response.content))
