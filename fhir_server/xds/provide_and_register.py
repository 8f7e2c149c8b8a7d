"""Provide and Register Document Set-b: a submission of documents, as the Bundle of ITI-65.

Spec: https://profiles.ihe.net/ITI/TF/Volume2/ITI-41.html
"""

import base64
import binascii
from urllib.parse import unquote
from uuid import UUID

from fhir_server.foundation.dates import format_instant
from fhir_server.interactions.request import Request
from fhir_server.xds.call import Call, Element, Reply
from fhir_server.xds.finding import Finding, Resource
from fhir_server.xds.refusals import registry_response
from mappings.xds.authors import organization_of
from mappings.xds.document_entry import entry_uuid_of
from mappings.xds.ebrim import MetadataRefused
from mappings.xds.submission import Filing, Submission, parse_submission, provide_bundle
from mappings.xds.vocabulary import DOCUMENT_AUTHOR, LCM, XDS

XOP_INCLUDE = "{http://www.w3.org/2004/08/xop/include}Include"


async def provide_and_register(call: Call) -> Reply:
    """Store the documents and their metadata, all or nothing. Raises MetadataRefused and FhirError."""
    submitted = call.body.find(f"{LCM}SubmitObjectsRequest")
    if call.body.tag != f"{XDS}ProvideAndRegisterDocumentSetRequest" or submitted is None:
        text = "The body must be a ProvideAndRegisterDocumentSetRequest that holds a SubmitObjectsRequest."
        raise MetadataRefused(text, code="XDSRepositoryError")
    submission = parse_submission(submitted)
    contents = {document.get("id", ""): content_of(document, call) for document in call.body.iter(f"{XDS}Document")}
    finding = Finding(call)
    patient = await finding.patient(submission.patient_id)
    refuse_other_patient(call, patient)
    bundle = provide_bundle(submission, contents, await _filing(call, finding, submission, patient))
    await finding.ask("transaction", change=Request("transaction", call.grant, resource=bundle))
    return Reply(registry_response())


def refuse_other_patient(call: Call, patient: str) -> None:
    """Raise MetadataRefused when the caller's assertion is for another patient's record than the message."""
    if call.grant.patient_id and patient != f"Patient/{call.grant.patient_id}":
        text = "The assertion was made for the record of another patient than the message speaks of."
        raise MetadataRefused(text, code="XDSPatientIdDoesNotMatch")


def content_of(document: Element, call: Call) -> bytes:
    """Return the bytes of a Document: the MIME part that it includes, or its own base64."""
    include = document.find(XOP_INCLUDE)
    if include is not None:
        content_id = unquote(include.get("href", "").removeprefix("cid:"))
        content = call.attachments.get(content_id)
        if content is None:
            text = f"The MIME part {content_id[:80]} of the document {document.get('id', '')} is not in the message."
            raise MetadataRefused(text, document.get("id", ""), "XDSMissingDocument")
        return content
    try:
        return base64.b64decode("".join((document.text or "").split()), validate=True)
    except (binascii.Error, ValueError):
        text = f"The document {document.get('id', '')} is no base64."
        raise MetadataRefused(text, document.get("id", ""), "XDSRepositoryError") from None


async def _filing(call: Call, finding: Finding, submission: Submission, patient: str) -> Filing:
    submitted = (submission.submission_set, *submission.entries, *submission.folders)
    return Filing(
        subject={"reference": patient},
        custodian=await _custodian(call, finding, submission),
        stored=await _stored(finding, submission.outside()),
        uuids={one.object_id: _uuid(one.object_id) or f"urn:uuid:{call.runtime.new_id()}" for one in submitted},
        now=format_instant(call.runtime.now()),
    )


def _uuid(object_id: str) -> str:
    """Return an entryUUID that the sender gave, in lower case; "" for a symbolic id."""
    try:
        return f"urn:uuid:{UUID(object_id.removeprefix('urn:uuid:'))}" if object_id.startswith("urn:uuid:") else ""
    except ValueError:
        return ""


async def _stored(finding: Finding, object_ids: list[str]) -> dict[str, str]:
    """Return the references of stored documents and folders; raises MetadataRefused for one that is not here."""
    documents = await finding.by_entry_uuid("DocumentReference", object_ids)
    lists = await finding.by_entry_uuid("List", object_ids)
    known: dict[str, str] = {}
    for resource in (*documents.matches, *lists.matches):
        reference = f"{resource['resourceType']}/{resource['id']}"
        known[entry_uuid_of(resource)] = reference
        known[f"urn:uuid:{resource['id']}"] = reference
    for object_id in object_ids:
        if object_id not in known:
            text = f"An association names {object_id[:80]}, which is neither submitted nor stored."
            raise MetadataRefused(text, object_id, "UnresolvedReferenceException")
    return {object_id: known[object_id] for object_id in object_ids}


async def _custodian(call: Call, finding: Finding, submission: Submission) -> Resource | None:
    """Return who keeps the documents: the structure of the assertion, else that of the first author.

    Choice: XDS does not tell it and PDSm requires it.
    """
    if call.grant.organizations:
        return {"reference": call.grant.organizations[0]}
    authors = [one for entry in submission.entries for one in entry.classified(DOCUMENT_AUTHOR)]
    texts = [text for one in authors for text in one.slots.get("authorInstitution", ())]
    organizations = [organization_of(text, "custodian") for text in texts]
    identifiers = [one for organization in organizations for one in organization.get("identifier", ())]
    known = await finding.organization(identifiers)
    if known:
        return {"reference": known}
    named = [one for one in organizations if "name" in one]
    return {"display": named[0]["name"], "identifier": identifiers[0]} if named and identifiers else None
