"""`serve` as a process: what it says, what it refuses, how fast it starts, several workers on one store."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx


@contextmanager
def serving(data: Path, *options: str) -> Iterator[str]:
    """Serve in a process of its own; give the FHIR base."""
    arguments = [sys.executable, "-m", "fhir_server", "serve", "--port", "0", "--data", str(data), *options]
    environment = {**os.environ, "COLUMNS": "200", "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, env=environment, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            yield next(word for word in line.split() if word.startswith(("http://", "https://")))
        finally:
            process.terminate()
            assert process.wait(30) in (0, -15)


def test_anonymous_calls_are_refused(tmp_path: Path) -> None:
    with serving(tmp_path) as base:
        assert httpx.get(f"{base}/metadata", timeout=30).status_code == 200
        answer = httpx.get(f"{base}/Patient/1")
        assert answer.status_code == 401
        assert answer.json()["issue"][0]["code"] == "login"


def test_open_answers_everyone_and_several_workers_see_each_other(tmp_path: Path) -> None:
    with serving(tmp_path, "--open", "--workers", "2") as base:
        references = []
        for number in range(10):
            body = {"resourceType": "Patient", "name": [{"family": f"Family{number}"}]}
            answer = httpx.post(f"{base}/Patient", json=body, timeout=30)
            assert answer.status_code == 201, answer.text
            references.append(answer.headers["location"].partition("/_history")[0])
        for reference in references:
            for _ in range(3):
                assert httpx.get(reference).status_code == 200
        assert httpx.get(f"{base}/Patient?_total=accurate&_count=0").json()["total"] == 10


def test_what_was_acknowledged_is_there_after_a_restart(tmp_path: Path) -> None:
    with serving(tmp_path, "--open") as base:
        body = {"resourceType": "Patient", "id": "kept"}
        assert httpx.put(f"{base}/Patient/kept", json=body, timeout=30).status_code == 201
    with serving(tmp_path, "--open") as base:
        assert httpx.get(f"{base}/Patient/kept", timeout=30).json()["meta"]["versionId"] == "1"


def test_the_operations_are_defined_where_the_capability_statement_says(tmp_path: Path) -> None:
    with serving(tmp_path, "--open") as base:
        statement = httpx.get(f"{base}/metadata", timeout=30).json()
        told = {operation["name"]: operation["definition"] for operation in statement["rest"][0]["operation"]}
        assert {"convert-cda", "import-cda"} <= set(told)
        for url in told.values():
            found = httpx.get(f"{base}/OperationDefinition", params={"url": url}).json()
            assert [entry["resource"]["url"] for entry in found["entry"]] == [url]


def test_a_port_that_is_taken_is_told_in_one_sentence(tmp_path: Path) -> None:
    with serving(tmp_path / "one") as base:
        port = base.removesuffix("/fhir").rpartition(":")[2]
        arguments = [sys.executable, "-m", "fhir_server", "serve", "--port", port, "--data", str(tmp_path / "two")]
        ended = subprocess.run(arguments, capture_output=True, text=True, timeout=30, check=False)
    assert ended.returncode == 2
    assert "in use" in ended.stderr
    assert "Traceback" not in ended.stderr
