"""Two server processes on one replica set: what one writes the other reads, of two creates of one thing one is made.

The database is then stopped: requests are refused in time with 503, and served again once it goes on.
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import httpx
import pytest

from tests.storage.mongod import ReplicaSet

SYSTEM = "urn:oid:1.2.250.1.213.1.4.10"


@pytest.fixture(scope="module")
def database() -> Iterator[ReplicaSet]:
    members = ReplicaSet(1)
    yield members
    members.close()


@pytest.fixture(scope="module")
def servers(database: ReplicaSet) -> Iterator[list[str]]:
    environment = {**os.environ, "COLUMNS": "200", "PYTHONUNBUFFERED": "1"}
    environment["FHIR_SERVER_STORE"] = database.url("two", serverSelectionTimeoutMS=3000)
    arguments = [sys.executable, "-m", "fhir_server", "serve", "--port", "0", "--open"]
    with ExitStack() as stack:
        bases = []
        for _ in range(2):
            process = subprocess.Popen(arguments, stdout=subprocess.PIPE, env=environment, text=True)
            stack.enter_context(process)
            stack.callback(process.terminate)
            assert process.stdout is not None
            line = process.stdout.readline()
            bases.append(next(word for word in line.split() if word.startswith("http://")))
        for base in bases:
            httpx.get(f"{base}/metadata", timeout=60).raise_for_status()
        yield bases


def create(base: str, value: str) -> int:
    patient = {"resourceType": "Patient", "identifier": [{"system": SYSTEM, "value": value}]}
    headers = {"If-None-Exist": f"identifier={SYSTEM}|{value}"}
    return httpx.post(f"{base}/Patient", json=patient, headers=headers, timeout=60).status_code


def test_of_conditional_creates_on_two_servers_one_is_made(servers: list[str]) -> None:
    values = [f"ins-{number}" for number in range(8)]
    with ThreadPoolExecutor(16) as threads:
        answers = list(threads.map(lambda n: (values[n % 8], create(servers[n // 8 % 2], values[n % 8])), range(96)))
    for value in values:
        statuses = sorted(status for known, status in answers if known == value)
        assert statuses == [200] * 11 + [201]
        for base in servers:
            found = httpx.get(f"{base}/Patient?identifier={SYSTEM}|{value}&_total=accurate", timeout=60).json()
            assert found["total"] == 1


def test_what_one_server_writes_the_other_reads(servers: list[str]) -> None:
    first, second = servers
    made = httpx.post(f"{first}/Patient", json={"resourceType": "Patient"}, timeout=60)
    path = made.headers["location"].partition("/_history")[0].partition("/fhir/")[2]
    read = httpx.get(f"{second}/{path}", timeout=60)
    assert read.status_code == 200
    changed = {**read.json(), "active": True}
    assert httpx.put(f"{second}/{path}", json=changed, headers={"If-Match": 'W/"1"'}, timeout=60).status_code == 200
    assert httpx.put(f"{first}/{path}", json=changed, headers={"If-Match": 'W/"1"'}, timeout=60).status_code == 412
    assert httpx.get(f"{first}/{path}", timeout=60).json()["meta"]["versionId"] == "2"


def test_a_stopped_database_is_told_in_time_and_served_again(servers: list[str], database: ReplicaSet) -> None:
    base = servers[0]
    health = f"{base.removesuffix('/fhir')}/health"
    assert httpx.get(f"{health}/ready", timeout=10).status_code == 200
    (member,) = database.members
    member.freeze()
    try:
        begun = time.monotonic()
        refused = httpx.post(f"{base}/Patient", json={"resourceType": "Patient"}, timeout=60)
        assert time.monotonic() - begun < 30
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        assert refused.json()["resourceType"] == "OperationOutcome"
        ready = httpx.get(f"{health}/ready", timeout=10)
        assert ready.status_code == 503
        assert "mongodb://" not in ready.text
        assert httpx.get(f"{health}/live", timeout=10).status_code == 200
    finally:
        member.thaw()
    until = time.monotonic() + 30
    while httpx.get(f"{health}/ready", timeout=10).status_code != 200:
        assert time.monotonic() < until
        time.sleep(0.2)
    assert httpx.post(f"{base}/Patient", json={"resourceType": "Patient"}, timeout=60).status_code == 201
