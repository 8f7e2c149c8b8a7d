"""An observation in the mood of a goal to Goal.

Source: FRServiceRequestLMCDAFHIR; FRCarePlanLMCDAFHIR (goal). Spec: goal.html.

Choice: the table of the request says nothing of goals; R4's Goal is what the mood GOL means. What is measured is both
the description and the target's measure, because R4 requires the first and readers look for the second.
"""

from mappings.cda.datatypes import identifiers, required_concept
from mappings.cda.dates import date_only
from mappings.cda.values import observation_value
from mappings.cda.xml import Element, child, children
from mappings.context import Context
from mappings.entries.clinical_statement import comments, is_negated, read, status
from mappings.entries.related import attach
from mappings.fhir import Json, compact
from mappings.header.parties import party

TEMPLATE_IDS = ("2.16.840.1.113883.10.20.22.4.121",)

_DETAILS = ("Quantity", "Range", "CodeableConcept", "String", "Boolean", "Integer", "Ratio")
_EXPRESSERS = ("Patient", "Practitioner", "PractitionerRole", "RelatedPerson")


def convert(element: Element, context: Context) -> list[Json]:
    """Convert what is aimed at."""
    read(element, context)
    code = required_concept(context.take(element, "code"), context)
    time = context.take(element, "effectiveTime")
    low, high = (child(time, name) if time is not None else None for name in ("low", "high"))
    values = context.take_all(element, "value")
    detail = _detail(observation_value(values, context)) if values else {}
    due = date_only(high if high is not None or low is not None else time, context)
    target = compact({"measure": code if detail else None, **detail, "dueDate": due})
    resource = compact(
        {
            "resourceType": "Goal",
            "identifier": identifiers(context.take_all(element, "id")),
            "lifecycleStatus": _lifecycle(element, context),
            "description": code,
            "subject": context.patient,
            "startDate": date_only(low, context),
            "target": [target] if target else None,
            **_expressed(element, context),
            "note": comments(element, context),
        }
    )
    beside = attach(resource, element, context)
    return [context.add_at(resource, element), *beside]


def _lifecycle(element: Element, context: Context) -> str:
    """Choice: what is denied is no aim any more, whatever its statusCode."""
    stated = status(element, "Goal", context)
    return "cancelled" if is_negated(element) else stated or "active"


def _detail(converted: Json) -> Json:
    return {f"detail{name}": converted[f"value{name}"] for name in _DETAILS if f"value{name}" in converted}


def _expressed(element: Element, context: Context) -> Json:
    entities = [(author, child(author, "assignedAuthor")) for author in children(element, "author")]
    entities += [(found, child(found, "participantRole")) for found in children(element, "participant")]
    for participation, entity in entities:
        who = party(entity, context)
        if who and context.resources[who["reference"]]["resourceType"] in _EXPRESSERS:
            context.taken.add(participation)
            return compact({"expressedBy": who, "statusDate": date_only(child(participation, "time"), context)})
    return {}
