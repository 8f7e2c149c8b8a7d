"""FR-DICOM-Examen-imagerie to ImagingStudy and Endpoint. Source: FRImagingStudyLMCDAFHIR, FRImagingSeriesLMCDAFHIR.

Spec: imagingstudy.html (the study's UID is an identifier of the system urn:dicom:uid). Choice: the address of the
images is one Endpoint a study, whose connection is WADO-URI, the only one that the CDA's reference can be.
"""

import re

from mappings.cda.datatypes import ii_to_identifier, required_concept
from mappings.cda.dates import date_time
from mappings.cda.vocabulary import INTERNAL, system_uri
from mappings.cda.xml import Element, child, children
from mappings.context import Context
from mappings.entries.clinical_statement import comments, inner_acts, read
from mappings.entries.related import attach
from mappings.fhir import Json, absent, coding, compact
from mappings.header.parties import party

TEMPLATE_IDS = ("1.2.250.1.213.1.1.3.155", "2.16.840.1.113883.10.20.6.2.6")
DICOM_UID = "urn:dicom:uid"
DICOM = "http://dicom.nema.org/resources/ontology/DCM"
CONNECTIONS = INTERNAL + "endpoint-connection-type"

_UID = re.compile(r"[0-2](\.(0|[1-9][0-9]*))+")


def convert(element: Element, context: Context) -> list[Json]:
    """Convert a study with its series and instances."""
    read(element, context)
    context.imply(element, "code", "statusCode")
    series = [_series(act, context) for _, act in inner_acts(element)]
    series = [found for found in series if found]
    addresses = _addresses(element)
    modalities: list[Json] = []
    for found in series:
        modality = found.get("modality", {})
        if "code" in modality and modality not in modalities:
            modalities.append(modality)
    resource = compact(
        {
            "resourceType": "ImagingStudy",
            "identifier": [_identifier(number) for number in context.take_all(element, "id")],
            "status": "available",
            "modality": modalities,
            "subject": context.patient,
            "started": date_time(context.take(element, "effectiveTime"), context),
            "endpoint": [_endpoint(address, media_type, context) for address, media_type in addresses],
            "numberOfSeries": len(series) or None,
            "numberOfInstances": sum(len(found.get("instance", [])) for found in series) or None,
            "note": comments(element, context),
            "series": series,
        }
    )
    beside = attach(resource, element, context)
    return [context.add_at(resource, element), *beside]


def _identifier(number: Element) -> Json:
    root = (number.get("root") or "").strip()
    if _UID.fullmatch(root) and not number.get("extension"):
        return {"system": DICOM_UID, "value": f"urn:oid:{root}"}
    return ii_to_identifier(number)


def _uid(act: Element) -> str | None:
    number = child(act, "id")
    root = (number.get("root") or "").strip() if number is not None else ""
    return root if _UID.fullmatch(root) else None


def _series(act: Element, context: Context) -> Json:
    uid = _uid(act)
    if uid is None:
        return {}
    read(act, context)
    context.take_all(act, "id")
    context.imply(act, "code", "statusCode")
    instances = [_instance(inner, context) for _, inner in inner_acts(act)]
    performers = [party(child(found, "assignedEntity"), context) for found in context.take_all(act, "performer")]
    return compact(
        {
            "uid": uid,
            "modality": _modality(child(act, "code"), context) or absent("unknown"),
            "numberOfInstances": len([found for found in instances if found]) or None,
            "started": date_time(context.take(act, "effectiveTime"), context),
            "performer": [{"actor": who} for who in performers if who],
            "instance": [found for found in instances if found],
        }
    )


def _modality(code: Element | None, context: Context) -> Json:
    qualifiers = children(code, "qualifier") if code is not None else []
    for qualifier in qualifiers:
        value = child(qualifier, "value")
        if value is not None and value.get("code"):
            words = value.get("displayName") or context.referenced_text(child(value, "originalText"))
            return coding(system_uri(value.get("codeSystem")) or DICOM, value.get("code") or "", words)
    return {}


def _instance(act: Element, context: Context) -> Json:
    uid = _uid(act)
    if uid is None:
        return {}
    read(act, context)
    context.take_all(act, "id")
    context.take_all(act, "text")
    context.imply(act, "statusCode", "effectiveTime")
    code = context.take(act, "code")
    literal = (code.get("code") or "").strip() if code is not None else ""
    is_uid = bool(_UID.fullmatch(literal))
    name = {"system": "urn:ietf:rfc:3986", "code": f"urn:oid:{literal}"} if is_uid else {}
    title = code.get("displayName") if code is not None else None
    return compact({"uid": uid, "sopClass": compact({**name, "display": title}) or absent("unknown"), "title": title})


def _addresses(element: Element) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for text in element.iter("{urn:hl7-org:v3}text"):
        reference = child(text, "reference")
        url = (reference.get("value") or "").strip() if reference is not None else ""
        address = "".join(url.split())
        if re.match(r"https?://", address) and (address, text.get("mediaType") or "") not in found:
            found.append((address, text.get("mediaType") or ""))
    return found


def _endpoint(address: str, media_type: str, context: Context) -> Json:
    kind = required_concept(None, context) if not media_type else {"text": media_type}
    resource = {
        "resourceType": "Endpoint",
        "status": "active",
        "connectionType": coding(CONNECTIONS, "dicom-wado-uri"),
        "payloadType": [kind],
        "payloadMimeType": [media_type] if media_type else None,
        "address": address,
    }
    return context.add(compact(resource), address)
