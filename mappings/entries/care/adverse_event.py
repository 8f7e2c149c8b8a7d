"""FR-Effet-indesirable to AdverseEvent. Source: FRAdverseDrugReactionLMCDAFHIR. Spec: adverseevent.html.

Choice: the table leaves the value without a target; it is the event, and the code the category, as the table says.
Choice: R4 binds severity and outcome to its own codes: SNOMED CT codes that have one are translated and kept beside
it.
"""

from mappings.cda.datatypes import cd_to_codeable_concept, identifiers
from mappings.cda.dates import date_time, ivl_ts_to_period
from mappings.cda.vocabulary import INTERNAL, translate
from mappings.cda.xml import Element, child
from mappings.context import Context
from mappings.entries.care.encounter import narrative
from mappings.entries.clinical_statement import comments, has_template, inner_acts, read
from mappings.entries.problem import PROBLEMS
from mappings.entries.related import attach
from mappings.entries.subject import is_about_other
from mappings.fhir import Json, coding, compact, one
from mappings.header.parties import party

TEMPLATE_IDS = ("1.2.250.1.213.1.1.3.210",)
CAUSALITIES = frozenset(("1.2.250.1.213.1.1.3.211",))
SEVERITIES = frozenset(("1.2.250.1.213.1.1.3.212",))
OUTCOMES = frozenset(("1.2.250.1.213.1.1.3.213",))
SEVERITY = INTERNAL + "adverse-event-severity"
OUTCOME = INTERNAL + "adverse-event-outcome"

_SUSPECTS = ("Immunization", "Procedure", "Substance", "Medication", "MedicationAdministration", "MedicationStatement")


def convert(element: Element, context: Context) -> list[Json]:
    """Convert what happened, to what it led, and what is suspected."""
    if is_about_other(element, context):
        return []
    read(element, context)
    context.imply(element, "statusCode")
    resulting = [context.convert_act(act, context) for _, act in inner_acts(element) if has_template(act, PROBLEMS)]
    suspects = _suspects(element, context)
    time = context.take(element, "effectiveTime")
    moment = ivl_ts_to_period(time, context).get("start") or date_time(time, context)
    resource = compact(
        {
            "resourceType": "AdverseEvent",
            "text": narrative(comments(element, context)),
            "identifier": next(iter(identifiers(context.take_all(element, "id"))), None),
            "actuality": "actual",
            "category": one(cd_to_codeable_concept(context.take(element, "code"), context)),
            "event": cd_to_codeable_concept(context.take(element, "value"), context),
            "subject": context.patient,
            "date": moment,
            "resultingCondition": [reference for found in resulting for reference in found[:1]],
            "severity": _bound(element, SEVERITIES, "severities", SEVERITY, context),
            "outcome": _bound(element, OUTCOMES, "adverse_event_outcomes", OUTCOME, context),
            **_recorder(element, context),
            "suspectEntity": suspects,
        }
    )
    beside = attach(resource, element, context)
    return [context.add_at(resource, element), *beside]


def _bound(element: Element, template_ids: frozenset[str], table: str, system: str, context: Context) -> Json:
    """Convert an inner observation to a concept that FHIR binds; one without a translation is left to the report."""
    for _, act in inner_acts(element):
        value = child(act, "value")
        known = translate(table, value.get("code")) if value is not None else None
        if has_template(act, template_ids) and known:
            _read(act, context)
            written = cd_to_codeable_concept(value, context)
            return {**written, "coding": [coding(system, known), *written.get("coding", [])]}
    return {}


def _read(act: Element, context: Context) -> None:
    read(act, context)
    context.imply(act, "code", "statusCode", "id")
    context.take(act, "value")


def _suspects(element: Element, context: Context) -> list[Json]:
    causality: Json = {}
    for _, act in inner_acts(element):
        if has_template(act, CAUSALITIES):
            _read(act, context)
            causality = cd_to_codeable_concept(child(act, "value"), context)
    found: list[Json] = []
    for kind, act in inner_acts(element):
        if kind not in ("COMP", "CAUS") or act in context.taken:
            continue
        for reference in context.convert_act(act, context):
            if context.resources[reference["reference"]]["resourceType"] in _SUSPECTS:
                found.append(
                    compact({"instance": reference, "causality": [{"assessment": causality}] if causality else None})
                )
    return found


def _recorder(element: Element, context: Context) -> Json:
    author = context.take(element, "author")
    who = party(child(author, "assignedAuthor"), context) if author is not None else None
    if who and context.resources[who["reference"]]["resourceType"] in ("Organization", "Device"):
        who = None
    return compact(
        {"recorder": who, "recordedDate": date_time(child(author, "time"), context) if author is not None else None}
    )
