"""Lifespan: open the store before the first request, drain the trail while idle, close after the last.

Spec: https://asgi.readthedocs.io/en/latest/specs/lifespan.html
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Coroutine, MutableMapping
from typing import Any, Final

import msgspec

from fhir_server.asgi.body import Receive
from fhir_server.foundation.operation_outcome import FhirError
from fhir_server.interactions.request import Runtime
from fhir_server.interactions.trail import BACKLOG, drain
from fhir_server.storage.lease import Lease

LOG: Final = logging.getLogger("fhir_server")
IDLE_SECONDS: Final = 2.0
PAUSE_SECONDS: Final = 0.2
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
OnOpen = Callable[[], Awaitable[None]]
Beside = Callable[[], Coroutine[Any, Any, None]]


class Pulse:
    """Count the requests that were served, to tell when nobody is asking."""

    def __init__(self) -> None:
        self.requests = 0


class Life(msgspec.Struct, frozen=True):
    """What lives from startup to shutdown.

    `on_open` runs once the store is open, `beside` from then on, each until it is cancelled at the end.
    """

    runtime: Runtime
    pulse: Pulse
    on_open: OnOpen | None = None
    beside: tuple[Beside, ...] = ()


async def lifespan(life: Life, receive: Receive, send: Send) -> None:
    """Serve one lifespan: startup, then shutdown."""
    await receive()
    try:
        await life.runtime.store.open()
        if life.on_open is not None:
            await life.on_open()
    except FhirError as refusal:
        await send({"type": "lifespan.startup.failed", "message": str(refusal)})
        return
    tasks = [asyncio.create_task(drain_when_idle(life.runtime, life.pulse))]
    tasks += [asyncio.create_task(beside()) for beside in life.beside]
    await send({"type": "lifespan.startup.complete"})
    await receive()
    for task in tasks:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    await life.runtime.store.close()
    await send({"type": "lifespan.shutdown.complete"})


async def drain_when_idle(runtime: Runtime, pulse: Pulse) -> None:
    """Turn journal entries into AuditEvents while nobody asks, or while too many wait; until cancelled.

    Of several processes on one store, the one that holds the lease does.
    """
    lease = Lease(runtime.store, "audit trail", runtime.now)
    while True:
        before = pulse.requests
        await asyncio.sleep(IDLE_SECONDS)
        try:
            if await runtime.store.journal_length() and await lease.take():
                await _drain_while(runtime, pulse, before)
        except FhirError:
            LOG.exception("the audit trail could not be drained; it is tried again")


async def _drain_while(runtime: Runtime, pulse: Pulse, before: int) -> None:
    """Drain at once while nobody asks; while someone does, only what is too much, and with pauses for the writers."""
    while True:
        is_idle = pulse.requests == before
        if not is_idle and await runtime.store.journal_length() <= BACKLOG:
            return
        if not await drain(runtime):
            return
        if not is_idle:
            await asyncio.sleep(PAUSE_SECONDS)
