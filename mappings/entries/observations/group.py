"""Organizers of observations to an Observation whose members they are.

Source: FRPregnancyHistoryLMCDAFHIR, FRObservationResultLMCDAFHIR; observation.html#obsgrouping.
"""

from mappings.cda.datatypes import required_concept
from mappings.cda.xml import HL7, Element
from mappings.context import Context
from mappings.entries.internal_reference import internal_references
from mappings.entries.observation import observation_members
from mappings.entries.related import attach
from mappings.fhir import Json

_MODEL = "1.2.250.1.213.1.1.3."

CATEGORIES: dict[str, str | None] = {
    f"{_MODEL}2": None,
    f"{_MODEL}55": None,
    f"{_MODEL}56": None,
    f"{_MODEL}74": None,
    f"{_MODEL}95": "survey",
    f"{_MODEL}98": None,
    f"{_MODEL}115": "exam",
    f"{_MODEL}116": "exam",
    f"{_MODEL}117": "exam",
    f"{_MODEL}118": "exam",
    f"{_MODEL}160": None,
    f"{_MODEL}208": None,
    "1.3.6.1.4.1.19376.1.5.3.1.4.13.5.1": None,
    "1.3.6.1.4.1.19376.1.5.3.1.4.13.5.2": None,
    "2.16.840.1.113883.10.20.22.4.66": "survey",
}
TEMPLATE_IDS = tuple(CATEGORIES)


def convert(element: Element, context: Context) -> list[Json]:
    """Convert a group; its observations are about the subject of the group."""
    if element.tag != HL7 + "organizer":
        return []
    roots = [template.get("root") or "" for template in element.iterchildren(HL7 + "templateId")]
    category = next((CATEGORIES[root] for root in reversed(roots) if CATEGORIES.get(root)), None)
    resource = observation_members(element, context, category)
    resource["code"] = required_concept(context.take(element, "code"), context)
    internal_references(resource, element, context)
    with context.about((resource.get("focus") or [None])[0]):
        beside = attach(resource, element, context)
    return [context.add_at(resource, element), *beside]
