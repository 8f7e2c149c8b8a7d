"""FR-Directive-Anticipee to Consent. Source: FRAdvanceDirectiveLMCDAFHIR. Spec: consent.html.

Choice: the table leaves effectiveTime without a target; its interval is provision.period, a single date is dateTime.
A value that is no boolean decides nothing, so the provision has no type. Consent has no note: words are its
narrative.
"""

from mappings.cda.datatypes import identifiers, required_concept
from mappings.cda.dates import ivl_ts_to_period
from mappings.cda.media import attachment
from mappings.cda.values import observation_value
from mappings.cda.vocabulary import INTERNAL, act_status
from mappings.cda.xml import HL7, Element, child, children
from mappings.context import Context
from mappings.entries.care.encounter import narrative
from mappings.entries.care.external_reference import external_documents
from mappings.entries.clinical_statement import comments, inner_acts, is_negated, read
from mappings.entries.related import attach
from mappings.entries.subject import is_about_other
from mappings.fhir import Json, compact, concept

TEMPLATE_IDS = (
    "1.2.250.1.213.1.1.3.54",
    "1.3.6.1.4.1.19376.1.5.3.1.4.13.7",
    "2.16.840.1.113883.10.20.22.4.48",
)
SCOPES = INTERNAL + "consentscope"
CATEGORIES = INTERNAL + "consentcategorycodes"


def convert(element: Element, context: Context) -> list[Json]:
    """Convert what the patient wants or refuses for later."""
    if is_about_other(element, context):
        return []
    read(element, context)
    state = context.take(element, "statusCode")
    time = context.take(element, "effectiveTime")
    period = ivl_ts_to_period(time, context)
    is_moment = time is not None and time.get("value") is not None
    value = observation_value(context.take_all(element, "value"), context)
    code = required_concept(context.take(element, "code"), context)
    provision = {
        "type": _decision(value, is_negated(element)),
        "period": None if is_moment else period,
        "code": [code, *([value["valueCodeableConcept"]] if "valueCodeableConcept" in value else [])],
    }
    words = [coding.get("display") or coding["code"] for coding in code.get("coding", [])]
    documents = external_documents(element, context)
    resource = compact(
        {
            "resourceType": "Consent",
            "text": narrative(comments(element, context)),
            "identifier": identifiers(context.take_all(element, "id")),
            "status": act_status("Consent", state.get("code") if state is not None else None) or "active",
            "scope": concept(SCOPES, "adr"),
            "category": [concept(CATEGORIES, "acd")],
            "patient": context.patient,
            "dateTime": period.get("start") if is_moment else None,
            **_source(element, documents, context),
            "policyRule": {"text": next(iter(words), code.get("text") or "Directive anticipée")},
            "provision": compact(provision),
        }
    )
    beside = attach(resource, element, context)
    return [context.add_at(resource, element), *beside, *documents[1:]]


def _decision(value: Json, negated: bool) -> str | None:
    stated = value.get("valueBoolean")
    if stated is None:
        return "deny" if negated else None
    return "permit" if stated is not negated else "deny"


def _source(element: Element, documents: list[Json], context: Context) -> Json:
    for _, act in inner_acts(element):
        if act.tag == HL7 + "observationMedia":
            value = child(act, "value")
            file = attachment(value, context) if value is not None else {}
            if file:
                context.taken.update([act, *children(act, "value"), *children(act, "id")])
                return {"sourceAttachment": file}
    return {"sourceReference": documents[0]} if documents else {}
