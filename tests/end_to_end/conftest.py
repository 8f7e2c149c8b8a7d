"""A real demo server in a process of its own, and the people who use it."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

READY_SECONDS = 120


class Demo:
    """The running demo: `guide` is what it told, `base` its FHIR base."""

    def __init__(self, guide: dict[str, Any]) -> None:
        self.guide = guide
        self.base: str = guide["base"]
        self.origin = self.base.removesuffix("/fhir")

    def password(self, login: str) -> str:
        return next(person["password"] for person in self.guide["people"] if person["login"] == login)


def wait_until(path: Path, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + READY_SECONDS
    while not path.exists():
        assert process.poll() is None, "the server ended before it was ready"
        assert time.monotonic() < end, "the server is not ready"
        time.sleep(0.05)


@contextmanager
def demonstration(folder: Path, *options: str, store_url: str = "") -> Iterator[Demo]:
    """A demo of its own, in a folder, or its store elsewhere; whatever it logged was no traceback."""
    log = folder / "server.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "fhir_server", "demo", "--port", "0", "--data", str(folder), *options],
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONWARNINGS": "default", "FHIR_SERVER_STORE": store_url},
        )
        try:
            wait_until(folder / "demo" / "demo.json", process)
            running = Demo(json.loads((folder / "demo" / "demo.json").read_text(encoding="utf-8")))
            httpx.get(f"{running.base}/metadata", timeout=READY_SECONDS).raise_for_status()
            yield running
        finally:
            process.terminate()
            process.wait(20)
    told = log.read_text(encoding="utf-8")
    assert "Traceback" not in told, told


@pytest.fixture(scope="module")
def store_url() -> str:
    """Where the demo's store is: its own folder, unless a module says otherwise."""
    return ""


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory, store_url: str) -> Iterator[Demo]:
    with demonstration(tmp_path_factory.mktemp("demo"), store_url=store_url) as running:
        yield running
