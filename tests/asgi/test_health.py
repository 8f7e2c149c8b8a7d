"""Health: what a load balancer is told."""

import asyncio
from types import SimpleNamespace
from typing import Any

import httpx
import msgspec
import pytest

from fhir_server.asgi import health
from fhir_server.asgi.health import LIVE, READY, Health
from fhir_server.foundation.operation_outcome import Unavailable
from tests.asgi.conftest import ORIGIN

pytestmark = pytest.mark.anyio


class Behind:
    """A store that answers as it is told to."""

    def __init__(self) -> None:
        self.problem = ""
        self.is_silent = False
        self.asked = 0

    async def check(self) -> None:
        self.asked += 1
        if self.is_silent:
            await asyncio.sleep(60)
        if self.problem:
            raise Unavailable(self.problem)


@pytest.fixture
def behind() -> Behind:
    return Behind()


@pytest.fixture
def asked(behind: Behind, monkeypatch: pytest.MonkeyPatch) -> Health:
    monkeypatch.setattr(health, "KEPT_SECONDS", 0.0)
    monkeypatch.setattr(health, "READY_SECONDS", 0.05)
    runtime: Any = SimpleNamespace(store=behind)
    return Health(runtime)


async def told(asked: Health, path: str, method: str = "GET") -> tuple[int, dict[str, Any], dict[bytes, bytes]]:
    answer = await asked.answer(path, method)
    assert answer is not None
    return answer.status, msgspec.json.decode(answer.body), dict(answer.headers)


async def test_a_process_lives_whatever_its_store_does(asked: Health, behind: Behind) -> None:
    behind.problem = "away"
    status, body, headers = await told(asked, LIVE)
    assert (status, body["status"]) == (200, "alive")
    assert headers[b"cache-control"] == b"no-store"
    assert behind.asked == 0


async def test_readiness_follows_the_store(asked: Health, behind: Behind) -> None:
    assert (await told(asked, READY))[0] == 200
    behind.problem = "No member takes writes."
    status, body, headers = await told(asked, READY)
    assert (status, body["store"], headers[b"retry-after"]) == (503, "No member takes writes.", b"1")
    behind.problem = ""
    assert (await told(asked, READY))[0] == 200


async def test_a_store_that_does_not_answer_is_not_waited_for(asked: Health, behind: Behind) -> None:
    behind.is_silent = True
    status, body, _ = await told(asked, READY)
    assert status == 503
    assert "did not answer" in body["store"]


async def test_many_who_ask_at_once_ask_the_store_once(asked: Health, behind: Behind) -> None:
    answers = await asyncio.gather(*(told(asked, READY) for _ in range(50)))
    assert {status for status, _, _ in answers} == {200}
    assert behind.asked == 1


async def test_other_paths_and_methods_are_not_answered(asked: Health) -> None:
    assert await asked.answer("/health", "GET") is None
    assert (await told(asked, READY, "POST"))[0] == 405


async def test_the_server_answers_beside_its_base_without_a_token(client: httpx.AsyncClient) -> None:
    for path in (LIVE, READY):
        answer = await client.get(f"{ORIGIN}{path}")
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"] == "application/json"
