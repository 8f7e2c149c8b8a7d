"""How searches of one patient grow with the store: `python -m tests.storage.bench_mongodb URL`, on an empty database.

Prints, at each size, the median latency, and the keys and documents that the engine looked at.
"""

import asyncio
import statistics
import sys
import time

from fhir_server.search.condition import ALWAYS, Compare, all_of
from fhir_server.search.index_row import COMPARTMENT, DATE, TOKEN
from fhir_server.storage.mongodb.store import MongoStore
from fhir_server.storage.store import Search, Sort, Transaction
from tests.storage.populate import observations_of

OBSERVATIONS = 100
SIZES = (10_000, 100_000, 1_000_000)
ROUNDS = 100
"""Questions of each kind, of patients spread over the store."""


async def load(store: MongoStore, patient: int) -> None:
    made = observations_of(patient, OBSERVATIONS)

    async def work(transaction: Transaction) -> None:
        for version, rows in made:
            await transaction.put(version, rows)

    await store.transact(work)


def questions(patient: int) -> dict[str, Search]:
    within = Compare(COMPARTMENT, "Patient", (("compartment_id", "eq", f"p{patient}"),))
    code = Compare(TOKEN, "code", (("code", "eq", "718-7"),))
    newest = (Sort("date", DATE, is_descending=True),)
    return {
        "patient": Search("Observation", within, limit=20),
        "patient and code": Search("Observation", all_of(within, code), limit=20),
        "patient, newest first": Search("Observation", within, sort=newest, limit=20),
        "patient and code, counted": Search("Observation", all_of(within, code), ALWAYS, limit=5, needs_total=True),
    }


def say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - it is for people


async def tell(store: MongoStore, patients: int) -> None:
    say(f"{patients * (OBSERVATIONS + 1):,} resources")
    asked = [questions(number * 7919 % patients) for number in range(ROUNDS)]
    for name in asked[0]:
        latencies = []
        for searches in asked:
            begun = time.perf_counter()
            await store.search(searches[name])
            latencies.append(time.perf_counter() - begun)
        (first, *_) = (await store.explain(asked[0][name]))["statements"]
        looked = f"{first['keys']} keys, {first['documents']} documents, {' <- '.join(first['plan'])}"
        say(f"  {name:28} {statistics.median(latencies) * 1000:6.2f} ms   {looked}")
    begun = time.perf_counter()
    for number in range(ROUNDS):
        await store.read("Patient", f"p{number * 7919 % patients}")
    say(f"  {'read':28} {(time.perf_counter() - begun) / ROUNDS * 1000:6.2f} ms")


async def main(url: str, largest: int) -> None:
    store = MongoStore(url)
    await store.open()
    loaded = 0
    for size in SIZES:
        if size > largest:
            break
        patients = size // (OBSERVATIONS + 1)
        while loaded < patients:
            await load(store, loaded)
            loaded += 1
        await tell(store, patients)
    await store.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else SIZES[-1]))
