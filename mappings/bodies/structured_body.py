"""structuredBody to Composition.section. Source: mappingCDA-FHIR-struc-gen (document-core)."""

from mappings.cda.xml import HL7, Element
from mappings.context import Context
from mappings.fhir import Json
from mappings.sections import convert_section


def sections(body: Element, context: Context) -> list[Json]:
    """Convert every section of the body, with the sections inside it."""
    found: list[Json] = []
    context.account(body, "structuredBody")
    for component in context.take_all(body, "component"):
        for section in component.iterchildren(HL7 + "section"):
            found.append(convert_section(section, context))
    return found
