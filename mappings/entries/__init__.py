"""The table of entry converters, by CI-SIS, IHE and CCD template; an entry of no listed template is reported.

To add a family: write a module with TEMPLATE_IDS and `convert(element, context)`, and list it in MODULES. An entry that
names several templates goes to the module that is listed first.
"""

from collections.abc import Callable

from mappings.cda.xml import HL7, Element, model_ids
from mappings.context import Context
from mappings.entries import allergy, immunization, laboratory, media, problem, vital_sign
from mappings.fhir import Json

MODULES = (laboratory, immunization, allergy, problem, vital_sign, media)

ENTRIES: dict[str, tuple[int, Callable[[Element, Context], list[Json]]]] = {
    template_id: (rank, module.convert) for rank, module in enumerate(MODULES) for template_id in module.TEMPLATE_IDS
}


def convert_entry(entry: Element, context: Context) -> list[Json]:
    """Convert the act of an entry, and give the references that the section lists for it."""
    found: list[Json] = []
    for act in entry:
        if act.tag == HL7 + "templateId":
            continue
        names = [*model_ids(act), *model_ids(entry)]
        known = sorted((ENTRIES[name] for name in names if name in ENTRIES), key=lambda ranked: ranked[0])
        if known:
            found += known[0][1](act, context)
    return found
