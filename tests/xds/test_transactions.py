"""The transactions of XDS.b over SOAP, and the same documents over FHIR.

Spec: https://profiles.ihe.net/ITI/TF/Volume2 (ITI-18, ITI-41, ITI-43, ITI-57)
"""

import base64
from collections.abc import Callable
from typing import Any

import pytest
from lxml import etree

from mappings.xds import stored_query
from mappings.xds.vocabulary import APPROVED, ARCHIVED, DELETED, HAS_MEMBER, RIM, UPDATE_STATUS
from tests.xds.conftest import PROVIDE, QUERY, RETRIEVE, UPDATE, Xds, errors_of, status_of
from tests.xds.messages import (
    INS,
    INS_OID,
    PATIENT_ID,
    PDF,
    Document,
    association_xml,
    envelope,
    objects_xml,
    provide_xml,
    query_xml,
    related,
    retrieve_xml,
    slot_xml,
)

pytestmark = pytest.mark.anyio
OTHER_INS = "180015912300178"
OTHER_PATIENT = {"resourceType": "Patient", "identifier": [{"system": f"urn:oid:{INS_OID}", "value": OTHER_INS}]}

UNIQUE_ID = "1.2.250.1.999.42.1"
UUID = "urn:uuid:7d3b1d5e-94e5-4d4f-9f40-6f62d57a4d01"
RPLC = "urn:ihe:iti:2007:AssociationType:RPLC"
PATIENT_SLOTS = "".join(
    slot_xml(f"$XDS{kind}{name}", value)
    for kind in ("SubmissionSet", "Folder")
    for name, value in (("PatientId", f"'{PATIENT_ID}'"), ("Status", f"('{APPROVED}')"))
)
ANY_STATUS = f"('{APPROVED}','urn:oasis:names:tc:ebxml-regrep:StatusType:Deprecated','{ARCHIVED}')"


def objects_in(answer: etree._Element, kind: str = "ExtrinsicObject") -> list[etree._Element]:
    assert status_of(answer) == "Success", etree.tostring(answer)
    return list(answer.iter(f"{RIM}{kind}"))


async def found(xds: Xds, query_id: str, kind: str = "ExtrinsicObject", **slots: str) -> list[etree._Element]:
    return objects_in(await xds.registry(query_xml(query_id, **slots)), kind)


async def documents_found(xds: Xds, status: str = f"('{APPROVED}')", **slots: str) -> list[etree._Element]:
    asked = {"XDSDocumentEntryPatientId": f"'{PATIENT_ID}'", "XDSDocumentEntryStatus": status, **slots}
    return await found(xds, stored_query.FIND_DOCUMENTS, **asked)


def unique_id_of(element: etree._Element) -> str:
    wanted = "urn:uuid:2e82c1f6-a085-4c72-9da3-8640a32e42ab"
    identifiers = element.iter(f"{RIM}ExternalIdentifier")
    return next(one.get("value", "") for one in identifiers if one.get("identificationScheme") == wanted)


@pytest.mark.spec("https://profiles.ihe.net/ITI/TF/Volume2/ITI-41.html")
async def test_what_is_pushed_over_xds_is_found_over_fhir_and_over_xds(xds: Xds) -> None:
    assert status_of(await xds.provide(Document(UNIQUE_ID, entry_id=UUID))) == "Success"
    resources = await xds.find(f"DocumentReference?patient=dominique&identifier=urn:ietf:rfc:3986|urn:oid:{UNIQUE_ID}")
    assert [one["type"]["coding"][0]["code"] for one in resources] == ["11488-4"]
    assert resources[0]["custodian"] == {"reference": "Organization/horizon"}
    raw = await xds.client.get(resources[0]["content"][0]["attachment"]["url"].replace("Binary/", "/fhir/Binary/"))
    assert raw.content == PDF
    lists = await xds.find("List?code=submissionset")
    assert len(lists) == 1
    elements = await documents_found(xds)
    assert [element.get("id") for element in elements] == [UUID]
    assert unique_id_of(elements[0]) == UNIQUE_ID


@pytest.mark.spec("https://profiles.ihe.net/ITI/TF/Volume2/ITI-43.html")
async def test_the_bytes_come_back_as_they_went(xds: Xds) -> None:
    await xds.provide(Document(UNIQUE_ID))
    response = await xds.send("/xds/repository", envelope(retrieve_xml(UNIQUE_ID, "1.2.3"), RETRIEVE))
    assert response.headers["content-type"].startswith("multipart/related")
    assert PDF in response.content
    assert b"PartialSuccess" in response.content
    assert b"XDSDocumentUniqueIdError" in response.content
    missing = await xds.send("/xds/repository", envelope(retrieve_xml("1.2.3"), RETRIEVE))
    assert b"ResponseStatusType:Failure" in missing.content
    other = await xds.send("/xds/repository", envelope(retrieve_xml(UNIQUE_ID, repository="1.2.9"), RETRIEVE))
    assert b"XDSUnknownRepositoryId" in other.content


async def test_a_document_may_come_inside_the_message(xds: Xds) -> None:
    inside = f'<xds:Document id="Document01">{base64.b64encode(PDF).decode()}</xds:Document>'
    message = envelope(provide_xml(Document(UNIQUE_ID), set_id="1.2.3", inside=inside), PROVIDE)
    response = await xds.send("/xds/repository", message)
    assert b"ResponseStatusType:Success" in response.content
    assert len(await xds.find("DocumentReference")) == 1


async def test_a_replacement_deprecates_what_it_replaces(xds: Xds) -> None:
    await xds.provide(Document(UNIQUE_ID, entry_id=UUID))
    newer = Document("1.2.250.1.999.42.2", content=b"%PDF-1.4 newer")
    association = association_xml(RPLC, "Document01", UUID)
    answer = await xds.provide(newer, set_id="1.2.250.1.999.43.2", associations=association)
    assert status_of(answer) == "Success", etree.tostring(answer)
    assert [unique_id_of(one) for one in await documents_found(xds)] == [newer.unique_id]
    everything = await documents_found(xds, ANY_STATUS)
    assert {unique_id_of(one) for one in everything} == {UNIQUE_ID, newer.unique_id}
    related = await found(
        xds,
        stored_query.GET_RELATED_DOCUMENTS,
        "Association",
        XDSDocumentEntryEntryUUID=f"('{UUID}')",
        AssociationTypes=f"('{RPLC}')",
    )
    assert [(one.get("associationType"), one.get("targetObject")) for one in related] == [(RPLC, UUID)]


async def test_the_other_stored_queries_agree(xds: Xds) -> None:
    await xds.provide(Document(UNIQUE_ID, entry_id=UUID))
    by_unique_id = await found(xds, stored_query.GET_DOCUMENTS, XDSDocumentEntryUniqueId=f"('{UNIQUE_ID}')")
    assert [one.get("id") for one in by_unique_id] == [UUID]
    patient = f"'{PATIENT_ID}'"
    sets = await found(
        xds,
        stored_query.FIND_SUBMISSION_SETS,
        "RegistryPackage",
        XDSSubmissionSetPatientId=patient,
        XDSSubmissionSetStatus=f"('{APPROVED}')",
    )
    assert len(sets) == 1
    again = await found(xds, stored_query.GET_SUBMISSION_SETS, "RegistryPackage", uuid=f"('{UUID}')")
    assert [one.get("id") for one in again] == [sets[0].get("id")]
    contents = await found(
        xds,
        stored_query.GET_SUBMISSION_SET_AND_CONTENTS,
        "Association",
        XDSSubmissionSetEntryUUID=f"'{sets[0].get('id')}'",
    )
    assert [(one.get("sourceObject"), one.get("targetObject")) for one in contents] == [(sets[0].get("id"), UUID)]
    around = await found(xds, stored_query.GET_ASSOCIATIONS, "Association", uuid=f"('{UUID}')")
    assert [one.get("associationType") for one in around] == [HAS_MEMBER]
    whole = await xds.registry(
        query_xml(
            stored_query.GET_ALL,
            patientId=patient,
            XDSDocumentEntryStatus=ANY_STATUS,
            XDSSubmissionSetStatus=f"('{APPROVED}')",
            XDSFolderStatus=f"('{APPROVED}')",
        )
    )
    listed = whole.find(f"{RIM}RegistryObjectList")
    assert listed is not None
    kinds = [etree.QName(one).localname for one in listed]
    assert sorted(kinds) == ["Association", "ExtrinsicObject", "RegistryPackage"]


@pytest.mark.parametrize(
    ("slots", "count"),
    [
        ({"XDSDocumentEntryTypeCode": "('11488-4^^2.16.840.1.113883.6.1')"}, 1),
        ({"XDSDocumentEntryTypeCode": "('34112-3^^2.16.840.1.113883.6.1')"}, 0),
        ({"XDSDocumentEntryClassCode": "('10^^1.2.250.1.213.1.1.4.1')"}, 1),
        ({"XDSDocumentEntryConfidentialityCode": "('N^^2.16.840.1.113883.5.25')"}, 1),
        ({"XDSDocumentEntryCreationTimeFrom": "'20261103'", "XDSDocumentEntryCreationTimeTo": "'20261104'"}, 1),
        ({"XDSDocumentEntryCreationTimeTo": "'20261103'"}, 0),
        ({"XDSDocumentEntryServiceStartTimeFrom": "'202611'"}, 1),
        ({"XDSDocumentEntryAuthorPerson": "('%martin%')"}, 1),
        ({"XDSDocumentEntryAuthorPerson": "('%durand%')"}, 0),
    ],
    ids=str,
)
async def test_find_documents_by_each_criterion(xds: Xds, slots: dict[str, str], count: int) -> None:
    await xds.provide(Document(UNIQUE_ID))
    assert len(await documents_found(xds, **slots)) == count


async def test_object_references_are_enough_when_asked(xds: Xds) -> None:
    await xds.provide(Document(UNIQUE_ID, entry_id=UUID))
    answer = await xds.registry(
        query_xml(
            stored_query.FIND_DOCUMENTS,
            "ObjectRef",
            XDSDocumentEntryPatientId=f"'{PATIENT_ID}'",
            XDSDocumentEntryStatus=f"('{APPROVED}')",
        )
    )
    assert [one.get("id") for one in objects_in(answer, "ObjectRef")] == [UUID]


def masking(version: str, *labels: str, **change: Any) -> str:
    entry = Document(UNIQUE_ID, entry_id="Update01", logical_id=UUID, labels=labels, **change)
    objects = objects_xml(entry, set_id="1.2.250.1.999.43.9")
    member = f'targetObject="Update01"><rim:Slot name="PreviousVersion"><rim:ValueList><rim:Value>{version}'
    return objects.replace('targetObject="Update01">', f"{member}</rim:Value></rim:ValueList></rim:Slot>")


@pytest.mark.spec("https://profiles.ihe.net/ITI/TF/Volume2/ITI-57.html")
async def test_a_document_is_masked_by_a_metadata_update(xds: Xds) -> None:
    await xds.provide(Document(UNIQUE_ID, entry_id=UUID))
    answer = await xds.registry(masking("1", "N", "MASQUE_PS"), UPDATE)
    assert status_of(answer) == "Success", etree.tostring(answer)
    labels = (await xds.find("DocumentReference"))[0]["securityLabel"]
    assert [label["coding"][0]["code"] for label in labels] == ["N", "MASQUE_PS"]
    assert errors_of(await xds.registry(masking("1", "N"), UPDATE)) == ["XDSMetadataVersionError"]
    assert errors_of(await xds.registry(masking("2", "N", "MASQUÉ"), UPDATE)) == ["XDSRegistryMetadataError"]
    (document,) = await xds.find("DocumentReference")
    assert document["meta"]["versionId"] == "2"


@pytest.mark.spec("https://profiles.ihe.net/ITI/TF/Volume2/ITI-57.html")
@pytest.mark.parametrize("name", ["creationTime", "serviceStartTime", "serviceStopTime", "title", "patientId"])
async def test_a_metadata_update_changes_nothing_else_and_says_so(xds: Xds, name: str) -> None:
    await xds.provide(Document(UNIQUE_ID, entry_id=UUID))
    asked, expected = masking("1", "N"), "XDSMetadataUpdateError"
    if name == "title":
        asked = asked.replace("Compte rendu de consultation", "Autre titre")
    elif name == "patientId":
        await xds.client.post("/fhir/Patient", json=OTHER_PATIENT)
        asked, expected = asked.replace(INS, OTHER_INS), "XDSPatientIdDoesNotMatch"
    else:
        asked = masking("1", "N", slots={name: "20200101000000"})
    assert errors_of(await xds.registry(asked, UPDATE)) == [expected]
    assert (await xds.find("DocumentReference"))[0]["meta"]["versionId"] == "1"


async def test_what_a_submission_becomes_claims_no_profile_that_may_refuse_it(xds: Xds) -> None:
    await xds.provide(Document(UNIQUE_ID, entry_id=UUID))
    stored = [*await xds.find("DocumentReference"), *await xds.find("List")]
    assert [one["meta"].get("profile") for one in stored] == [None, None]


def status_change(original: str, new: str) -> str:
    association = association_xml(UPDATE_STATUS, "SubmissionSet01", UUID, OriginalStatus=original, NewStatus=new)
    return objects_xml(set_id="1.2.250.1.999.43.9", associations=association)


@pytest.mark.spec("https://profiles.ihe.net/ITI/TF/Volume2/ITI-57.html")
async def test_a_document_is_archived_and_taken_back(xds: Xds) -> None:
    await xds.provide(Document(UNIQUE_ID, entry_id=UUID))
    assert status_of(await xds.registry(status_change(APPROVED, ARCHIVED), UPDATE)) == "Success"
    assert await documents_found(xds) == []
    assert [one.get("status") for one in await documents_found(xds, f"('{ARCHIVED}')")] == [ARCHIVED]
    wrong = await xds.registry(status_change(APPROVED, ARCHIVED), UPDATE)
    assert errors_of(wrong) == ["XDSMetadataUpdateError"]
    assert status_of(await xds.registry(status_change(ARCHIVED, APPROVED), UPDATE)) == "Success"
    assert len(await documents_found(xds)) == 1


async def test_a_document_is_deleted_logically(xds: Xds) -> None:
    await xds.provide(Document(UNIQUE_ID, entry_id=UUID))
    answer = await xds.registry(status_change(APPROVED, DELETED), UPDATE)
    assert status_of(answer) == "Success", etree.tostring(answer)
    assert await documents_found(xds, ANY_STATUS) == []
    assert len(await documents_found(xds, f"('{DELETED}')")) == 1


async def stored_count(xds: Xds) -> int:
    """Return how many versions there are of what a submission writes."""
    total = 0
    for resource_type in ("DocumentReference", "Binary", "List", "Provenance", "Patient", "Organization"):
        history = (await xds.client.get(f"/fhir/{resource_type}/_history?_count=1")).raise_for_status().json()
        total += int(history["total"])
    return total


PROVIDED = provide_xml(Document(UNIQUE_ID), set_id="1.2.3")
PARTS = {"Document01@test": PDF}
UNKNOWN_LABEL = "XDSRegistryMetadataError"
BAD: dict[str, tuple[str, dict[str, bytes] | None, str]] = {
    "MTOM part missing": (PROVIDED, {}, "XDSMissingDocument"),
    "another part": (PROVIDED, {"Other@test": PDF}, "XDSMissingDocument"),
    "no document": (provide_xml(Document(UNIQUE_ID), set_id="1", inside=""), PARTS, "XDSMissingDocument"),
    "no base64": (
        provide_xml(Document(UNIQUE_ID), set_id="1", inside='<xds:Document id="Document01">~~~</xds:Document>'),
        None,
        "XDSRepositoryError",
    ),
    "document without entry": (
        PROVIDED.replace("</xds:Prov", '<xds:Document id="Alone">aGVsbG8=</xds:Document></xds:Prov'),
        PARTS,
        "XDSMissingDocumentMetadata",
    ),
    "wrong hash": (
        provide_xml(Document(UNIQUE_ID, slots={"hash": "0" * 40}), set_id="1"),
        PARTS,
        "XDSRepositoryMetadataError",
    ),
    "wrong size": (
        provide_xml(Document(UNIQUE_ID, slots={"size": "1"}), set_id="1"),
        PARTS,
        "XDSRepositoryMetadataError",
    ),
    "foreign patient": (PROVIDED.replace("279035121518989", "279035121518900"), PARTS, "XDSUnknownPatientId"),
    "patient of no authority": (PROVIDED.replace("1.2.250.1.213.1.4.10", "1.2.3"), PARTS, "XDSUnknownPatientId"),
    "two patients": (
        provide_xml(Document(UNIQUE_ID, patient_id="1^^^&amp;1.2.3&amp;ISO"), set_id="1"),
        PARTS,
        "XDSPatientIdDoesNotMatch",
    ),
    "replaces what is not here": (
        provide_xml(Document(UNIQUE_ID), set_id="1", associations=association_xml(RPLC, "Document01", UUID)),
        PARTS,
        "UnresolvedReferenceException",
    ),
    "an association of no meaning": (
        provide_xml(Document(UNIQUE_ID), set_id="1", associations=association_xml("urn:x", "Document01", UUID)),
        PARTS,
        "XDSRegistryMetadataError",
    ),
    "an association that begins elsewhere": (
        provide_xml(Document(UNIQUE_ID), set_id="1", associations=association_xml(RPLC, UUID, "Document01")),
        PARTS,
        "XDSRegistryMetadataError",
    ),
    "no submission set": (
        PROVIDED.replace("a54d6aa5-d40d-43f9-88c5-b4633d873bdd", "00000000-0000-0000-0000-000000000000"),
        PARTS,
        "XDSRegistryMetadataError",
    ),
    "no type": (PROVIDED.replace('nodeRepresentation="11488-4"', ""), PARTS, "XDSRegistryMetadataError"),
    "a misspelt mask": (
        PROVIDED.replace('nodeRepresentation="N"', 'nodeRepresentation="MASQUE"'),
        PARTS,
        UNKNOWN_LABEL,
    ),
    "a mask of another scheme": (
        PROVIDED.replace('nodeRepresentation="N"', 'nodeRepresentation="MASQUE_PS"'),
        PARTS,
        UNKNOWN_LABEL,
    ),
    "empty request": (
        "<xds:ProvideAndRegisterDocumentSetRequest xmlns:xds='urn:ihe:iti:xds-b:2007'/>",
        None,
        "XDSRepositoryError",
    ),
}


@pytest.mark.parametrize("name", BAD)
async def test_a_bad_submission_is_refused_and_nothing_is_written(xds: Xds, name: str) -> None:
    body, parts, code = BAD[name]
    before = await stored_count(xds)
    response = await xds.send("/xds/repository", envelope(body, PROVIDE), parts)
    assert response.status_code == 200
    answer = etree.fromstring(response.content)
    assert errors_of(answer) == [code], response.text
    assert await stored_count(xds) == before


async def test_a_unique_id_is_used_once(xds: Xds) -> None:
    await xds.provide(Document(UNIQUE_ID))
    before = await stored_count(xds)
    answer = await xds.provide(Document(UNIQUE_ID, content=b"%PDF other"), set_id="1.2.250.1.999.43.2")
    assert errors_of(answer) == ["XDSDuplicateUniqueIdInRegistry"]
    assert await stored_count(xds) == before


async def test_a_document_cannot_be_replaced_twice(xds: Xds) -> None:
    await xds.provide(Document(UNIQUE_ID, entry_id=UUID))
    association = association_xml(RPLC, "Document01", UUID)
    for number, codes in ((2, []), (3, ["XDSRegistryDeprecatedDocumentError"])):
        newer = Document(f"1.2.250.1.999.42.{number}", content=b"%%PDF %d" % number)
        answer = await xds.provide(newer, set_id=f"1.2.250.1.999.43.{number}", associations=association)
        assert errors_of(answer) == codes, etree.tostring(answer)
    appended = association_xml("urn:ihe:iti:2007:AssociationType:APND", "Document01", UUID)
    answer = await xds.provide(Document("1.2.250.1.999.42.4"), set_id="1.2.250.1.999.43.4", associations=appended)
    assert errors_of(answer) == ["XDSRegistryDeprecatedDocumentError"]


MESSAGES: dict[str, tuple[str, bytes, int, str]] = {
    "DTD": ("application/soap+xml", b'<!DOCTYPE x [<!ENTITY e "e">]><x>&e;</x>', 400, "Sender"),
    "no XML": ("application/soap+xml", b"hello", 400, "Sender"),
    "no envelope": ("application/soap+xml", b"<hello/>", 400, "VersionMismatch"),
    "unknown action": ("application/soap+xml", envelope("<a/>", "urn:nothing"), 400, "ActionNotSupported"),
    "no action": ("application/soap+xml", envelope("<a/>", ""), 400, "ActionNotSupported"),
    "unknown query": ("application/soap+xml", envelope(query_xml("urn:uuid:1"), QUERY), 200, "XDSUnknownStoredQuery"),
    "JSON": ("application/json", b"{}", 400, "Sender"),
    "no boundary": ("multipart/related", b"x", 400, "Sender"),
    "no last boundary": (
        'multipart/related; boundary="b"; type="application/xop+xml"',
        b"--b\r\nContent-ID: <a>\r\n\r\nx",
        400,
        "Sender",
    ),
    "too deep": ("application/soap+xml", envelope("<a>" * 200 + "</a>" * 200, QUERY), 400, "Sender"),
}


@pytest.mark.parametrize("name", MESSAGES)
async def test_a_message_that_is_none_gets_a_fault(xds: Xds, name: str) -> None:
    content_type, content, status, word = MESSAGES[name]
    response = await xds.client.post("/xds/registry", content=content, headers={"Content-Type": content_type})
    assert (response.status_code, word in response.text) == (status, True), response.text


async def test_a_header_that_must_be_understood_and_is_not_gets_a_fault(xds: Xds) -> None:
    message = envelope(retrieve_xml("1.2.3"), RETRIEVE)
    block = b'<x:Y xmlns:x="urn:x" soap:mustUnderstand="true"/></soap:Header>'
    response = await xds.send("/xds/repository", message.replace(b"</soap:Header>", block))
    assert response.status_code == 400
    assert "MustUnderstand" in response.text


async def test_the_description_tells_the_address(xds: Xds) -> None:
    for name in ("registry", "repository"):
        response = await xds.client.get(f"/xds/{name}?wsdl")
        assert f"http://fhir.example.fr/xds/{name}" in response.text
    assert (await xds.client.get("/xds/registry")).status_code == 405
    assert (await xds.client.get("/xds/other")).status_code == 404


@pytest.mark.spec("https://profiles.ihe.net/ITI/MHD/ITI-105.html")
async def test_what_is_published_over_fhir_is_found_and_retrieved_over_xds(xds: Xds) -> None:
    content = b"%PDF-1.4 born in FHIR"
    resource = {
        "resourceType": "DocumentReference",
        "meta": {
            "profile": ["https://interop.esante.gouv.fr/ig/fhir/pdsm/StructureDefinition/pdsm-simplified-publish"]
        },
        "masterIdentifier": {"system": "urn:ietf:rfc:3986", "value": "urn:oid:1.2.250.1.999.42.9"},
        "status": "current",
        "type": {"coding": [{"system": "http://loinc.org", "code": "11488-4"}]},
        "subject": {"reference": "Patient/dominique"},
        "date": "2026-11-03T10:00:00+01:00",
        "author": [{"reference": "Practitioner/dr-martin"}],
        "custodian": {"reference": "Organization/horizon"},
        "securityLabel": [
            {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "N"}]}
        ],
        "content": [
            {
                "attachment": {
                    "contentType": "application/pdf",
                    "language": "fr-FR",
                    "title": "Compte rendu",
                    "data": base64.b64encode(content).decode(),
                }
            }
        ],
        "context": {
            "period": {"start": "2026-11-03T09:00:00+01:00"},
            "facilityType": {"coding": [{"system": "urn:oid:1.2.250.1.71.4.2.4", "code": "SA07"}]},
            "practiceSetting": {"coding": [{"system": "urn:oid:1.2.250.1.213.1.1.4.9", "code": "AMBULATOIRE"}]},
        },
    }
    response = await xds.client.post("/fhir/DocumentReference", json=resource)
    assert response.status_code == 201, response.text
    entry = (await documents_found(xds))[0]
    assert (unique_id_of(entry), entry.get("mimeType")) == ("1.2.250.1.999.42.9", "application/pdf")
    slots = {one.get("name"): [value.text for value in one.iter(f"{RIM}Value")] for one in entry.iter(f"{RIM}Slot")}
    assert slots["creationTime"] == ["20261103090000"]
    assert slots["size"] == [str(len(content))]
    retrieved = await xds.send("/xds/repository", envelope(retrieve_xml("1.2.250.1.999.42.9"), RETRIEVE))
    assert content in retrieved.content


VARIANTS: dict[str, Callable[[str, bytes], tuple[str, bytes]]] = {
    "boundary without quotes": lambda kind, body: (kind.replace('"MIME_boundary_7"', "MIME_boundary_7"), body),
    "no start": lambda kind, body: (kind.replace('start="<root@test>"; ', ""), body),
    "start without brackets": lambda kind, body: (kind.replace("<root@test>", "root@test"), body),
    "no start-info": lambda kind, body: (kind.partition("; start-info")[0], body),
    "a preamble": lambda kind, body: (kind, b"For software without MIME.\r\n" + body),
    "an epilogue": lambda kind, body: (kind, body + b"The end."),
    "a Content-ID written as a URL": lambda kind, body: (kind, body.replace(b"cid:Document01@", b"cid:Document01%40")),
    "a part in base64": lambda kind, body: (
        kind,
        body.replace(PDF, base64.encodebytes(PDF)).replace(
            b"application/pdf\r\nContent-Transfer-Encoding: binary",
            b"application/pdf\r\nContent-Transfer-Encoding: base64",
        ),
    ),
    "a header for somebody on the way": lambda kind, body: (
        kind,
        body.replace(
            b"</soap:Header>",
            b'<x:Y xmlns:x="urn:x" soap:mustUnderstand="true" soap:role="http://www.w3.org/2003/05/soap-envelope/role/'
            b'none"/></soap:Header>',
        ),
    ),
}


@pytest.mark.parametrize("name", VARIANTS)
async def test_the_parts_of_a_message_come_in_many_ways(xds: Xds, name: str) -> None:
    content_type, body = VARIANTS[name](*related(envelope(PROVIDED, PROVIDE), PARTS))
    response = await xds.client.post("/xds/repository", content=body, headers={"Content-Type": content_type})
    assert response.status_code == 200, response.text
    assert "ResponseStatusType:Success" in response.text
    found = await xds.send("/xds/repository", envelope(retrieve_xml(UNIQUE_ID), RETRIEVE))
    assert PDF in found.content


@pytest.mark.parametrize(
    ("query", "code"),
    [
        (query_xml(stored_query.FIND_SUBMISSION_SETS, XDSSubmissionSetBogus="'x'"), "XDSRegistryError"),
        (query_xml(stored_query.FIND_SUBMISSION_SETS, "RegistryObject"), "XDSRegistryError"),
        (query_xml(stored_query.FIND_FOLDERS, XDSFolderAuthorPerson="'x'"), "XDSRegistryError"),
    ],
)
async def test_what_a_query_would_leave_unread_is_refused(xds: Xds, query: str, code: str) -> None:
    asked = query.replace("</rim:AdhocQuery>", PATIENT_SLOTS + "</rim:AdhocQuery>")
    assert errors_of(await xds.registry(asked)) == [code]


async def test_submission_sets_are_found_by_their_author(xds: Xds) -> None:
    await xds.provide(Document(UNIQUE_ID))
    asked = {"XDSSubmissionSetPatientId": f"'{PATIENT_ID}'", "XDSSubmissionSetStatus": f"('{APPROVED}')"}
    for pattern, count in (("'%MARTIN%'", 1), ("'%DURAND%'", 0)):
        slots = {**asked, "XDSSubmissionSetAuthorPerson": pattern}
        assert len(await found(xds, stored_query.FIND_SUBMISSION_SETS, "RegistryPackage", **slots)) == count


async def test_uses_of_a_parameter_are_joined_by_and(xds: Xds) -> None:
    await xds.provide(Document(UNIQUE_ID, labels=("N", "MASQUE_PS")))
    label = "XDSDocumentEntryConfidentialityCode"
    once = query_xml(
        stored_query.FIND_DOCUMENTS,
        XDSDocumentEntryPatientId=f"'{PATIENT_ID}'",
        XDSDocumentEntryStatus=f"('{APPROVED}')",
        **{label: "('N^^2.16.840.1.113883.5.25')"},
    )
    for code, count in (("MASQUE_PS^^1.2.250.1.213.1.1.4.13", 1), ("R^^2.16.840.1.113883.5.25", 0)):
        twice = once.replace("</rim:AdhocQuery>", slot_xml(f"${label}", f"('{code}')") + "</rim:AdhocQuery>")
        assert len(objects_in(await xds.registry(twice))) == count
