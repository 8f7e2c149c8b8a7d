"""Any section to Composition.section: code, title, words, entries and the sections inside it.

Source: FRSection*LMCDAFHIR. Spec: composition.html (cmp-1: a section says something).
"""

import re
from collections.abc import Callable

from mappings.cda.datatypes import cd_to_codeable_concept
from mappings.cda.names import words
from mappings.cda.narrative import empty_narrative, narrative
from mappings.cda.xml import HL7, Element
from mappings.context import Context
from mappings.entries import convert_entry
from mappings.entries.media import media_reference
from mappings.entries.subject import other_subject
from mappings.fhir import Json, compact
from mappings.header.participations import authors

Convert = Callable[[Element, Context], Json]


def convert(element: Element, context: Context, convert_inner: Convert) -> Json:
    """Convert a section; its entries go to the Bundle and are listed where they were."""
    context.account(element, "section")
    title = words(context.take(element, "title"))
    focus = other_subject(context.take(element, "subject"), context)
    with context.about(focus):
        section = compact(
            {
                "id": _identity(element, context),
                "title": title,
                "code": cd_to_codeable_concept(context.take(element, "code"), context),
                "author": authors(element, context),
                "focus": focus,
                "text": narrative(context.take(element, "text"), context),
                "entry": _entries(element, context),
                "section": [convert_inner(inner, context) for inner in _inner_sections(element, context)],
            }
        )
    if not section.keys() & {"text", "entry", "section"}:
        section["text"] = empty_narrative(title or "-")
    return section


def _identity(element: Element, context: Context) -> str | None:
    """Keep the id of a section as the element's id, when it has no space and no other section has it."""
    number = context.take(element, "id")
    if number is None:
        return None
    identity = (number.get("extension") or number.get("root") or "").strip()
    if not re.fullmatch(r"[A-Za-z0-9.-]{1,64}", identity) or identity in context.section_ids:
        return None
    context.section_ids.add(identity)
    return identity


def _entries(element: Element, context: Context) -> list[Json]:
    found: dict[str, Json] = {}
    for entry in context.take_all(element, "entry"):
        references = convert_entry(entry, context)
        for media in entry.iter(HL7 + "observationMedia"):
            if media not in context.taken and (reference := media_reference(media, context)):
                references.append(reference)
        found |= {reference["reference"]: reference for reference in references if reference["reference"] not in found}
    return [*found.values()]


def _inner_sections(element: Element, context: Context) -> list[Element]:
    return [
        inner
        for component in context.take_all(element, "component")
        for inner in component.iterchildren(HL7 + "section")
    ]
