"""Complete: what a server can know of a document, when its source left it out.

Spec: ASS_X04 (class of a type), ASS_A11 (format of a template), PDSm 3.1.1; ITI TF-3: 4.2.3.2 (hash, size, entryUUID)
"""

import uuid
from typing import Any, Final

from msgspec.structs import replace

import mappings
from fhir_server.access.callers import PERSONAL_KINDS
from fhir_server.documents.sharing.content import sha1
from fhir_server.documents.sharing.levels import DOCUMENTS
from fhir_server.documents.sharing.submission import Document, identifier_of, typed_identifiers, values_at
from fhir_server.foundation.dates import format_instant
from fhir_server.interactions.request import Request, Runtime

Resource = dict[str, Any]
SUFFICIENT: Final = {
    "system": "http://ihe.net/fhir/ihe.formatcode.fhir/CodeSystem/formatcode",
    "code": "urn:ihe:iti:xds:2017:mimeTypeSufficient",
}
NORMAL: Final = {"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "N"}
SOURCE_ID: Final = "https://profiles.ihe.net/ITI/MHD/StructureDefinition/ihe-sourceId"
OF_THE_HOLDER: Final = {
    "coding": [
        {
            "system": "https://mos.esante.gouv.fr/NOS/TRE_A03-ClasseDocument/FHIR/TRE-A03-ClasseDocument",
            "code": "90",
            "display": "Autres documents déposés par le patient",
        }
    ]
}
CLIENT_SYSTEM: Final = "https://fhir-server.example.fr/fhir/NamingSystem/client"
DESIGNATION: Final = "https://profiles.ihe.net/ITI/MHD/StructureDefinition/ihe-designationType"


def completed(
    document: Document, conversion: mappings.Conversion | None, request: Request, runtime: Runtime, is_simplified: bool
) -> Document:
    """Return the document with class, format, date, size and hash; of a simplified publish, with a label too.

    Choice: a class that is given stays, also when ASS_X04 derives another from the type: sources know their documents.
    What a patient deposits is told apart (EX_3.1-1040): by the types that ASS_X04 has for that (DOCPAT01 ...), else by
    its class.
    """
    resource = document.entry.resource
    content = dict(resource["content"][0])
    attachment = dict(content.get("attachment", {}))
    attachment.pop("data", None)
    if document.bundle is None and document.content:
        attachment.setdefault("size", len(document.content))
        attachment.setdefault("hash", sha1(document.content))
    if "format" not in content:
        content["format"] = _format(conversion)
    now = format_instant(runtime.now())
    made: Resource = {"date": now}
    if is_simplified:
        resource = _unclaimed(resource)
        made["securityLabel"] = [{"coding": [NORMAL]}]
        attachment.setdefault("creation", resource.get("date", now))
    category = _category(resource, request)
    if category:
        made["category"] = category
    content["attachment"] = attachment
    whole = {**made, **resource, "content": [content]}
    return replace(document, entry=replace(document.entry, resource=whole))


def _category(resource: Resource, request: Request) -> list[Resource]:
    kind = resource.get("type", {})
    codes = [str(coding.get("code", "")) for coding in kind.get("coding", ())]
    if request.grant.kind in PERSONAL_KINDS and not any(code.startswith("DOCPAT") for code in codes):
        return [OF_THE_HOLDER]
    return mappings.category_of(kind)


def _unclaimed(resource: Resource) -> Resource:
    """Return a simplified publish without its profile, which wants the document inline: what is stored has it apart."""
    meta = dict(resource.get("meta", {}))
    kept = [profile for profile in meta.pop("profile", ()) if str(profile).partition("|")[0] not in DOCUMENTS]
    meta |= {"profile": kept} if kept else {}
    plain = {name: value for name, value in resource.items() if name != "meta"}
    return {**plain, "meta": meta} if meta else plain


def identified(resource: Resource, resource_id: str) -> Resource:
    """Return a document or submission set about to be stored, with its entryUUID.

    The entryUUID is that of the first version, which XDS calls logicalId: it stays when metadata change. What XDS names
    the entryUUID of a later version is `id` with `meta.versionId` here. One that the source gave is kept.
    """
    resource = {name: value for name, value in resource.items() if name != "id"}
    if not typed_identifiers(resource, "entryUUID"):
        own = identifier_of("entryUUID", f"urn:uuid:{_as_uuid(resource_id)}", "official")
        resource["identifier"] = [*resource.get("identifier", ()), own]
    return resource


def submission_set_of(document: Resource, client_id: str, runtime: Runtime) -> Resource:
    """Return the submission set of a single document, whose metadata it takes; its entry is still to be named.

    The software is named by its client id, "" on an open server.
    """
    source = {"system": CLIENT_SYSTEM, "value": client_id or "open"}
    extensions: list[Resource] = [{"url": SOURCE_ID, "valueIdentifier": source}]
    kinds = values_at(document, "category") or values_at(document, "type")
    if kinds:
        extensions.append({"url": DESIGNATION, "valueCodeableConcept": kinds[0]})
    made = {
        "resourceType": "List",
        "extension": extensions,
        "status": "current",
        "mode": "working",
        "title": next(iter(values_at(document, "content.attachment.title")), ""),
        "code": {
            "coding": [{"system": "https://profiles.ihe.net/ITI/MHD/CodeSystem/MHDlistTypes", "code": "submissionset"}]
        },
        "subject": document.get("subject"),
        "date": format_instant(runtime.now()),
    }
    return {name: value for name, value in made.items() if value}


def with_unique_id(submission_set: Resource, runtime: Runtime) -> Resource:
    """Return the submission set with a uniqueId, an OID made of a UUID when the source gave none. Spec: ITU X.667."""
    known = [one for one in submission_set.get("identifier", ()) if str(one.get("value", "")).startswith("urn:oid:")]
    if known or typed_identifiers(submission_set, "uniqueId"):
        return submission_set
    made = identifier_of("uniqueId", f"urn:oid:2.25.{uuid.UUID(_as_uuid(runtime.new_id())).int}", "usual")
    return {**submission_set, "identifier": [*submission_set.get("identifier", ()), made]}


def _format(conversion: mappings.Conversion | None) -> Resource:
    code = mappings.format_code(conversion.document) if conversion is not None else None
    return {"system": mappings.FORMATS, "code": code} if code else SUFFICIENT


def _as_uuid(resource_id: str) -> str:
    """Return an id as a UUID: the server's own ids are, others (of tests) are hashed into one."""
    try:
        return str(uuid.UUID(resource_id))
    except ValueError:
        return str(uuid.uuid5(uuid.NAMESPACE_URL, resource_id))
