"""What is converted from, attached to or said about a document is seen and hidden with it."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from fhir_server.access.decision import decide
from fhir_server.access.grant import Grant
from fhir_server.access.labels import VISIBILITY_SYSTEM
from fhir_server.access.relations.codes import RECORD_CONSENT_SYSTEM
from fhir_server.access.scopes import parse_scopes
from fhir_server.foundation import fhir_json
from fhir_server.foundation.resource import Version
from fhir_server.interactions.governance import (
    Indexing,
    index_rows,
    kept_source,
    put_deletion,
    reindex_governed,
    settle,
)
from fhir_server.search.extract import Extractor
from fhir_server.storage.sqlite import SqliteStore
from fhir_server.storage.store import Store, Transaction
from tests.interactions.conftest import Ask

pytestmark = pytest.mark.anyio

NOW = datetime(2026, 11, 22, 10, tzinfo=UTC)
PATIENT = Grant("patient", "Patient/1", "app", parse_scopes("patient/*.cruds"), patient_id="1")
STRANGER = Grant("patient", "Patient/2", "app", parse_scopes("patient/*.cruds"), patient_id="2")
LABORATORY = "Device/laboratory"
INVISIBLE = [{"coding": [{"system": VISIBILITY_SYSTEM, "code": "INVISIBLE_PATIENT"}]}]


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = SqliteStore(tmp_path, now=lambda: NOW)
    await opened.open()
    yield opened
    await opened.close()


async def write(transaction: Transaction, resource: dict[str, Any], depositor: str = LABORATORY) -> Version:
    """Do what the write path does."""
    current = await transaction.read(resource["resourceType"], resource["id"])
    before = fhir_json.parse(current.content) if current is not None and current.content else None
    number = current.version_id + 1 if current is not None else 1
    depositor = current.depositor if current is not None else depositor
    content = fhir_json.format(resource)
    version = Version(resource["resourceType"], resource["id"], number, NOW, content, depositor=depositor)
    await transaction.put(version, await index_rows(transaction, resource, depositor))
    await reindex_governed(transaction, before, resource, depositor)
    return version


async def put(store: Store, *resources: dict[str, Any], depositor: str = LABORATORY) -> None:
    async def work(transaction: Transaction) -> None:
        await settle(transaction, [await write(transaction, resource, depositor) for resource in resources])

    await store.transact(work)


async def delete(store: Store, resource_type: str, resource_id: str) -> None:
    async def work(transaction: Transaction) -> None:
        current = await transaction.read(resource_type, resource_id)
        assert current is not None
        gone = Version(resource_type, resource_id, current.version_id + 1, NOW, b"", True, current.depositor)
        await put_deletion(transaction, current, gone)

    await store.transact(work)


async def sees(store: Store, reference: str, grant: Grant = PATIENT) -> bool:
    resource_type, _, resource_id = reference.partition("/")
    within = decide(grant, "read", resource_type)
    return await store.read(resource_type, resource_id, within=within) is not None


def document(patient_id: str = "1", labels: Any = None, attached: str = "Binary/b", **elements: Any) -> dict[str, Any]:
    resource = {
        "resourceType": "DocumentReference",
        "id": "d",
        "status": "current",
        "subject": {"reference": f"Patient/{patient_id}"},
        "content": [{"attachment": {"url": attached}}],
        **elements,
    }
    return resource | ({"securityLabel": labels} if labels else {})


BINARY = {"resourceType": "Binary", "id": "b", "contentType": "text/plain", "data": "AAAA"}
CONVERTED = {
    "resourceType": "Observation",
    "id": "o",
    "meta": {"source": "DocumentReference/d#o"},
    "status": "final",
    "code": {"text": "x"},
    "subject": {"reference": "Patient/1"},
}
PROVENANCE = {
    "resourceType": "Provenance",
    "id": "p",
    "target": [{"reference": "Observation/o"}, {"reference": "Binary/b"}],
    "recorded": "2026-11-22T10:00:00Z",
    "agent": [{"who": {"reference": "Device/laboratory"}}],
}
GOVERNED = ("Binary/b", "Observation/o", "Provenance/p")


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 2, 1, 0), (1, 0, 3, 2)])
async def test_what_comes_with_a_document_is_seen_with_it_in_any_order(store: Store, order: tuple[int, ...]) -> None:
    resources = [document(), BINARY, CONVERTED, PROVENANCE]
    await put(store, *[resources[position] for position in order])
    assert [await sees(store, one) for one in GOVERNED] == [True, True, True]
    assert [await sees(store, one, STRANGER) for one in GOVERNED] == [False, False, False]


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 2, 1, 0), (1, 0, 3, 2)])
async def test_and_hidden_with_it(store: Store, order: tuple[int, ...]) -> None:
    resources = [document(labels=INVISIBLE), BINARY, CONVERTED, PROVENANCE]
    await put(store, *[resources[position] for position in order])
    assert [await sees(store, one) for one in GOVERNED] == [False, False, False]


async def test_a_label_that_comes_and_goes_takes_all_along(store: Store) -> None:
    await put(store, document(), BINARY, CONVERTED, PROVENANCE)
    await put(store, document(labels=INVISIBLE))
    assert [await sees(store, one) for one in GOVERNED] == [False, False, False]
    await put(store, document())
    assert [await sees(store, one) for one in GOVERNED] == [True, True, True]


async def test_a_deleted_resource_is_relabelled_too(store: Store) -> None:
    await put(store, document(), CONVERTED)
    await delete(store, "Observation", "o")
    assert await sees(store, "Observation/o")
    await put(store, document(labels=INVISIBLE))
    assert not await sees(store, "Observation/o")


async def test_a_deleted_document_still_masks(store: Store) -> None:
    await put(store, document(labels=INVISIBLE), CONVERTED)
    await delete(store, "DocumentReference", "d")
    await put(store, {**CONVERTED, "status": "amended"})
    assert not await sees(store, "Observation/o")


async def test_a_document_that_changes_patient_takes_its_attachment_along(store: Store) -> None:
    await put(store, document(), BINARY)
    await put(store, document("2"))
    assert (await sees(store, "Binary/b"), await sees(store, "Binary/b", STRANGER)) == (False, True)


async def test_an_attachment_nobody_refers_to_is_its_depositors(store: Store) -> None:
    await put(store, BINARY)
    assert not await sees(store, "Binary/b")
    laboratory = Grant("system", LABORATORY, "laboratory", parse_scopes("system/*.rs"))
    assert await sees(store, "Binary/b", laboratory)


async def test_pointing_at_a_foreign_attachment_opens_nothing(store: Store) -> None:
    await put(store, BINARY)
    await put(store, document("2"), depositor="Patient/2")
    assert not await sees(store, "Binary/b", STRANGER)


async def test_nor_does_pointing_at_it_before_it_is_there(store: Store) -> None:
    await put(store, document("2"), depositor="Patient/2")
    await put(store, BINARY)
    assert not await sees(store, "Binary/b", STRANGER)


async def test_a_deleted_care_team_stays_ended_when_its_document_is_relabelled(store: Store) -> None:
    doctor = Grant("professional", "Practitioner/doctor", "software", parse_scopes("user/*.rs"), profession="10")
    care_team = {
        "resourceType": "CareTeam",
        "id": "t",
        "meta": {"source": "DocumentReference/d"},
        "status": "active",
        "subject": {"reference": "Patient/1"},
        "participant": [{"member": {"reference": "Practitioner/doctor"}}],
    }
    observation = {key: value for key, value in CONVERTED.items() if key != "meta"}
    await put(store, document(), care_team, observation)
    assert await sees(store, "Observation/o", doctor)
    await delete(store, "CareTeam", "t")
    assert not await sees(store, "Observation/o", doctor)
    await put(store, document(labels=INVISIBLE))
    assert not await sees(store, "Observation/o", doctor)


async def test_what_was_converted_has_the_type_of_its_document_and_follows_it(store: Store) -> None:
    dentist = Grant("professional", "Practitioner/dentist", "software", parse_scopes("user/*.rs"), profession="40")
    care_team = {
        "resourceType": "CareTeam",
        "id": "t",
        "status": "active",
        "subject": {"reference": "Patient/1"},
        "participant": [{"member": {"reference": "Practitioner/dentist"}}],
    }
    assessment = {"coding": [{"system": "http://loinc.org", "code": "83901-9"}]}
    came_along = ("Observation/o", "Binary/b", "DocumentReference/d")
    await put(store, care_team, document(), BINARY, CONVERTED)
    assert [await sees(store, one, dentist) for one in came_along] == [True, True, True]
    await put(store, document(type=assessment))
    assert [await sees(store, one, dentist) for one in came_along] == [False, False, False]
    assert await sees(store, "Observation/o")
    await put(store, document(category=[{"coding": [{"code": "10"}]}]))
    assert [await sees(store, one, dentist) for one in came_along] == [True, True, True]


async def test_a_parent_sees_a_minor_s_record_until_the_birthday(store: Store) -> None:
    parent = Grant("representative", "RelatedPerson/r", "app", parse_scopes("patient/*.rs"), patient_id="1")
    role = {"system": "http://terminology.hl7.org/CodeSystem/v3-RoleCode", "code": "FTH"}
    father = {
        "resourceType": "RelatedPerson",
        "id": "r",
        "patient": {"reference": "Patient/1"},
        "relationship": [{"coding": [role]}],
    }
    child = {"resourceType": "Patient", "id": "1", "birthDate": "2008-11-23"}
    await put(store, father, child, document(), CONVERTED)
    assert await sees(store, "Observation/o", parent)
    await put(store, {**child, "birthDate": "2008-11-22"})
    assert not await sees(store, "Observation/o", parent)
    await put(store, child)
    await put(store, father | {"active": False})
    assert not await sees(store, "Observation/o", parent)


async def test_a_consent_of_the_patient_closes_his_record_until_he_withdraws_it(store: Store) -> None:
    closing = {
        "resourceType": "Consent",
        "id": "c",
        "status": "active",
        "category": [{"coding": [{"system": RECORD_CONSENT_SYSTEM, "code": "closing"}]}],
        "patient": {"reference": "Patient/1"},
    }
    await put(store, document(), CONVERTED, closing)
    assert (await sees(store, "Observation/o"), await sees(store, "Consent/c")) == (False, True)
    await put(store, closing | {"status": "inactive"})
    assert await sees(store, "Observation/o")


async def test_an_attachment_does_not_follow_a_later_pointer(store: Store) -> None:
    await put(store, document(), BINARY)
    await put(store, {**document("2"), "id": "e"})
    assert (await sees(store, "Binary/b"), await sees(store, "Binary/b", STRANGER)) == (True, False)


async def test_nor_a_pointer_that_is_older_than_its_document(store: Store) -> None:
    await put(store, {**document("2", attached="Binary/other"), "id": "c"})
    await put(store, document(), BINARY)
    await put(store, {**document("2"), "id": "c"})
    assert (await sees(store, "Binary/b"), await sees(store, "Binary/b", STRANGER)) == (True, False)
    await put(store, document(attached="Binary/none"))
    assert not await sees(store, "Binary/b", STRANGER)


async def test_two_documents_of_one_patient_hide_their_attachment_when_one_is_hidden(store: Store) -> None:
    await put(store, document(), BINARY)
    await put(store, {**document(), "id": "e"})
    assert await sees(store, "Binary/b")
    await put(store, {**document(labels=INVISIBLE), "id": "e"})
    assert not await sees(store, "Binary/b")


async def test_a_security_context_governs(store: Store) -> None:
    await put(store, {**BINARY, "securityContext": {"reference": "Observation/o"}}, CONVERTED)
    assert await sees(store, "Binary/b")
    await put(store, document(labels=INVISIBLE))
    assert not await sees(store, "Binary/b")


async def test_a_label_of_any_resource_reaches_what_is_said_about_it(store: Store) -> None:
    observation = {key: value for key, value in CONVERTED.items() if key != "meta"}
    await put(store, observation, {**PROVENANCE, "target": [{"reference": "Observation/o"}]})
    assert await sees(store, "Provenance/p")
    await put(store, {**observation, "meta": {"security": INVISIBLE[0]["coding"]}})
    assert not await sees(store, "Provenance/p")


async def test_references_below_our_address_govern(store: Store) -> None:
    base_url = "https://fhir.example/fhir"
    indexing = Indexing(Extractor(base_urls=(base_url,)), (base_url,))
    absolute = {**CONVERTED, "meta": {"source": f"{base_url}/DocumentReference/d"}}
    await put(store, document(labels=INVISIBLE))
    rows = await store.transact(lambda transaction: index_rows(transaction, absolute, LABORATORY, indexing))
    assert [row[4] for row in rows if row[1] == "_label"] == ["INVISIBLE_PATIENT"]


class Watched:
    """A transaction that says which of its methods were called."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction
        self.called: list[str] = []

    def __getattr__(self, name: str) -> Any:
        self.called.append(name)
        return getattr(self._transaction, name)


async def test_nothing_is_read_for_a_resource_without_governor(store: Store) -> None:
    observation = {key: value for key, value in CONVERTED.items() if key != "meta"}

    async def work(transaction: Transaction) -> list[str]:
        watched: Any = Watched(transaction)
        await index_rows(watched, observation, LABORATORY)
        await reindex_governed(watched, None, observation, LABORATORY)
        await reindex_governed(watched, observation, {**observation, "status": "amended"}, LABORATORY)
        return list(watched.called)

    assert await store.transact(work) == []


def test_an_update_does_not_drop_the_document_a_resource_came_from() -> None:
    assert kept_source(CONVERTED, {"resourceType": "Observation"}) == "DocumentReference/d#o"
    assert kept_source(CONVERTED, {"meta": {"source": "DocumentReference/other"}}) == "DocumentReference/d#o"
    assert kept_source(CONVERTED, CONVERTED) == ""
    assert kept_source({"meta": {"source": "urn:x"}}, {}) == ""
    assert kept_source({}, CONVERTED) == ""


async def test_relabelling_reads_no_more_of_a_large_store(ask: Ask, statements: list[str]) -> None:
    await ask("update", "DocumentReference", "d", body=document())
    await ask("update", "Observation", "o", body=CONVERTED)
    statements.clear()
    await ask("update", "DocumentReference", "d", body=document(labels=INVISIBLE))
    assert not [statement for statement in statements if "UNION ALL" in statement], "a history of the whole store"
