"""`fhir-server bench`: what each interaction costs on this machine, with authorization and audit on.

The server is a process of its own, on a fresh store, and the CPU that is told is that process's alone.
"""

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import date
from pathlib import Path

import msgspec
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

import mappings
from fhir_server.commands.engine import data_bytes, ports_of, processes_on
from fhir_server.commands.identity.clients import Registration, client_of, token, write_private
from fhir_server.commands.load_caller import Call, Connection, Figures, Target, measure, resident_bytes
from fhir_server.commands.local import OPERATOR, authorization_of, call, opened
from fhir_server.commands.population import INS_NIR_TEST, LOINC, MEASURES, Population
from fhir_server.commands.proving.cost import Asked, Cost, costs
from fhir_server.foundation import fhir_json
from fhir_server.interactions.request import Request
from fhir_server.settings import Settings, SettingsRefused

CALLERS = (1, 8, 32)
OBSERVATIONS = 100
SCOPE = "system/*.cruds"
CLIENT = Registration("bench", "bench", (SCOPE,), actor="Device/bench", is_operator=True)


class Plan(msgspec.Struct, frozen=True):
    """What to measure."""

    patients: int
    seconds: float
    cda: tuple[Path, ...] = ()
    json_file: Path | None = None
    store: str = ""
    """Connection string of an empty database; "" measures the embedded store."""


class Known(msgspec.Struct):
    """Ids of the population, to ask for."""

    patients: list[str] = []
    numbers: list[str] = []
    observations: list[str] = []


class Report(msgspec.Struct):
    """All figures of a run; bytes and microseconds."""

    figures: list[Figures]
    resources: int
    idle_bytes: int
    resident_bytes: int
    disk_bytes: int
    start_seconds: float
    conversions: dict[str, float] = {}
    access: list[Cost] = []


def run(plan: Plan, console: Console) -> None:
    """Measure, print a table, write the JSON when asked."""
    report = asyncio.run(_run(plan, console))
    table = Table(
        "interaction", "callers", "req/s", "p50 ms", "p95 ms", "p99 ms", "CPU µs/req", "engine µs/req", "failed"
    )
    for row in report.figures:
        latencies = (f"{value / 1000:.2f}" for value in (row.p50, row.p95, row.p99))
        failures = str(row.failures or "")
        spent = (f"{row.cpu:,.0f}", f"{row.engine_cpu:,.0f}" if row.engine_cpu else "")
        table.add_row(row.name, str(row.callers), f"{row.per_second:,.0f}", *latencies, *spent, failures)
    console.print(table)
    console.print(
        f"{report.resources:,} resources, {report.disk_bytes / max(1, report.resources):,.0f} bytes of disk each; "
        f"started in {report.start_seconds:.2f} s; memory {report.idle_bytes / 2**20:,.0f} MiB idle, "
        f"{report.resident_bytes / 2**20:,.0f} MiB after"
    )
    for cost in report.access:
        added = cost.with_access - cost.without
        console.print(
            f"a doctor's {cost.name}: {cost.without:,.0f} µs CPU in the interaction without authorization and audit, "
            f"{cost.with_access:,.0f} with them: {added:,.0f} more"
        )
    for name, milliseconds in report.conversions.items():
        console.print(f"conversion of {name}: {milliseconds:.1f} ms")
    if plan.json_file is not None:
        plan.json_file.write_bytes(msgspec.json.format(msgspec.json.encode(report)))


async def _run(plan: Plan, console: Console) -> Report:
    with tempfile.TemporaryDirectory(prefix="fhir-server-bench-") as folder, Progress(console=console) as progress:
        settings = Settings(data=folder, port=0, store=plan.store)
        engines = processes_on(ports_of(plan.store)) if plan.store else []
        known = await _populate(plan, settings, progress)
        begun = time.perf_counter()
        async with _serving(settings) as (base, pid):
            start_seconds = time.perf_counter() - begun
            idle_bytes = resident_bytes(pid)
            host, _, port = base.removeprefix("http://").removesuffix("/fhir").partition(":")
            bearer = await asyncio.to_thread(token, base, CLIENT.client_id, Path(folder) / "key.json", SCOPE)
            target = Target(host, int(port), pid, bearer, tuple(engines))
            await _settle(target)
            figures = await _measure_all(plan, target, known, progress)
            after = resident_bytes(pid)
        disk = sum(map(data_bytes, engines)) if plan.store else disk_bytes(Path(folder))
        access = await _access_costs(settings, known)
    created = sum(row.requests * (100 if "100" in row.name else 1) for row in figures if row.name.startswith(WRITES))
    resources = plan.patients * (OBSERVATIONS + 1) + created
    report = Report(figures, resources, idle_bytes, after, disk, start_seconds)
    report.access = access
    report.conversions = {file.name: _conversion_milliseconds(file) for file in plan.cda}
    return report


def disk_bytes(folder: Path) -> int:
    """Return what the embedded store takes on disk, its log included."""
    return sum(file.stat().st_size for file in folder.iterdir() if file.name.startswith("fhir.sqlite"))


async def _populate(plan: Plan, settings: Settings, progress: Progress) -> Known:
    known = Known([], [], [])
    task = progress.add_task("Population", total=plan.patients)
    async with opened(settings) as runtime:
        if (await runtime.store.listing(limit=1)).references:
            raise SettingsRefused("The store holds resources already: name an empty database to measure.")
        client, private = client_of(CLIENT)
        assert private is not None
        write_private(Path(settings.data) / "key.json", private)
        await authorization_of(runtime).clients.register(client)
        for bundle in Population().bundles(plan.patients, OBSERVATIONS):
            response = await call(runtime, Request("transaction", OPERATOR, resource=bundle))
            entries = msgspec.json.decode(response.content)["entry"]
            locations = [entry["response"]["location"].partition("/_history")[0] for entry in entries]
            ids = [location.rpartition("/")[2] for location in locations]
            known.patients.append(ids[0])
            known.observations += ids[1:]
            known.numbers.append(bundle["entry"][0]["resource"]["identifier"][0]["value"])
            progress.advance(task)
    return known


@asynccontextmanager
async def _serving(settings: Settings) -> AsyncIterator[tuple[str, int]]:
    """Serve in a process of its own; yield its FHIR base and its process id once it answers."""
    arguments = ("-m", "fhir_server", "serve", "--port", "0", "--data", settings.data)
    environment = {**os.environ, "COLUMNS": "200", "PYTHONUNBUFFERED": "1", "FHIR_SERVER_STORE": settings.store}
    process = await asyncio.create_subprocess_exec(
        sys.executable, *arguments, stdout=asyncio.subprocess.PIPE, env=environment
    )
    assert process.stdout is not None
    try:
        line = (await process.stdout.readline()).decode()
        base = next(word for word in line.split() if word.startswith("http://"))
        await _answers(base)
        yield base, process.pid
    finally:
        process.terminate()
        await process.wait()


async def _answers(base: str) -> None:
    host, _, port = base.removeprefix("http://").removesuffix("/fhir").partition(":")
    connection = Connection(host, int(port))
    await connection.send(Call("GET", "/fhir/metadata"))
    connection.close()


async def _settle(target: Target) -> None:
    """Let the server finish what the population left to do: its audit trail, which a question about it completes."""
    connection = Connection(target.host, target.port, target.token)
    await connection.send(Call("GET", "/fhir/AuditEvent?_count=0"))
    connection.close()


async def _access_costs(settings: Settings, known: Known) -> list[Cost]:
    people = known.patients[:50]
    asked = Asked(people, known.observations[: len(people) * OBSERVATIONS], f"{LOINC}|{MEASURES[0][0]}")
    async with opened(settings) as runtime:
        return await costs(runtime, asked)


WRITES = ("create", "transaction")


def cases(known: Known) -> dict[str, Callable[[int], Call]]:
    """Return what is measured: a name, and the request number `n` of it."""
    people = Population(seed=99)
    drafts = [people.observation("", index, date(2026, 1, 1)) for index in range(50)]
    bundles = [fhir_json.format(people.bundle(observations=99)) for _ in range(8)]
    observations = [
        fhir_json.format(people.observation(f"Patient/{patient}", index, date(2026, 1, 1)))
        for index, patient in enumerate(known.patients[:50])
    ]
    patients = [fhir_json.format(people.patient()) for _ in range(50)]

    def update(number: int) -> Call:
        place = (number * 7919) % len(known.observations)
        subject = {"reference": f"Patient/{known.patients[place // OBSERVATIONS]}"}
        resource = {**drafts[number % 50], "id": known.observations[place], "subject": subject}
        return Call("PUT", f"/fhir/Observation/{known.observations[place]}", fhir_json.format(resource))

    return {
        "read Patient": lambda n: Call("GET", f"/fhir/Patient/{pick(known.patients, n)}"),
        "read Observation": lambda n: Call("GET", f"/fhir/Observation/{pick(known.observations, n)}"),
        **searches(known),
        "create Observation": lambda n: Call(
            "POST", "/fhir/Observation", observations[n % len(observations)], expected=201
        ),
        "create Patient": lambda n: Call("POST", "/fhir/Patient", patients[n % 50], expected=201),
        "update Observation": update,
        "transaction of 100": lambda n: Call("POST", "/fhir", bundles[n % 8]),
    }


def pick(values: list[str], number: int) -> str:
    """Return a value, another one each time."""
    return values[(number * 7919) % len(values)]


def searches(known: Known) -> dict[str, Callable[[int], Call]]:
    """Return the searches that are measured: see `cases`."""
    code = f"{LOINC}|{MEASURES[0][0]}"
    asked: dict[str, Callable[[int], str]] = {
        "search Patient by INS": lambda n: f"Patient?identifier={INS_NIR_TEST}|{pick(known.numbers, n)}",
        f"search by patient and code ({OBSERVATIONS // len(MEASURES)})": lambda n: (
            f"Observation?patient={pick(known.patients, n)}&code={code}"
        ),
        "search by patient and date, sorted": lambda n: (
            f"Observation?patient={pick(known.patients, n)}&date=ge2024-01-20&_sort=-date&_count=20"
        ),
        "search 20 by a chain to the INS": lambda n: (
            f"Observation?patient.identifier={INS_NIR_TEST}|{pick(known.numbers, n)}&_count=20"
        ),
        "search 20 with _include": lambda n: (
            f"Observation?patient={pick(known.patients, n)}&_include=Observation:subject&_count=20"
        ),
        "search by _has": lambda n: f"Patient?_has:Observation:patient:_id={pick(known.observations, n)}",
        "search 20 newest of a code": lambda n: f"Observation?code={code}&_sort=-date&_count=20",
        "search a page of 100": lambda n: f"Observation?code={code}&_count=100",
    }

    def called(query: Callable[[int], str]) -> Callable[[int], Call]:
        return lambda n: Call("GET", f"/fhir/{query(n)}")

    return {name: called(query) for name, query in asked.items()}


async def _measure_all(plan: Plan, target: Target, known: Known, progress: Progress) -> list[Figures]:
    todo = [(name, callers, make) for name, make in cases(known).items() for callers in CALLERS]
    task = progress.add_task("Measuring", total=len(todo))
    figures = []
    for name, callers, make in todo:
        progress.update(task, description=f"{name}, {callers} callers")
        figures.append(await measure(target, name, callers, plan.seconds, make))
        progress.advance(task)
    return figures


def _conversion_milliseconds(file: Path) -> float:
    """Return the CPU that a conversion takes, the best of five."""
    content = file.read_bytes()
    spent = []
    for _ in range(5):
        begun = time.process_time()
        mappings.convert(content)
        spent.append(time.process_time() - begun)
    return min(spent) * 1000
