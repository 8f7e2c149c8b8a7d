"""Callers write over HTTP while the database's primary is killed, and while its disk is full.

Each is told the truth: 503 with Retry-After and an OperationOutcome, or that it is stored, and then it is.
"""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.storage.mongod import ReplicaSet, of_three

pytestmark = pytest.mark.slow
WRITERS = 8


@pytest.fixture
def base() -> Iterator[str]:
    """A server on three members."""
    environment = {**os.environ, "COLUMNS": "200", "PYTHONUNBUFFERED": "1"}
    environment["FHIR_SERVER_STORE"] = of_three().url("failing")
    arguments = [sys.executable, "-m", "fhir_server", "serve", "--port", "0", "--open"]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, env=environment, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        found = next(word for word in line.split() if word.startswith("http://"))
        httpx.get(f"{found}/metadata", timeout=60).raise_for_status()
        yield found
        process.terminate()


class Callers:
    """Threads that send transactions of two resources, one after the other, until the block ends."""

    def __init__(self, base: str) -> None:
        self.base = base
        self.acknowledged: list[tuple[str, str]] = []
        self.refused: list[httpx.Response] = []
        self._is_over = threading.Event()
        self._pool = ThreadPoolExecutor(WRITERS)

    def __enter__(self) -> "Callers":
        self._works = [self._pool.submit(self._write, writer) for writer in range(WRITERS)]
        return self

    def __exit__(self, *error: object) -> None:
        self._is_over.set()
        self._pool.shutdown()
        for work in self._works:
            work.result()

    def _write(self, writer: int) -> None:
        with httpx.Client(timeout=60) as client:
            number = 0
            while not self._is_over.is_set():
                number += 1
                answer = client.post(self.base, json=pair(f"{writer}-{number}"))
                if answer.status_code == 200:
                    left, right = (entry["response"]["location"] for entry in answer.json()["entry"])
                    self.acknowledged.append((left, right))
                else:
                    self.refused.append(answer)

    def wait(self, has_enough: Callable[[], bool], seconds: float = 60) -> None:
        until = time.monotonic() + seconds
        while not has_enough():
            assert time.monotonic() < until, "waited in vain"
            time.sleep(0.05)

    def write_more(self, count: int) -> None:
        wanted = len(self.acknowledged) + count
        self.wait(lambda: len(self.acknowledged) >= wanted)


def pair(value: str) -> dict[str, object]:
    entries = [
        {
            "resource": {"resourceType": kind, "identifier": [{"system": "urn:pair", "value": value}]},
            "request": {"method": "POST", "url": kind},
        }
        for kind in ("Patient", "Organization")
    ]
    entries[1]["resource"]["name"] = "Right"
    return {"resourceType": "Bundle", "type": "transaction", "entry": entries}


def all_values(base: str, kind: str) -> list[str]:
    found, url = [], f"{base}/{kind}?_count=500"
    while url:
        page = httpx.get(url, timeout=60).raise_for_status().json()
        found += [entry["resource"]["identifier"][0]["value"] for entry in page.get("entry", [])]
        url = next((link["url"] for link in page["link"] if link["relation"] == "next"), "")
    return found


def set_disk_full(members: ReplicaSet, mode: str) -> None:
    for member in members.members:
        with member.client() as client:
            full = {"errorCode": 14031, "failCommands": ["insert", "update"], "appName": "fhir-server"}
            client.admin.command("configureFailPoint", "failCommand", mode=mode, data=full)


def test_callers_are_told_the_truth_when_the_primary_is_killed_and_when_the_disk_is_full(base: str) -> None:
    members = of_three()
    with Callers(base) as callers:
        callers.write_more(20)
        primary = members.primary()
        primary.kill()
        callers.write_more(20)
        primary.start_again()
        members.primary()
        set_disk_full(members, "alwaysOn")
        try:
            seen = len(callers.refused)
            callers.wait(lambda: len(callers.refused) > seen + WRITERS)
            assert any("disk" in one.text for one in callers.refused[seen:])
        finally:
            set_disk_full(members, "off")
        callers.write_more(20)
    for refused in callers.refused:
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1"), refused.text
        assert refused.json()["resourceType"] == "OperationOutcome"
    with httpx.Client(timeout=60) as client:
        for locations in callers.acknowledged:
            assert [client.get(location).status_code for location in locations] == [200, 200]
    people, organizations = all_values(base, "Patient"), all_values(base, "Organization")
    assert sorted(people) == sorted(organizations), "half a transaction is stored"
    assert len(people) == len(set(people)) >= len(callers.acknowledged)
