"""Resources as a store sees them: versions and index rows."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from fhir_server.foundation.resource import Version
from fhir_server.search.condition import Compare
from fhir_server.search.index_row import COMPARTMENT, DATE, REFERENCE, TEXT, TOKEN, IndexRow
from fhir_server.storage.store import Store, Transaction

START = datetime(2026, 1, 1, tzinfo=UTC)


def version(name: str, number: int = 1, minute: int = 0, **fields: Any) -> Version:
    """A version of `Patient/1`, at a minute after START."""
    resource_type, resource_id = name.split("/")
    content = b"" if fields.get("is_deleted") else f'{{"id":"{resource_id}","n":{number}}}'.encode()
    return Version(resource_type, resource_id, number, START + timedelta(minutes=minute), content, **fields)


def token(code: str, parameter: str = "code", system: str = "") -> IndexRow:
    return (TOKEN, parameter, 0, system, code)


def date(low: int, parameter: str = "date") -> IndexRow:
    return (DATE, parameter, 0, low, low + 10)


def reference(name: str, parameter: str = "subject") -> IndexRow:
    return (REFERENCE, parameter, 0, *name.split("/"), "")


def compartment(patient_id: str) -> IndexRow:
    return (COMPARTMENT, "Patient", 0, patient_id)


def words(text: str, parameter: str = "_content") -> IndexRow:
    return (TEXT, parameter, 0, text)


def has_words(*asked: str, parameter: str = "_content") -> Compare:
    return Compare(TEXT, parameter, (("words", "words", asked),))


def has_code(code: str, parameter: str = "code") -> Compare:
    return Compare(TOKEN, parameter, (("code", "eq", code),))


def in_compartment(patient_id: str) -> Compare:
    return Compare(COMPARTMENT, "Patient", (("compartment_id", "eq", patient_id),))


async def put(store: Store, stored: Version, rows: Sequence[IndexRow] = ()) -> None:
    """Put one version in a transaction of its own."""

    async def work(transaction: Transaction) -> None:
        await transaction.put(stored, rows)

    await store.transact(work)


def names(versions: Sequence[Version]) -> list[str]:
    return [stored.reference for stored in versions]
