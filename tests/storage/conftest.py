"""One open store of each backend, and the resources that the suites put into it."""

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from fhir_server.storage.store import Store
from tests.storage.backends import DEPLOYMENTS


class Clock:
    """The present instant, which tests move."""

    def __init__(self) -> None:
        self.instant = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.instant

    def advance(self, seconds: float) -> None:
        self.instant += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=DEPLOYMENTS.values(), ids=DEPLOYMENTS.keys())
def make(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> Callable[[], Store]:
    """Make a store on what the test's other stores stored; not yet open."""
    backend: Callable[..., Any] = request.param
    return lambda: backend(tmp_path, now=clock)


@pytest.fixture
async def store(make: Callable[[], Store]) -> AsyncIterator[Store]:
    opened = make()
    await opened.open()
    yield opened
    await opened.close()
