"""`$import-cda`: the original kept, identities matched, everything in one transaction, twice changes nothing."""

import asyncio
import base64
from pathlib import Path
from typing import Any

import pytest

from fhir_server.foundation.operation_outcome import Duplicate, FhirError
from fhir_server.interactions.request import Runtime
from tests.documents.conftest import BIOLOGY, LABORATORY, OTHER, VACCINATION, Push, parameter

pytestmark = pytest.mark.anyio
DOCUMENT_ID = b'<id root="1.2.250.1.213.99.7.1"/>'
REPLACES = b"""<relatedDocument typeCode="RPLC"><parentDocument><id root="1.2.250.1.213.99.7.1"/></parentDocument>
</relatedDocument>"""


def second_version(content: bytes) -> bytes:
    """The report again under a new id, with another result, replacing the first one."""
    content = content.replace(DOCUMENT_ID, b'<id root="1.2.250.1.213.99.7.2"/>').replace(b'"5.10"', b'"5.20"')
    return content.replace(b"<componentOf>", REPLACES + b"<componentOf>")


async def test_the_original_is_kept_byte_for_byte(push: Push, find: Any) -> None:
    await push(BIOLOGY)
    (document,) = [found for found in await find("DocumentReference") if "masterIdentifier" in found]
    attachment = document["content"][0]["attachment"]
    binaries = {f"Binary/{binary['id']}": binary for binary in await find("Binary")}
    original = binaries[attachment["url"]]
    assert base64.b64decode(original["data"]) == BIOLOGY
    assert original["securityContext"]["reference"] == f"DocumentReference/{document['id']}"
    assert attachment["size"] == len(BIOLOGY)


async def test_importing_twice_changes_nothing(push: Push, find: Any, runtime: Runtime) -> None:
    first = await push(BIOLOGY)
    before = {(found["resourceType"], found["id"]): found["meta"]["versionId"] for found in await find("")}
    second = await push(BIOLOGY)
    after = {(found["resourceType"], found["id"]): found["meta"]["versionId"] for found in await find("")}
    assert (first.status, second.status) == (201, 200)
    assert parameter(second, "created")["valueBoolean"] is False
    assert parameter(first, "document")["valueReference"] == parameter(second, "document")["valueReference"]
    changed = {key for key in before.keys() ^ after.keys() if key[0] != "AuditEvent"}
    assert not changed
    assert set(after.values()) == {"1"}


async def test_parallel_pushes_make_one_document(push: Push, find: Any) -> None:
    responses = await asyncio.gather(*(push(BIOLOGY) for _ in range(8)))
    assert sorted(response.status for response in responses) == [200] * 7 + [201]
    assert len([found for found in await find("DocumentReference") if "masterIdentifier" in found]) == 1
    assert len(await find("Patient")) == 1


async def test_other_content_under_the_same_id_is_refused(push: Push, find: Any) -> None:
    await push(BIOLOGY)
    with pytest.raises(Duplicate, match=r"1\.2\.250\.1\.213\.99\.7\.1"):
        await push(BIOLOGY.replace(b'"5.10"', b'"9.99"'))
    (result,) = await find("Observation", code="3016-3")
    assert result["valueQuantity"]["value"] == 5.1


async def test_people_and_organizations_are_matched_by_national_identifiers(push: Push, find: Any) -> None:
    await push(BIOLOGY)
    await push(VACCINATION, OTHER)
    await push(BIOLOGY.replace(DOCUMENT_ID, b'<id root="1.2.250.1.213.99.7.3"/>'))
    (patient,) = await find("Patient")
    assert {found["subject"]["reference"] for found in await find("Composition")} == {f"Patient/{patient['id']}"}
    assert len(await find("Practitioner")) == 2
    assert len(await find("Organization")) == 2
    assert len(await find("PractitionerRole")) == 2


async def test_a_known_patient_with_other_traits_is_kept_and_told(push: Push, find: Any) -> None:
    await push(BIOLOGY)
    other = VACCINATION.replace(b'<birthTime value="19790328"/>', b'<birthTime value="19790329"/>')
    response = await push(other)
    told = [issue["diagnostics"] for issue in parameter(response, "outcome")["resource"]["issue"]]
    assert [text for text in told if "1979-03-29" in text and "1979-03-28" in text]
    (patient,) = await find("Patient")
    assert patient["birthDate"] == "1979-03-28"


async def test_what_was_converted_names_its_document(push: Push, find: Any) -> None:
    response = await push(BIOLOGY)
    document = parameter(response, "document")["valueReference"]["reference"]
    for resource_type in ("Composition", "Observation", "DiagnosticReport", "Provenance", "Encounter"):
        found = await find(resource_type)
        assert found, resource_type
        assert {resource["meta"]["source"] for resource in found} == {document}
    (provenance,) = await find("Provenance")
    assert {agent["who"]["reference"] for agent in provenance["agent"]} >= {LABORATORY.actor}
    assert document in {target["reference"] for target in provenance["target"]}


async def test_a_new_version_supersedes_the_old_one(push: Push, find: Any) -> None:
    old = parameter(await push(BIOLOGY), "document")["valueReference"]["reference"]
    new = parameter(await push(second_version(BIOLOGY)), "document")["valueReference"]["reference"]
    by_reference = {f"DocumentReference/{found['id']}": found for found in await find("DocumentReference")}
    assert (by_reference[old]["status"], by_reference[new]["status"]) == ("superseded", "current")
    assert by_reference[new]["relatesTo"][0]["target"]["reference"] == old
    (result,) = await find("Observation", code="3016-3")
    assert result["valueQuantity"]["value"] == 5.2
    assert result["meta"]["source"] == new


async def test_another_depositor_does_not_replace(push: Push, find: Any) -> None:
    old = parameter(await push(BIOLOGY), "document")["valueReference"]["reference"]
    response = await push(second_version(BIOLOGY), OTHER)
    told = [issue["diagnostics"] for issue in parameter(response, "outcome")["resource"]["issue"]]
    assert [text for text in told if "deposited by another" in text]
    (kept,) = [found for found in await find("DocumentReference") if f"DocumentReference/{found['id']}" == old]
    assert kept["status"] == "current"


async def test_a_refusal_in_the_middle_writes_nothing(push: Push, find: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from fhir_server.documents.cda import storing

    async def fail(self: storing.Storing, *args: object) -> None:
        raise FhirError("in the middle")

    monkeypatch.setattr(storing.Storing, "_trace", fail)
    with pytest.raises(FhirError, match="in the middle"):
        await push(BIOLOGY)
    assert await find("Patient") == []
    assert await find("Binary") == []


@pytest.mark.slow
async def test_every_real_document_is_imported(push: Push, find: Any, shared: Path) -> None:
    files = sorted((shared / "data" / "cda").glob("*.xml"))
    statuses, refusals = [], []
    for file in files:
        try:
            statuses.append((await push(file.read_bytes())).status)
        except Duplicate as duplicate:
            refusals.append(str(duplicate))
    # Two of the samples bear the same document id with other content: the second is refused, as uniqueId demands.
    assert statuses == [201] * 96
    assert len(refusals) == 1
    assert "1.2.250.1.213.1.1.1.5.12345.4" in refusals[0]
    assert len([found for found in await find("DocumentReference") if "masterIdentifier" in found]) == 96
