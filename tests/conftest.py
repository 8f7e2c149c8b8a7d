"""Fixtures of every test: the clock, the id source, the shared data."""

from pathlib import Path

import pytest
from hypothesis import settings

# A slow machine is no failure: nothing here is timed.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

SHARED = Path(__file__).parents[1].parent / "shared"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of public FHIR packages and fictive documents, which the project does not carry."""
    if not SHARED.is_dir():
        pytest.skip("the shared data folder is not beside the project: public FHIR packages and CDA samples are absent")
    return SHARED
