"""FR-Commentaire-ER that no act takes as its note. Source: FR-Commentaire-ER (1.2.250.1.213.1.1.3.32).

Choice: Composition.section has no note, so that a comment that stands alone is an Observation whose value is its words.
"""

from mappings.cda.datatypes import identifiers, required_concept
from mappings.cda.dates import effective
from mappings.cda.xml import Element
from mappings.context import Context
from mappings.entries.clinical_statement import COMMENT, performers, read, status
from mappings.fhir import Json, compact

TEMPLATE_IDS = tuple(sorted(COMMENT))


def convert(element: Element, context: Context) -> list[Json]:
    """Convert a comment that says something."""
    read(element, context)
    resource = {
        "resourceType": "Observation",
        "identifier": identifiers(context.take_all(element, "id")),
        "status": status(element, "Observation", context) or "final",
        "code": required_concept(context.take(element, "code"), context),
        "subject": context.patient,
        "focus": context.focus,
        **effective(context.take(element, "effectiveTime"), context),
        "performer": performers(element, context),
        "valueString": context.referenced_text(context.take(element, "text")),
    }
    return [context.add_at(compact(resource), element)]
