"""FR-Simple-Observation and the observation models that share its shape, to Observation.

Source: FRObservationLMCDAFHIR, FRObservationSocialHistoryLMCDAFHIR, FRObservationPregnancyLMCDAFHIR,
FRObservationAssessmentLMCDAFHIR, FRObservationResultLMCDAFHIR, FRImagingQuantityExposureLMCDAFHIR.

Choice: a part of a score is an Observation of its own (hasMember), not a component, because it has its own id, date
and author. Choice: the categories are R4's, by model, and none where no model tells.
"""

from mappings.cda.xml import HL7, Element
from mappings.context import Context
from mappings.entries.care import goal, service_request
from mappings.entries.internal_reference import internal_references
from mappings.entries.observation import observation
from mappings.entries.observations import group
from mappings.entries.related import attach
from mappings.fhir import Json

_MODEL = "1.2.250.1.213.1.1.3."
_IHE = "1.3.6.1.4.1.19376.1.5.3.1.4."
_CCD = "2.16.840.1.113883.10.20."

CATEGORIES: dict[str, str | None] = {
    f"{_MODEL}48": None,
    f"{_MODEL}52": "social-history",
    f"{_MODEL}53": None,
    f"{_MODEL}25": "survey",
    f"{_MODEL}6": "survey",
    f"{_MODEL}7": None,
    f"{_MODEL}8": "survey",
    f"{_MODEL}1": None,
    f"{_MODEL}12": None,
    f"{_MODEL}89": "survey",
    f"{_MODEL}102": "laboratory",
    f"{_MODEL}110": "survey",
    f"{_MODEL}170": "laboratory",
    f"{_MODEL}119": "exam",
    f"{_MODEL}120": "exam",
    f"{_MODEL}121": "exam",
    f"{_MODEL}122": "exam",
    f"{_MODEL}150": "imaging",
    f"{_MODEL}154": "imaging",
    f"{_MODEL}209": None,
    f"{_MODEL}171": None,
    f"{_MODEL}172": None,
    f"{_MODEL}29": None,
    f"{_MODEL}30": None,
    f"{_MODEL}31": None,
    f"{_IHE}13": None,
    f"{_IHE}13.4": "social-history",
    f"{_IHE}13.5": None,
    "1.3.6.1.4.1.19376.1.7.3.1.4.14.2": None,
    f"{_CCD}22.4.38": "social-history",
    f"{_CCD}22.4.78": "social-history",
    f"{_CCD}15.3.8": None,
    f"{_CCD}22.4.67": "survey",
    f"{_CCD}22.4.69": "survey",
    "2.16.756.5.30.1.1.10.4.41": None,
}
TEMPLATE_IDS = tuple(CATEGORIES)


def convert(element: Element, context: Context) -> list[Json]:
    """Convert an observation that was made; one that is asked for or aimed at is a request or a goal."""
    if element.tag != HL7 + "observation":
        return group.convert(element, context)
    mood = element.get("moodCode") or "EVN"
    if mood == "GOL":
        return goal.convert(element, context)
    if mood != "EVN":
        return service_request.convert(element, context)
    resource = observation(element, context, category_of(element))
    internal_references(resource, element, context)
    beside = attach(resource, element, context)
    return [context.add_at(resource, element), *beside]


def category_of(element: Element) -> str | None:
    """Give the category that the models of an observation tell; the last model says most."""
    roots = [template.get("root") or "" for template in element.iterchildren(HL7 + "templateId")]
    known = [CATEGORIES[root] for root in reversed(roots) if CATEGORIES.get(root)]
    return known[0] if known else None
