"""Health: whether this process lives, and whether it can serve now; asked by load balancers, without a token.

`/health/live` says that the process answers: restart it when it does not. `/health/ready` says that the store answers
within a bound and has the right schema: send requests elsewhere when it does not.
Choice: nothing secret is told, and the store is asked once a second at most, however many ask.
"""

import asyncio
import time
from typing import Any, Final

import msgspec

from fhir_server import __version__
from fhir_server.asgi.answer import Answer
from fhir_server.foundation.operation_outcome import FhirError, Unavailable
from fhir_server.interactions.request import Runtime

LIVE: Final = "/health/live"
READY: Final = "/health/ready"
ADDRESSES: Final = {
    LIVE: "Say that the process lives.",
    READY: "Say whether the process can serve: its store answers.",
}
READY_SECONDS: Final = 2.0
KEPT_SECONDS: Final = 1.0

_encode: Final = msgspec.json.Encoder().encode


class Health:
    """Answers for one process."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._asking: asyncio.Task[str] | None = None
        self._asked_at = 0.0

    async def answer(self, path: str, method: str) -> Answer | None:
        """Return the answer, or None when the path is not one of health."""
        if path not in ADDRESSES:
            return None
        if method not in ("GET", "HEAD"):
            return _answer(405, {"status": "not allowed"}, (b"allow", b"GET, HEAD"))
        if path == LIVE:
            return _answer(200, {"status": "alive", "version": __version__})
        problem = await self._problem()
        if problem:
            return _answer(503, {"status": "not ready", "store": problem}, (b"retry-after", b"1"))
        return _answer(200, {"status": "ready", "store": "answers"})

    async def _problem(self) -> str:
        """Return why the store cannot serve, "" when it can."""
        if self._asking is None or (self._asking.done() and time.monotonic() - self._asked_at > KEPT_SECONDS):
            self._asking, self._asked_at = asyncio.create_task(self._ask()), time.monotonic()
        return await asyncio.shield(self._asking)

    async def _ask(self) -> str:
        try:
            async with asyncio.timeout(READY_SECONDS):
                await self._runtime.store.check()
        except TimeoutError:
            return str(Unavailable(f"The store did not answer within {READY_SECONDS:g} seconds."))
        except FhirError as refusal:
            return str(refusal)
        return ""


def _answer(status: int, told: dict[str, Any], *headers: tuple[bytes, bytes]) -> Answer:
    body = _encode(told)
    own = [(b"content-type", b"application/json"), (b"cache-control", b"no-store")]
    return Answer(status, [*own, (b"content-length", str(len(body)).encode()), *headers], body)
