"""CPU per create, update, read and search: `python -m tests.storage.bench_storage [resources] [folder]`.

Extracts the real rows of one Observation and one Patient and varies their values; prints microseconds of CPU of the
whole process, writer thread included.
"""

import asyncio
import random
import resource
import sys
import tempfile
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fhir_server.foundation.resource import Version
from fhir_server.search.condition import ALWAYS, Compare, Condition, Exists, Not, Related, all_of, any_of
from fhir_server.search.extract import Extractor
from fhir_server.search.index_row import COMPARTMENT, DATE, STRING, IndexRow
from fhir_server.storage.sqlite import SqliteStore
from fhir_server.storage.store import Include, Search, Sort, Store, Transaction
from tests.storage.resources import has_code, in_compartment

NOW = datetime(2026, 11, 22, tzinfo=UTC)
CODES = [f"{10000 + 37 * n}-{n % 10}" for n in range(60)]
OBSERVATIONS_EACH = 80
CALLERS = 32


def observation(chance: random.Random, patient_id: str, number: int) -> dict[str, Any]:
    day = f"{chance.randrange(2015, 2026)}-{chance.randrange(1, 13):02}-{chance.randrange(1, 29):02}"
    return {
        "resourceType": "Observation",
        "identifier": [{"system": "urn:laboratory", "value": f"OBS{number:010}"}],
        "status": "final",
        "category": [
            {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "laboratory"}]}
        ],
        "code": {"coding": [{"system": "http://loinc.org", "code": chance.choice(CODES)}]},
        "subject": {"reference": f"Patient/{patient_id}"},
        "effectiveDateTime": f"{day}T10:00:00Z",
        "valueQuantity": {"value": chance.randrange(1000) / 10, "system": "http://unitsofmeasure.org", "code": "mg/dL"},
    }


def patient(chance: random.Random, number: int) -> dict[str, Any]:
    return {
        "resourceType": "Patient",
        "identifier": [
            {"system": "urn:oid:1.2.250.1.213.1.4.8", "value": f"{number:015}"},
            {"system": "urn:mrn", "value": f"MRN{number:08}"},
        ],
        "active": True,
        "name": [{"family": f"Family{chance.randrange(400)}", "given": [f"Given{chance.randrange(300)}", "Marie"]}],
        "telecom": [{"system": "phone", "value": f"06{number:08}"}],
        "gender": "female",
        "birthDate": f"{chance.randrange(1930, 2020)}-01-02",
        "address": [
            {"line": ["1 rue"], "city": f"City{chance.randrange(100)}", "postalCode": "75001", "country": "FR"}
        ],
        "managingOrganization": {"reference": f"Organization/{number % 50}"},
    }


Stored = tuple[Version, list[IndexRow]]


def resources(count: int) -> Iterator[Stored]:
    chance, extractor, body = random.Random(1), Extractor(), b"x" * 1500
    for number in range(count // (OBSERVATIONS_EACH + 1) + 1):
        patient_id = str(uuid.UUID(int=number))
        rows = [
            *extractor.extract({**patient(chance, number), "id": patient_id}),
            (COMPARTMENT, "Patient", 0, patient_id),
        ]
        yield Version("Patient", patient_id, 1, NOW, body, depositor="Device/lab"), rows
        for part in range(OBSERVATIONS_EACH):
            resource_id = str(uuid.UUID(int=(number * 1000 + part) << 32))
            found = observation(chance, patient_id, number * 100 + part)
            rows = [*extractor.extract({**found, "id": resource_id}), (COMPARTMENT, "Patient", 0, patient_id)]
            yield Version("Observation", resource_id, 1, NOW, body, depositor="Device/lab"), rows


def cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def measured(name: str, count: int, run: Callable[[], Awaitable[None]]) -> None:
    cpu_start, start = cpu(), time.perf_counter()
    await run()
    used, passed = cpu() - cpu_start, time.perf_counter() - start
    print(f"{name:45} {used / count * 1e6:9.1f} µs CPU {passed / count * 1e6:9.1f} µs passed")  # noqa: T201


async def put_all(store: Store, stored: list[Stored]) -> None:
    waiting = iter(stored)

    async def caller() -> None:
        for version, rows in waiting:

            async def work(transaction: Transaction, version: Version = version, rows: Any = rows) -> None:
                await transaction.put(version, rows)

            await store.transact(work)

    await asyncio.gather(*(caller() for _ in range(CALLERS)))


def again(version: Version) -> Version:
    return Version(version.resource_type, version.resource_id, version.version_id + 1, NOW, version.content)


async def measure_writes(store: Store, stored: list[Stored]) -> None:
    for resource_type in ("Patient", "Observation"):
        chosen = [entry for entry in stored if entry[0].resource_type == resource_type]
        rows = sum(len(rows) for _, rows in chosen) / len(chosen)
        await measured(
            f"create {resource_type}, {rows:.0f} rows, {CALLERS} callers",
            len(chosen),
            lambda c=chosen: put_all(store, c),
        )
    changed = [(again(version), rows) for version, rows in stored[1:3000]]
    await measured("update, same rows", len(changed), lambda: put_all(store, changed))


async def measure_reads(store: Store, stored: list[Stored]) -> None:
    chance = random.Random(2)
    patient_id = stored[0][0].resource_id
    within: Condition = all_of(
        any_of(Related(("Practitioner/1",), ("care-team",)), in_compartment(patient_id), has_code("x", "_depositor")),
        Not(has_code("hidden", "_visibility")),
    )
    names = [("Observation", version.resource_id) for version, _ in stored if version.resource_type == "Observation"]
    for label, condition in (("read", ALWAYS), ("read under a decision", within)):

        async def read(condition: Condition = condition) -> None:
            for _ in range(5000):
                await store.read(*chance.choice(names), condition)

        await measured(label, 5000, read)
    newest = (Sort("date", DATE, is_descending=True),)
    mine, code = in_compartment(patient_id), has_code(CODES[3])
    family = ("folded", "prefix", "family11")
    subject = Include("subject", "Observation", (("Patient", ALWAYS),))
    chain = Exists("subject", "Patient", Compare(STRING, "family", (family,)))
    for label, times, asked in (
        ("patient AND code (1-3 hits)", 500, Search("Observation", all_of(mine, code))),
        ("patient, 20 newest", 500, Search("Observation", mine, sort=newest)),
        ("code, first page of 20", 500, Search("Observation", code)),
        ("frequent code, 20 newest", 200, Search("Observation", code, sort=newest)),
        ("all, 20 newest", 200, Search("Observation", sort=newest)),
        ("under a decision, 20 newest of a patient", 500, Search("Observation", mine, within, sort=newest)),
        ("family name prefix", 500, Search("Patient", chain.condition)),
        ("chain to a family name", 50, Search("Observation", chain)),
        ("patient AND code, include subject", 500, Search("Observation", all_of(mine, code), includes=(subject,))),
        ("total of a frequent code", 20, Search("Observation", code, limit=0, needs_total=True)),
    ):

        async def search(times: int = times, asked: Search = asked) -> None:
            for _ in range(times):
                await store.search(asked)

        await measured(label, times, search)


async def main(count: int, folder: str) -> None:
    stored = list(resources(count))
    store = SqliteStore(Path(folder))
    await store.open()
    await measure_writes(store, stored)
    await measure_reads(store, stored)
    await store.close()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(dir=sys.argv[2] if len(sys.argv) > 2 else None) as folder:
        count = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
        asyncio.run(main(count, folder))
        print(f"{sum(file.stat().st_size for file in Path(folder).iterdir()) // count} bytes a resource")  # noqa: T201
