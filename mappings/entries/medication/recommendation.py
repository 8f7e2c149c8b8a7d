"""FR-Vaccin-recommande to ImmunizationRecommendation. Spec: immunizationrecommendation.html.

Choice: no official table; the recommendation is dated by its author, else by the document.
"""

from mappings.cda.datatypes import cd_to_codeable_concept, identifiers, required_concept
from mappings.cda.dates import date_time, ivl_ts_to_period, ts_to_date_time
from mappings.cda.names import words
from mappings.cda.vocabulary import INTERNAL
from mappings.cda.xml import HL7, Element, child
from mappings.context import Context
from mappings.entries.clinical_statement import act_code, comments, is_negated, read
from mappings.entries.related import attach
from mappings.fhir import Json, absent, compact, concept

TEMPLATE_IDS = ("1.2.250.1.213.1.1.3.47", "1.3.6.1.4.1.19376.1.5.3.1.4.12.2")
FORECAST = INTERNAL + "immunization-recommendation-status"
LOINC = "http://loinc.org"


def convert(element: Element, context: Context) -> list[Json]:
    """Convert one recommended vaccine; a denied one is contraindicated."""
    if element.tag != HL7 + "substanceAdministration":
        return []
    read(element, context)
    context.imply(element, "statusCode")
    period = ivl_ts_to_period(context.take(element, "effectiveTime"), context)
    criteria = [("30981-5", period.get("start")), ("59777-3", period.get("end"))]
    notes = " ".join(note["text"] for note in comments(element, context))
    recommended = {
        "vaccineCode": [_vaccine(element, context)],
        "forecastStatus": concept(FORECAST, "contraindicated" if is_negated(element) else "due"),
        "dateCriterion": [{"code": concept(LOINC, code), "value": value} for code, value in criteria if value],
        "description": notes,
    }
    author = context.take(element, "author")
    written = date_time(child(author, "time"), context) if author is not None else None
    time = child(context.document, "effectiveTime")
    written = written or ts_to_date_time(time.get("value") or "" if time is not None else "")
    resource = {
        "resourceType": "ImmunizationRecommendation",
        "extension": act_code(element, context),
        "identifier": identifiers(context.take_all(element, "id")),
        "patient": context.patient,
        **({"date": written} if written else {"_date": absent("unknown")}),
        "recommendation": [compact(recommended)],
    }
    converted = compact(resource)
    return [context.add_at(converted, element), *attach(converted, element, context)]


def _vaccine(element: Element, context: Context) -> Json:
    consumable = context.take(element, "consumable")
    material = (
        consumable.find(f"{HL7}manufacturedProduct/{HL7}manufacturedMaterial") if consumable is not None else None
    )
    if material is None:
        return absent("unknown")
    code = cd_to_codeable_concept(child(material, "code"), context)
    name = words(child(material, "name"))
    converted = code if "text" in code or not name else {**code, "text": name}
    return converted or required_concept(child(material, "code"), context)
