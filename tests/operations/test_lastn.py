"""Spec: observation-operation-lastn.html."""

from collections.abc import Awaitable, Callable

import pytest

from fhir_server.foundation.operation_outcome import BadRequest
from tests.operations.conftest import Ask, ids, observation, parameters, parsed, patient

pytestmark = pytest.mark.anyio


@pytest.fixture
async def record(store: Callable[..., Awaitable[None]]) -> None:
    both = {"coding": [{"system": "urn:codes", "code": "a"}, {"system": "urn:more", "code": "x"}]}
    await store(
        patient("1"),
        observation("a1", effectiveDateTime="2020-01-01"),
        observation("a3", effectiveDateTime="2022-01-01") | {"code": {"coding": [{"system": "urn:more", "code": "x"}]}},
        observation("a2", effectiveDateTime="2021-01-01") | {"code": both},
        observation("b1", code="b", effectiveDateTime="2019-01-01"),
        observation("t1", effectiveDateTime="2018-01-01") | {"code": {"text": "t"}},
        observation("other", "2", effectiveDateTime="2023-01-01"),
    )


@pytest.mark.usefixtures("record")
async def test_lastn_gives_the_most_recent_of_each_code(ask: Ask) -> None:
    body = parsed(await ask("$lastn", "Observation", patient="Patient/1"))
    assert (ids(body), body["total"]) == (["a3", "b1", "t1"], 3)
    assert ids(parsed(await ask("$lastn", "Observation", patient="Patient/1", max="2"))) == ["a3", "a2", "b1", "t1"]
    one_code = parsed(await ask("$lastn", "Observation", subject="Patient/1", code="urn:codes|b"))
    assert ids(one_code) == ["b1"]
    posted = parameters(patient={"valueString": "1"}, max={"valuePositiveInt": 3})
    assert ids(parsed(await ask("$lastn", "Observation", posted))) == ["a3", "a2", "a1", "b1", "t1"]


@pytest.mark.usefixtures("record")
@pytest.mark.parametrize(
    "given",
    [
        {},
        {"code": "urn:codes|a"},
        {"patient": "1", "max": "0"},
        {"patient": "1", "max": "x"},
        {"patient": "1", "_sort": "date"},
        {"patient": "1", "nothing": "x"},
    ],
)
async def test_lastn_refusals(ask: Ask, given: dict[str, str]) -> None:
    with pytest.raises(BadRequest):
        await ask("$lastn", "Observation", **given)
