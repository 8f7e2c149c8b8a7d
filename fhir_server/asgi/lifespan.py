"""Lifespan: open the store before the first request, drain the trail while idle, close after the last.

Spec: https://asgi.readthedocs.io/en/latest/specs/lifespan.html
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from fhir_server.asgi.body import Receive
from fhir_server.foundation.operation_outcome import FhirError
from fhir_server.interactions.request import Runtime
from fhir_server.interactions.trail import drain

LOG: Final = logging.getLogger("fhir_server")
IDLE_SECONDS: Final = 2.0
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
OnOpen = Callable[[], Awaitable[None]]


async def lifespan(runtime: Runtime, on_open: OnOpen | None, receive: Receive, send: Send) -> None:
    """Serve one lifespan: startup, then shutdown."""
    await receive()
    try:
        await runtime.store.open()
        if on_open is not None:
            await on_open()
    except FhirError as refusal:
        await send({"type": "lifespan.startup.failed", "message": str(refusal)})
        return
    trail = asyncio.create_task(drain_when_idle(runtime))
    await send({"type": "lifespan.startup.complete"})
    await receive()
    trail.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await trail
    await runtime.store.close()
    await send({"type": "lifespan.shutdown.complete"})


async def drain_when_idle(runtime: Runtime) -> None:
    """Turn journal entries into AuditEvents, again and again, until cancelled."""
    while True:
        try:
            await drain(runtime)
        except FhirError:
            LOG.exception("the audit trail could not be drained; it is tried again")
        await asyncio.sleep(IDLE_SECONDS)
