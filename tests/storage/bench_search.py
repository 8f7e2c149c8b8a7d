"""CPU per search, parsed, planned and answered: `python -m tests.storage.bench_search [resources] [folder]`.

Each query is asked with other values every time, under no decision; prints microseconds of CPU of the process.
"""

import asyncio
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import parse_qsl

from fhir_server.search.condition import ALWAYS
from fhir_server.search.parameters import Parameters
from fhir_server.search.parse import parse
from fhir_server.search.plan import Planner
from fhir_server.storage.sqlite import SqliteStore
from fhir_server.storage.store import Include, Search, Sort, Transaction
from tests.storage.bench_storage import CODES, NOW, OBSERVATIONS_EACH, Stored, resources

GROUP = 500
PARAMETERS = Parameters()
PLANNER = Planner(PARAMETERS, lambda resource_type: ALWAYS, now=int(NOW.timestamp() * 1_000_000))


async def fill(store: SqliteStore, stored: Iterator[Stored]) -> list[str]:
    patients: list[str] = []
    group: list[Stored] = []

    async def work(transaction: Transaction) -> None:
        for version, rows in group:
            await transaction.put(version, rows)

    for entry in stored:
        group.append(entry)
        if entry[0].resource_type == "Patient":
            patients.append(entry[0].resource_id)
        if len(group) == GROUP:
            await store.transact(work)
            group.clear()
    await store.transact(work)
    return patients


def planned(text: str) -> Search:
    resource_type, _, query = text.partition("?")
    plan = PLANNER.plan(parse(resource_type, parse_qsl(query), PARAMETERS))
    sort, includes = tuple(Sort(*key) for key in plan.sort), tuple(Include(*include) for include in plan.includes)
    return Search(
        plan.resource_type,
        plan.condition,
        plan.within,
        sort,
        plan.limit,
        needs_total=plan.needs_total,
        includes=includes,
        purpose=plan.purpose,
    )


def queries(patients: list[str], chance: random.Random) -> dict[str, Callable[[], str]]:
    def patient() -> tuple[int, str]:
        number = chance.randrange(len(patients))
        return number, patients[number]

    def laboratory() -> str:
        return f"urn:laboratory|OBS{patient()[0] * 100 + chance.randrange(OBSERVATIONS_EACH):010}"

    def code() -> str:
        return f"http://loinc.org|{chance.choice(CODES)}"

    return {
        "identifier (100)": lambda: f"Patient?identifier=urn:mrn|MRN{patient()[0]:08}",
        "patient, code, sort by date (250)": lambda: (
            f"Observation?patient=Patient/{patient()[1]}&code={code()}&_sort=-date"
        ),
        "chained by identifier, 20 (500)": lambda: (
            f"Observation?patient.identifier=urn:mrn|MRN{patient()[0]:08}&_count=20"
        ),
        "_include of 20 (400)": lambda: f"Observation?patient={patient()[1]}&_include=Observation:subject&_count=20",
        "_has (1000)": lambda: f"Patient?_has:Observation:patient:identifier={laboratory()}",
        "page of 100 (1000)": lambda: f"Observation?code={code()}&_count=100",
        "20 newest of a code": lambda: f"Observation?code={code()}&_sort=-date&_count=20",
        "20 newest of a category": lambda: "Observation?category=laboratory&_sort=-date&_count=20",
        "20 newest of a code since a day": lambda: (
            f"Observation?code={code()}&date=ge20{chance.randrange(15, 25)}-06-01&_sort=-date&_count=20"
        ),
        "_content, a rare word": lambda: f"Observation?_content=obs{patient()[0] * 100:010}",
        "_content, a frequent word and a patient": lambda: (
            f"Observation?_content=laboratory&patient={patient()[1]}&_count=20"
        ),
        "_filter": lambda: f"Patient?_filter=identifier eq MRN{patient()[0]:08} and gender eq female",
        "quantity in other units, of a patient": lambda: (
            f"Observation?patient={patient()[1]}&value-quantity=gt{chance.randrange(99)}|http://unitsofmeasure.org|g/L"
        ),
    }


async def measured(store: SqliteStore, label: str, query: Callable[[], str], times: int = 400) -> None:
    texts = [query() for _ in range(times)]
    start = time.process_time()
    asked = [planned(text) for text in texts]
    planning = time.process_time() - start
    found = 0
    start = time.process_time()
    for search in asked:
        found += len((await store.search(search)).versions)
    answering = time.process_time() - start
    shown = f"{planning / times * 1e6:9.1f} planned {answering / times * 1e6:9.1f} answered"
    print(f"{label:42} {shown} {found / times:7.1f} found")  # noqa: T201


async def main(count: int, folder: str) -> None:
    store = SqliteStore(Path(folder))
    await store.open()
    patients = await fill(store, resources(count))
    for label, query in queries(patients, random.Random(3)).items():
        await measured(store, label, query)
    await store.close()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(dir=sys.argv[2] if len(sys.argv) > 2 else None) as folder:
        asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000, folder))
