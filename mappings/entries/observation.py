"""A CDA observation to Observation: what results and vital signs share. Spec: observation.html.

Choice: the tables write a reference range to valueRange; it is referenceRange, as R4 has it. The vital signs' table
writes component.valueQuantity; a sign that is one measure has its own value.
"""

from mappings.cda.datatypes import (
    cd_to_codeable_concept,
    concept_or_absent,
    identifiers,
    ivl_pq_to_range,
    required_concept,
)
from mappings.cda.dates import effective, ts_to_instant
from mappings.cda.text import plain_text
from mappings.cda.values import DATA_ABSENT, further_values, observation_value, value_type
from mappings.cda.vocabulary import INTERNAL
from mappings.cda.xml import Element, child, children
from mappings.context import Context
from mappings.entries.care.devices import device_of
from mappings.entries.clinical_statement import comments, is_negated, performers, read, status
from mappings.entries.specimen import named_specimen
from mappings.entries.subject import other_subject
from mappings.fhir import Json, compact, concept, one

CATEGORY = INTERNAL + "observation-category"
DENIED = "Valeur niée"
_MEASURED = ("laboratory", "vital-signs")
RANGE_MEANING = INTERNAL + "referencerange-meaning"


def observation_members(element: Element, context: Context, category: str | None) -> Json:
    """Convert what an observation, or an organizer of observations, says about itself."""
    read(element, context)
    focus = other_subject(context.take(element, "subject"), context)
    moment = effective(context.take(element, "effectiveTime"), context)
    return compact(
        {
            "resourceType": "Observation",
            "identifier": identifiers(context.take_all(element, "id")),
            "status": status(element, "Observation", context) or "unknown",
            "category": [concept(CATEGORY, category)] if category else None,
            "subject": context.patient,
            "focus": one(focus) or context.focus,
            **moment,
            "issued": _issued(element),
            "performer": performers(element, context),
            "note": comments(element, context),
        }
    )


def observation(element: Element, context: Context, category: str | None) -> Json:
    """Convert an observation with its value, interpretation, method, site, device and reference ranges.

    Choice: R4 cannot deny a value. A denied observation says false, and what is denied is a component that says false,
    so that no reader takes it for a finding.
    """
    members = observation_members(element, context, category)
    members["code"] = required_concept(context.take(element, "code"), context)
    interpretations = context.take_all(element, "interpretationCode")
    values = context.take_all(element, "value")
    specimens = [found for item in context.take_all(element, "specimen") if (found := named_specimen(item, context))]
    measured = {
        **(_denied(values, category, context) if is_negated(element) else _stated(values, context)),
        "interpretation": [one_ for code in interpretations if (one_ := cd_to_codeable_concept(code, context))],
        "bodySite": concept_or_absent(context.take(element, "targetSiteCode"), context),
        "method": concept_or_absent(context.take(element, "methodCode"), context),
        "specimen": specimens[0] if specimens else None,
        "device": _device(element, context),
        "referenceRange": _reference_ranges(element, context),
    }
    return members | compact(measured)


def _issued(element: Element) -> str | None:
    """Give when the first author wrote, as the official tables of results do."""
    author = child(element, "author")
    time = child(author, "time") if author is not None else None
    return ts_to_instant(time.get("value") or "") if time is not None else None


def _stated(values: list[Element], context: Context) -> Json:
    return {**observation_value(values[:1], context), "extension": further_values(values, context)}


def _denied(values: list[Element], category: str | None, context: Context) -> Json:
    """Say that each value is not so; a measure that is denied without a value was not made."""
    found = [converted for value in values if (converted := observation_value([value], context))]
    components = [component for converted in found for component in _denied_component(converted)]
    if not components and category in _MEASURED:
        return {"status": "cancelled", "dataAbsentReason": concept(DATA_ABSENT, "not-performed")}
    return {"valueBoolean": False, "component": components}


def _denied_component(converted: Json) -> list[Json]:
    inner = converted.get("valueCodeableConcept")
    if inner:
        return [{"code": inner, "valueBoolean": False}]
    measured = {name: value for name, value in converted.items() if name not in ("valueBoolean", "dataAbsentReason")}
    return [{"code": {"text": DENIED}, **measured}] if measured else []


def _device(element: Element, context: Context) -> Json | None:
    for participant in children(element, "participant"):
        if participant.get("typeCode") == "DEV":
            context.taken.add(participant)
            return device_of(child(participant, "participantRole"), context)
    return None


def _reference_ranges(element: Element, context: Context) -> list[Json]:
    found: list[Json] = []
    for reference in context.take_all(element, "referenceRange"):
        observed = child(reference, "observationRange")
        if observed is None:
            continue
        value = child(observed, "value")
        bounds = ivl_pq_to_range(value, context) if value is not None and value_type(value).startswith("IVL") else {}
        words = context.referenced_text(child(observed, "text"))
        if value is not None and not bounds and not words:
            words = plain_text(value) or value.get("displayName") or value.get("value")
        converted = compact(
            {
                **bounds,
                "type": _meaning(child(observed, "interpretationCode"), context),
                "appliesTo": one(cd_to_codeable_concept(child(observed, "code"), context)),
                "text": words,
            }
        )
        if converted.keys() & {"low", "high", "text"}:
            found.append(converted)
        else:
            context.taken.discard(reference)
    return found


def _meaning(code: Element | None, context: Context) -> Json | None:
    if code is not None and code.get("code") == "N":
        return concept(RANGE_MEANING, "normal", "Normal Range")
    return cd_to_codeable_concept(code, context) or None
