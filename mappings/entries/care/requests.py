"""The models whose mood decides: a request, a goal, or an Observation of what was done.

Source: FRServiceRequestLMCDAFHIR.
"""

from mappings.cda.xml import HL7, Element
from mappings.context import Context
from mappings.entries.care import goal, procedure, service_request
from mappings.entries.observation import observation
from mappings.entries.related import attach
from mappings.fhir import Json

TEMPLATE_IDS = (
    "1.2.250.1.213.1.1.3.27",
    "1.3.6.1.4.1.19376.1.5.3.1.1.20.3.1",
    "2.16.840.1.113883.10.20.22.4.44",
    "2.16.840.1.113883.10.20.22.4.39",
)


def convert(element: Element, context: Context) -> list[Json]:
    """Convert by mood."""
    mood = element.get("moodCode") or "EVN"
    if mood == "GOL":
        return goal.convert(element, context)
    if mood != "EVN":
        return service_request.convert(element, context)
    if element.tag != HL7 + "observation":
        return procedure.convert(element, context)
    resource = observation(element, context, None)
    beside = attach(resource, element, context)
    return [context.add_at(resource, element), *beside]
