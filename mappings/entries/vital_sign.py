"""FR-Signes-vitaux and FR-Signe-vital-observe to Observations. Source: FRObservationVitalSignsLMCDAFHIR."""

from mappings.cda.datatypes import cd_to_codeable_concept
from mappings.cda.xml import Element
from mappings.context import Context
from mappings.entries.clinical_statement import has_template, inner_acts
from mappings.entries.observation import observation, observation_members
from mappings.entries.related import attach
from mappings.fhir import Json

ORGANIZERS = frozenset(
    (
        "1.2.250.1.213.1.1.3.49",
        "1.3.6.1.4.1.19376.1.5.3.1.4.13.1",
        "2.16.840.1.113883.10.20.1.35",
        "2.16.840.1.113883.10.20.22.4.26",
    )
)
SIGNS = frozenset(("1.2.250.1.213.1.1.3.50", "1.3.6.1.4.1.19376.1.5.3.1.4.13.2", "2.16.840.1.113883.10.20.22.4.27"))
TEMPLATE_IDS = (*sorted(ORGANIZERS), *sorted(SIGNS))
CATEGORY = "vital-signs"
TITLE = "Signes vitaux"


def convert(element: Element, context: Context) -> list[Json]:
    """Convert an organizer to a panel and its signs, or a sign that stands alone."""
    if has_template(element, SIGNS):
        return sign(element, context)
    members = observation_members(element, context, CATEGORY)
    members["code"] = cd_to_codeable_concept(context.take(element, "code"), context) or {"text": TITLE}
    inner = [act for _, act in inner_acts(element) if has_template(act, SIGNS)]
    with context.about((members.get("focus") or [None])[0]):
        signs = [reference for act in inner for reference in sign(act, context)]
    if signs:
        members["hasMember"] = signs
    beside = attach(members, element, context)
    return [context.add_at(members, element), *beside]


def sign(element: Element, context: Context) -> list[Json]:
    """Convert one vital sign; a negated one says that it was not measured."""
    converted = observation(element, context, CATEGORY)
    attach(converted, element, context)
    return [context.add_at(converted, element)]
