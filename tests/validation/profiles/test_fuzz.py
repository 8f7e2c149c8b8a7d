"""Whatever a resource holds, the judge answers with issues, and never with an exception."""

import copy
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fhir_server.terminology.terminology import Terminology
from fhir_server.validation.profiles.profile import Profiles
from fhir_server.validation.profiles.run import Environment
from fhir_server.validation.profiles.validate import validate_profiles
from tests.validation.profiles.resources.test_definitions import KNOWN, concept_map, differential, parameter, profile
from tests.validation.profiles.resources.test_questionnaire_response import FORM, RESPONSE
from tests.validation.profiles.test_more_mutations import APPOINTMENT, CONSENT, IMMUNIZATION
from tests.validation.profiles.test_mutations import DOCUMENT, OBSERVATION, PATIENT

Resource = dict[str, Any]
DEFINITIONS = [
    *KNOWN.values(),
    concept_map("white", "red"),
    profile(differential=differential(type=[{"code": "x"}])),
    parameter(),
]
BUNDLE: Resource = {
    "resourceType": "Bundle",
    "type": "document",
    "entry": [{"fullUrl": f"urn:uuid:{index}", "resource": one} for index, one in enumerate((PATIENT, OBSERVATION))],
}
RESOURCES = [FORM, RESPONSE, *DEFINITIONS, BUNDLE, APPOINTMENT, CONSENT, IMMUNIZATION, DOCUMENT, OBSERVATION, PATIENT]
VALUES: list[Any] = [
    *(None, True, 0, -1, "", "x", "#x", "urn:uuid:x", "http://x", "Patient/1", "2020-13-01"),
    *([], {}, [[]], [{}], ["x"], [None], {"x": 1}, {"reference": "#"}, {"coding": [{"code": "x"}]}, {"extension": []}),
]
NAMES = [
    "extension",
    "value",
    "valueString",
    "id",
    "system",
    "contained",
    "_status",
    "fullUrl",
    "item",
    "questionnaire",
]


def places(node: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    pairs = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in pairs:
        yield (*above, key)
        yield from places(value, (*above, key))


@st.composite
def spoilt(draw: st.DrawFn) -> Resource:
    """A resource in which one or two places are dropped, replaced or added to."""
    resource = copy.deepcopy(draw(st.sampled_from(RESOURCES)))
    for _ in range(draw(st.integers(1, 2))):
        *steps, last = draw(st.sampled_from(list(places(resource))))
        node: Any = resource
        for step in steps:
            node = node[step]
        value = copy.deepcopy(draw(st.sampled_from(VALUES)))
        action = draw(st.integers(0, 2))
        if action == 0:
            del node[last]
        elif action == 1 or not isinstance(node, dict):
            node[last] = value
        else:
            node[draw(st.sampled_from(NAMES))] = value
    return resource


ENVIRONMENT = Environment(
    Profiles(lambda canonical, _: KNOWN.get(canonical)),
    Terminology(lambda canonical, _="": KNOWN.get(canonical)).contains,
    Terminology(lambda canonical, _="": KNOWN.get(canonical)).validate_in_system,
)


@pytest.mark.spec("validation.html")
@settings(max_examples=400, deadline=None)
@given(spoilt())
def test_any_resource_is_answered_with_issues(resource: Resource) -> None:
    for issue in validate_profiles(resource, [], ENVIRONMENT):
        assert issue.resource()["diagnostics"]
        assert issue.expression
