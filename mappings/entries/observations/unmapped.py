"""Observations, and groups of them, whose model nobody mapped. Source: HL7 CDA R2, 4.3.6.5 (Observation).

Choice: an observation says by itself what was asked and what was found, so that one of an unknown model, or of none,
becomes a plain Observation of no category, and an issue names its template. Any other act means what its model says:
without one it stays in the narrative of its section.
"""

from mappings.accounting import best_template
from mappings.cda.xml import HL7, Element, local_name
from mappings.context import Context
from mappings.conversion import Issue
from mappings.entries.observations import group, simple
from mappings.fhir import Json

_CONVERTERS = {HL7 + "observation": simple.convert, HL7 + "organizer": group.convert}


def convert(element: Element, context: Context) -> list[Json]:
    """Convert an observation of an unknown model, and say that its model is unknown; nothing for any other act."""
    converter = _CONVERTERS.get(str(element.tag))
    if converter is None:
        return []
    template_id, name = best_template(element)
    what = f"{name} ({template_id})" if name else template_id or "without template"
    diagnostics = (
        f"The {local_name(element)} {what} has no rule of its own: it became a plain Observation, and the narrative of "
        "its section holds its words."
    )
    context.note(Issue("warning", "not-supported", diagnostics, None, template_id, name), element)
    return converter(element, context)
