"""Retrieve Document Set: the bytes of documents, by their uniqueIds.

Spec: https://profiles.ihe.net/ITI/TF/Volume2/ITI-43.html
"""

import base64
import hashlib
from typing import Final

from lxml import etree

from fhir_server.foundation import fhir_json
from fhir_server.foundation.operation_outcome import FhirError
from fhir_server.xds.call import Attachment, Call, Element, Reply
from fhir_server.xds.finding import Finding, Resource
from fhir_server.xds.provide_and_register import XOP_INCLUDE
from fhir_server.xds.refusals import RegistryError, registry_response
from mappings.xds import hl7v2
from mappings.xds.ebrim import MetadataRefused
from mappings.xds.vocabulary import FAILURE, PARTIAL, RS, SUCCESS, XDS

DOCUMENTS_MAXIMUM: Final = 100


async def retrieve_document_set(call: Call) -> Reply:
    """Return the documents; one that is not here, or that the caller may not see, is an error like any other."""
    asked = [_asked(one) for one in call.body.iterchildren(f"{XDS}DocumentRequest")]
    if call.body.tag != f"{XDS}RetrieveDocumentSetRequest" or not asked:
        text = "The body must be a RetrieveDocumentSetRequest with a DocumentRequest."
        raise MetadataRefused(text, code="XDSRepositoryError")
    if len(asked) > DOCUMENTS_MAXIMUM:
        text = f"At most {DOCUMENTS_MAXIMUM} documents are retrieved at once."
        raise MetadataRefused(text, code="XDSRepositoryError")
    finding = Finding(call)
    found = await finding.by_unique_id(unique_id for repository, unique_id in asked if repository == call.repository)
    documents = {hl7v2.unique_id(one.get("masterIdentifier", {})): one for one in found.matches}
    errors: list[RegistryError] = []
    answered: list[tuple[str, Attachment]] = []
    for repository, unique_id in asked:
        document = documents.get(unique_id)
        attachment = await _attachment(call, finding, document) if document is not None else None
        if repository != call.repository:
            text = f"This repository is {call.repository}, not {repository[:80]}."
            errors.append(RegistryError("XDSUnknownRepositoryId", text, repository))
        elif attachment is None:
            text = f"The document {unique_id[:80]} is not available here."
            errors.append(RegistryError("XDSDocumentUniqueIdError", text, unique_id))
        else:
            answered.append((unique_id, attachment))
    return Reply(_response(call, answered, errors), tuple(attachment for _, attachment in answered))


def _asked(one: Element) -> tuple[str, str]:
    names = ("RepositoryUniqueId", "DocumentUniqueId")
    found = [(one.findtext(f"{XDS}{name}") or "").strip() for name in names]
    return found[0], found[1]


async def _attachment(call: Call, finding: Finding, document: Resource) -> Attachment | None:
    """Return the bytes that a DocumentReference points at; None when they are not here, or not for the caller."""
    described = document["content"][0]["attachment"]
    resource_type, _, resource_id = described.get("url", "").removeprefix(f"{call.base_url}/").partition("/")
    if resource_type not in ("Binary", "Bundle") or "/" in resource_id:
        return None
    try:
        version = (await finding.ask("read", resource_type, resource_id)).version
    except FhirError:
        return None
    if version is None:
        return None
    content = version.content
    if resource_type == "Binary":
        content = base64.b64decode(fhir_json.parse(version.content).get("data", ""))
    content_id = f"{hashlib.sha256(described['url'].encode()).hexdigest()[:32]}@{call.repository}"
    return Attachment(content_id, described.get("contentType", "application/octet-stream"), content)


def _response(call: Call, answered: list[tuple[str, Attachment]], errors: list[RegistryError]) -> Element:
    names = {"xds": XDS[1:-1], "xop": XOP_INCLUDE[1:].partition("}")[0], "rs": RS[1:-1]}
    response = etree.Element(f"{XDS}RetrieveDocumentSetResponse", None, names)
    status = SUCCESS if not errors else PARTIAL if answered else FAILURE
    response.append(registry_response(errors, status))
    for unique_id, attachment in answered:
        one = etree.SubElement(response, f"{XDS}DocumentResponse")
        etree.SubElement(one, f"{XDS}RepositoryUniqueId").text = call.repository
        etree.SubElement(one, f"{XDS}DocumentUniqueId").text = unique_id
        etree.SubElement(one, f"{XDS}mimeType").text = attachment.media_type
        document = etree.SubElement(one, f"{XDS}Document")
        etree.SubElement(document, XOP_INCLUDE, href=f"cid:{attachment.content_id}")
    return response
