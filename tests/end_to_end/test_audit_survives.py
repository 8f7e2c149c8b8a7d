"""A read's audit is durable within a second: the process is killed, and the trace is there."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx

from tests.commands.test_serve import serving

DURABLE_SECONDS = 1.0


def test_a_reads_trace_survives_a_kill_a_second_later(tmp_path: Path) -> None:
    arguments = [sys.executable, "-m", "fhir_server", "serve", "--open", "--port", "0", "--data", str(tmp_path)]
    environment = {**os.environ, "COLUMNS": "200", "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, env=environment, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        base = next(word for word in line.split() if word.startswith("http://"))
        assert httpx.get(f"{base}/Patient/asked-for", timeout=30).status_code == 404
        time.sleep(DURABLE_SECONDS)
        process.send_signal(signal.SIGKILL)
    with serving(tmp_path, "--open") as base:
        events = httpx.get(f"{base}/AuditEvent?_count=100", timeout=30)
    assert "Patient/asked-for" in events.text
