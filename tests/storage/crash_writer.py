"""Writes to a store as fast as it can and tells what was acknowledged, until it is killed: see test_crash."""

import asyncio
import os
import sys
from pathlib import Path

from fhir_server.storage.store import Store, Transaction
from tests.storage.backends import BACKENDS
from tests.storage.resources import date, put, reference, token, version


def tell(line: str) -> None:
    os.write(1, f"{line}\n".encode())


async def create(store: Store, start: str) -> None:
    for n in range(1_000_000):
        name = f"Patient/{start}-c{n}"
        await put(store, version(name), [token(f"{start}-{n}"), token("all"), date(n)])
        tell(f"{name} 1")


async def update(store: Store, start: str) -> None:
    name = f"Patient/{start}-u"
    for n in range(1, 1_000_000):
        await put(store, version(name, n), [token(f"{start}-{n}"), token("all"), date(n)])
        tell(f"{name} {n}")


async def together(store: Store, start: str) -> None:
    for n in range(1_000_000):
        names = [f"Observation/{start}-t{n}-{part}" for part in range(3)]

        async def work(transaction: Transaction, names: list[str] = names) -> None:
            for name in names:
                await transaction.put(version(name), [token("all"), reference("Patient/1")])
                await transaction.read(*name.split("/"))

        await store.transact(work)
        for name in names:
            tell(f"{name} 1")


async def main(backend: str, path: str, start: str) -> None:
    store = BACKENDS[backend](Path(path))
    await store.open()
    tell("ready")
    kinds = (create, update, together)
    await asyncio.gather(*(kind(store, f"{start}-{n}") for n in range(4) for kind in kinds))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
