"""Orders, consents, service events and earlier documents of the header.

Source: FROrderLMCDAFHIR, FRConsentLMCDAFHIR, FRHeaderDocumentLMCDAFHIR (documentationOf, relatedDocument).
"""

from mappings.cda.datatypes import cd_to_codeable_concept, identifiers, ii_to_identifier, required_concept
from mappings.cda.dates import ivl_ts_to_period
from mappings.cda.vocabulary import INTERNAL, act_status
from mappings.cda.xml import Element, child, children
from mappings.context import Context
from mappings.fhir import Json, compact, concept, extension
from mappings.header.ins import V2_0203
from mappings.header.parties import party

BASED_ON = "http://hl7.org/fhir/StructureDefinition/event-basedOn"
CLINICAL_DOCUMENT = "http://hl7.org/fhir/uv/fhir-clinical-document/StructureDefinition/"
DOCUMENT_CORE = "https://interop.esante.gouv.fr/ig/fhir/document-core/StructureDefinition/"

_RELATIONS = {"RPLC": "replaces", "APND": "appends", "XFRM": "transforms"}


def orders(context: Context) -> list[Json]:
    """Convert inFulfillmentOf to ServiceRequests, and give the extensions that point to them."""
    found: list[Json] = []
    for element in context.take_all(context.document, "inFulfillmentOf"):
        order = child(element, "order")
        if order is None:
            continue
        context.account(order, "order")
        numbers = identifiers(context.take_all(order, "id"))
        for accession in order.iterchildren("{urn:dicom-org:ps3-20}accessionNumber"):
            context.taken.add(accession)
            identifier = ii_to_identifier(accession)
            if identifier:
                numbers.append({"type": concept(V2_0203, "ACSN", "Accession ID"), **identifier})
        # Choice: the header tells that the order was answered, not what became of it.
        resource = {
            "resourceType": "ServiceRequest",
            "identifier": numbers,
            "status": "unknown",
            "intent": "order",
            "code": cd_to_codeable_concept(context.take(order, "code"), context),
            "subject": context.patient,
        }
        found.append(extension(BASED_ON, valueReference=context.add_at(compact(resource), order)))
    return found


def consents(context: Context) -> list[Json]:
    """Convert authorization to Consents, and give the extensions that point to them."""
    found: list[Json] = []
    for element in context.take_all(context.document, "authorization"):
        consent = child(element, "consent")
        if consent is None:
            continue
        context.account(consent, "consent")
        code = required_concept(context.take(consent, "code"), context)
        status = context.take(consent, "statusCode")
        coded = act_status("Consent", status.get("code") if status is not None else None)
        words = [coding.get("display") or coding["code"] for coding in code.get("coding", [])]
        resource = {
            "resourceType": "Consent",
            "identifier": identifiers(context.take_all(consent, "id")),
            "status": coded or "active",
            "scope": concept(INTERNAL + "consentscope", "patient-privacy"),
            "category": [code],
            "patient": context.patient,
            "policyRule": {"text": code.get("text") or next(iter(words), "Consentement")},
        }
        reference = context.add_at(compact(resource), consent)
        found.append(extension(CLINICAL_DOCUMENT + "consent-extension", valueReference=reference))
    return found


def events(context: Context) -> list[Json]:
    """Convert documentationOf to Composition.event: what was done, when, by whom."""
    found: list[Json] = []
    for element in context.take_all(context.document, "documentationOf"):
        service = child(element, "serviceEvent")
        if service is None:
            continue
        context.account(service, "serviceEvent")
        for status in service.iterchildren("{urn:oid:1.3.6.1.4.1.19376.1.3.2}statusCode"):
            context.taken.add(status)
        code = cd_to_codeable_concept(context.take(service, "code"), context)
        details = [{"identifier": number} for number in identifiers(context.take_all(service, "id"))]
        event = compact(
            {
                "extension": _performers(service, context),
                "code": [code] if code else None,
                "period": ivl_ts_to_period(context.take(service, "effectiveTime"), context),
                "detail": details,
            }
        )
        if event:
            found.append(event)
    return found


def _performers(service: Element, context: Context) -> list[Json]:
    found: list[Json] = []
    for performer in context.take_all(service, "performer"):
        who = party(child(performer, "assignedEntity"), context, child(performer, "functionCode"))
        if who:
            found.append(extension(DOCUMENT_CORE + "fr-performer-event", valueReference=who))
    return found


def related_documents(context: Context) -> list[Json]:
    """Convert relatedDocument to Composition.relatesTo, by identifier."""
    found: list[Json] = []
    for element in context.take_all(context.document, "relatedDocument"):
        code = _RELATIONS.get(element.get("typeCode") or "")
        parent = child(element, "parentDocument")
        numbers = identifiers(children(parent, "id")) if parent is not None else []
        if code is None or not numbers:
            context.report(
                "warning", "not-supported", "A relatedDocument without type or id is not carried over.", element
            )
        found += [{"code": code, "targetIdentifier": number} for number in numbers[:1] if code]
    return found
