"""A small HTTP/1.1 caller for measuring: keep-alive, one request after the other, almost no cost of its own."""

import asyncio
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec


class Call(msgspec.Struct, frozen=True):
    """One request to send: method, path with query, body and extra headers; `expected` is the status it must get."""

    method: str
    path: str
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    expected: int = 200

    def encode(self, host: str, token: str) -> bytes:
        """Return the bytes on the wire."""
        lines = [f"{self.method} {self.path} HTTP/1.1", f"Host: {host}"]
        if token:
            lines.append(f"Authorization: Bearer {token}")
        lines += [f"{name}: {value}" for name, value in self.headers]
        if self.body or self.method in ("POST", "PUT"):
            lines += ["Content-Type: application/fhir+json", f"Content-Length: {len(self.body)}"]
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + self.body


class Answer(msgspec.Struct, frozen=True):
    """What came back."""

    status: int
    body: bytes
    headers: dict[str, str]


class Connection:
    """One keep-alive connection."""

    def __init__(self, host: str, port: int, token: str = "") -> None:
        self._host, self._port, self._token = host, port, token
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def send(self, call: Call) -> Answer:
        """Send one request and return the whole answer."""
        if self._streams is None:
            self._streams = await asyncio.open_connection(self._host, self._port, limit=2**26)
        reader, writer = self._streams
        writer.write(call.encode(f"{self._host}:{self._port}", self._token))
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        return Answer(int(head[0].split(" ", 2)[1]), body, headers)

    def close(self) -> None:
        """Close the connection."""
        if self._streams is not None:
            self._streams[1].close()


class Figures(msgspec.Struct, frozen=True):
    """The result of one measurement; times in microseconds, CPU of the server processes alone.

    `engine_cpu` is that of the database's processes on this machine, 0 for the embedded store.
    """

    name: str
    callers: int
    requests: int
    per_second: float
    p50: float
    p95: float
    p99: float
    cpu: float
    failures: int = 0
    engine_cpu: float = 0.0


def processes_of(pid: int) -> list[int]:
    """Return a process and its descendants."""
    found = [pid]
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            children = (task / "children").read_text().split()
        except OSError:  # a thread that ended meanwhile
            continue
        found += [descendant for child in children for descendant in processes_of(int(child))]
    return found


def cpu_seconds(pid: int) -> float:
    """Return the user and system seconds that a process and its descendants have used."""
    ticks = 0
    for process in processes_of(pid):
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(") ")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / 100


def resident_bytes(pid: int) -> int:
    """Return the resident memory of a process and its descendants."""
    pages = sum(int(Path(f"/proc/{process}/statm").read_text().split()[1]) for process in processes_of(pid))
    return pages * 4096


class Target(msgspec.Struct, frozen=True):
    """The server under measurement."""

    host: str
    port: int
    pid: int
    token: str
    engines: tuple[int, ...] = ()
    """Processes of the database behind it."""


async def measure(target: Target, name: str, callers: int, seconds: float, make: Callable[[int], Call]) -> Figures:
    """Send what `make(number)` gives from `callers` connections for some seconds, and return the figures."""
    latencies: list[float] = []
    failures = 0
    number = 0
    end = time.perf_counter() + seconds

    async def call_until_end() -> None:
        nonlocal number, failures
        connection = Connection(target.host, target.port, target.token)
        while time.perf_counter() < end:
            number += 1
            call = make(number)
            begun = time.perf_counter()
            answer = await connection.send(call)
            latencies.append(time.perf_counter() - begun)
            failures += answer.status != call.expected
        connection.close()

    before, begun = spent(target), time.perf_counter()
    await asyncio.gather(*(call_until_end() for _ in range(callers)))
    elapsed, after = time.perf_counter() - begun, spent(target)
    cpu, engine_cpu = ((now - then) / len(latencies) * 1e6 for now, then in zip(after, before, strict=True))
    p50, p95, p99 = quantiles(latencies, (0.5, 0.95, 0.99))
    rate = len(latencies) / elapsed
    return Figures(name, callers, len(latencies), rate, p50, p95, p99, cpu, failures, engine_cpu)


def spent(target: Target) -> tuple[float, float]:
    """Return the CPU seconds that the server and its engines have used."""
    return cpu_seconds(target.pid), sum(map(cpu_seconds, target.engines))


def quantiles(seconds: Sequence[float], shares: Sequence[float]) -> list[float]:
    """Return quantiles in microseconds."""
    ordered = sorted(seconds)
    return [ordered[min(len(ordered) - 1, int(share * len(ordered)))] * 1e6 for share in shares]
