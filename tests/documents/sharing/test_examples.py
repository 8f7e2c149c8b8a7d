"""The official examples of PDSm and of PDSm for the DMP, played against the server; each outcome is defended."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from fhir_server.access.grant import OPEN
from fhir_server.foundation import fhir_json
from fhir_server.foundation.operation_outcome import FhirError
from tests.documents.sharing.conftest import Ask, Provide, entries
from tests.documents.sharing.submissions import INS, Resource, patient

pytestmark = pytest.mark.anyio
DMP, PDSM = "pdsm4dmp-0.1.0", "pdsm-3.1.1"
OLD = "doc-x-id"


def read(shared: Path, guide: str, name: str) -> Resource:
    found: Resource = fhir_json.parse((shared / "data" / "examples" / guide / f"{name}.json").read_bytes())
    return found


@pytest.fixture
async def dmp(ask: Ask) -> str:
    """The patient of the DMP's examples has a record."""
    created = await ask("create", "Patient", resource=patient("123456789012345"))
    assert created.version is not None
    return created.version.reference


async def test_td2_the_submission_of_the_guide_is_stored(provide: Provide, dmp: str, shared: Path, find: Any) -> None:
    """Stored. It has no custodian, which PDSm asks for and XDS does not know; its class is not the one of its type
    (ASS_X04): the class of the source stays. Its CDA is an empty element: kept as it is, with a warning."""
    response = await provide(read(shared, DMP, "Bundle-example-td2-iti65-lot-soumission"))
    assert [one["response"]["status"] for one in entries(response)] == ["201 Created"] * 3
    (warning,) = entries(response)[1]["response"]["outcome"]["issue"]
    assert (warning["severity"], warning["code"]) == ("warning", "incomplete")
    (stored,) = await find("DocumentReference")
    assert stored["category"][0]["coding"][0]["code"] == "11"
    assert stored["subject"]["reference"] == dmp


async def test_td2_1_the_replacement_of_the_guide_is_stored(
    provide: Provide, ask: Ask, dmp: str, shared: Path, find: Any
) -> None:
    """Stored, once the document that it replaces is there: as the example has it, it is superseded already, and was
    then replaced before; published current, it is replaced."""
    old = read(shared, DMP, "DocumentReference-doc-x-id") | {"subject": {"reference": dmp}}
    await ask("update", "DocumentReference", resource_id=OLD, resource=old)
    replacement = read(shared, DMP, "Bundle-example-td2-1-remplacement")
    with pytest.raises(FhirError, match="only once") as refused:
        await provide(replacement, OPEN)
    assert refused.value.status == 409
    await ask("update", "DocumentReference", resource_id=OLD, resource=old | {"status": "current"})
    response = await provide(replacement, OPEN)
    assert [one["response"]["status"] for one in entries(response)] == [
        "201 Created",
        "201 Created",
        "200 OK",
        "201 Created",
    ]
    statuses = {one["id"]: one["status"] for one in await find("DocumentReference")}
    assert statuses.pop(OLD) == "superseded"
    assert list(statuses.values()) == ["current"]


async def test_td2_the_simplified_publish_of_the_guide_is_stored(ask: Ask, dmp: str, shared: Path) -> None:
    """Stored: class, label, size, hash and submission set are made here, as it has none of them."""
    asked = read(shared, DMP, "DocumentReference-example-td2-iti105-publication-simplifiee")
    response = await ask("create", "DocumentReference", resource=asked)
    stored = msgspec.json.decode(response.content)
    assert (response.status, stored["category"][0]["coding"][0]["code"]) == (201, "10")
    assert stored["content"][0]["attachment"]["size"] == 80


async def test_pdsm_the_simplified_publish_of_the_guide_is_refused(ask: Ask, shared: Path, find: Any) -> None:
    """Refused: its size and its hash (that of an empty file) are not those of the document it holds, and its patient is
    not here. With those mended it would be stored."""
    asked = read(shared, PDSM, "DocumentReference-PDSmSimplifiedExample")
    with pytest.raises(FhirError) as refused:
        await ask("create", "DocumentReference", resource=asked)
    told = {issue.expression[0] for issue in refused.value.issues}
    assert told == {f"DocumentReference.content[0].attachment.{name}" for name in ("size", "hash")}
    assert await find("Binary") == []


async def test_pdsm_list_document_and_folder_of_the_guide_make_a_submission(
    provide: Provide, ask: Ask, shared: Path, find: Any
) -> None:
    """Refused as they are: what they contain has versions (dom-4) and is referred to by nobody (dom-3); then the size
    and the hash (that of an empty file) are not those of the Binary. With that mended, the List, the DocumentReference,
    the folder and the Binary of the guide are one submission, and stored."""
    for resource in (read(shared, PDSM, "Patient-fr-patient-123"), read(shared, PDSM, "Organization-org-example")):
        await ask("update", resource["resourceType"], resource_id=resource["id"], resource=resource)
    names = ["List-ExampleSubmissionSet", "DocumentReference-exemple-pdsm-documentreference", "List-ExampleFolder"]
    parts = [read(shared, PDSM, name) for name in (*names, "Binary-6789")]
    assert await told_of(provide, parts) == {"contained[0]", "contained[1]"}
    for contained in (one for part in parts for one in part.get("contained", ())):
        del contained["meta"]
    assert await told_of(provide, parts) == {"contained[0]"}
    parts[1]["author"] = [{"reference": "#practitioner-example"}]
    parts[0]["entry"].append({"item": {"reference": "List/ExampleFolder"}})
    attachment = parts[1]["content"][0]["attachment"]
    assert await told_of(provide, parts) == {"size", "hash"}
    del attachment["size"], attachment["hash"]
    response = await provide(bundle_of(parts), OPEN)
    assert [one["response"]["status"] for one in entries(response)] == ["201 Created"] * 4
    assert len(await find("List", subject="Patient/fr-patient-123")) == 2


async def told_of(provide: Provide, parts: list[Resource]) -> set[str]:
    """The elements that a refusal of the parts names."""
    with pytest.raises(FhirError) as refused:
        await provide(bundle_of(parts), OPEN)
    return {issue.expression[0].rpartition(".")[2] for issue in refused.value.issues}


def bundle_of(parts: list[Resource]) -> Resource:
    """A bundle whose fullUrls the relative references of the parts resolve against."""
    base = "http://example.fr/fhir"
    made = [
        {
            "fullUrl": f"{base}/{part['resourceType']}/{part['id']}",
            "resource": part,
            "request": {"method": "POST", "url": part["resourceType"]},
        }
        for part in parts
    ]
    profile = (
        "https://interop.esante.gouv.fr/ig/fhir/pdsm/StructureDefinition/pdsm-comprehensive-provide-document-bundle"
    )
    return {"resourceType": "Bundle", "meta": {"profile": [profile]}, "type": "transaction", "entry": made}


async def test_td3_1_the_requests_of_the_guide_find_the_documents(
    provide: Provide, ask: Ask, dmp: str, shared: Path
) -> None:
    await provide(read(shared, DMP, "Bundle-example-td2-iti65-lot-soumission"))
    asked = (
        {"patient.identifier": f"{INS}|123456789012345", "status": "current"},
        {
            "patient.identifier": f"{INS}|123456789012345",
            "identifier": "urn:ietf:rfc:3986|urn:oid:1.2.250.1.213.1.4.8.99999.2",
        },
    )
    for parameters in asked:
        response = await ask("search", "DocumentReference", parameters=tuple(parameters.items()))
        assert len(entries(response)) == 1
