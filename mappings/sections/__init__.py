"""The table of section converters, by CI-SIS or IHE template; any other section is converted by `section`.

To add a family: write a module with TEMPLATE_IDS and `convert(element, context)`, and list it in SECTIONS.
"""

from collections.abc import Callable

from mappings.cda.xml import Element, template_ids
from mappings.context import Context
from mappings.fhir import Json
from mappings.sections import section

Convert = Callable[[Element, Context], Json]

SECTIONS: dict[str, Convert] = {}


def convert_section(element: Element, context: Context) -> Json:
    """Convert a section by the first of its templates that the table knows."""
    for template_id in template_ids(element):
        if template_id in SECTIONS:
            return SECTIONS[template_id](element, context)
    return section.convert(element, context, convert_section)
