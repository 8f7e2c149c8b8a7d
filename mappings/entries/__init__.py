"""The table of entry converters, by CI-SIS, IHE and CCD template; an entry of no listed template is reported.

To add a family: write a module with TEMPLATE_IDS and `convert(element, context)`, and list it in MODULES. An entry
that names several templates goes to the module that is listed first.
"""

from collections.abc import Callable

from mappings.cda.xml import HL7, Element, model_ids
from mappings.context import Context
from mappings.entries import allergy, immunization, laboratory, media, problem, specimen, vital_sign
from mappings.entries.care import (
    advance_directive,
    adverse_event,
    attached_document,
    care_plan,
    coverage,
    device,
    encounter,
    external_reference,
    goal,
    procedure,
    requests,
)
from mappings.entries.imaging import study
from mappings.entries.medication import dispense, prescription, recommendation, treatment
from mappings.entries.observations import comment, family_history, group, simple, unmapped
from mappings.fhir import Json

MODULES = (
    laboratory,
    immunization,
    recommendation,
    allergy,
    problem,
    vital_sign,
    media,
    specimen,
    dispense,
    care_plan,
    prescription,
    treatment,
    adverse_event,
    encounter,
    device,
    advance_directive,
    attached_document,
    coverage,
    study,
    family_history,
    goal,
    requests,
    procedure,
    external_reference,
    group,
    simple,
    comment,
)

ENTRIES: dict[str, tuple[int, Callable[[Element, Context], list[Json]]]] = {
    template_id: (rank, module.convert) for rank, module in enumerate(MODULES) for template_id in module.TEMPLATE_IDS
}


def convert_entry(entry: Element, context: Context) -> list[Json]:
    """Convert the act of an entry, and give the references that the section lists for it."""
    found: list[Json] = []
    for act in entry:
        if act.tag == HL7 + "templateId":
            continue
        found += _convert(act, [*model_ids(act), *model_ids(entry)], context)
    return found


def convert_act(act: Element, context: Context) -> list[Json]:
    """Convert an act that lies inside another one by its own templates."""
    return _convert(act, model_ids(act), context)


def _convert(act: Element, names: list[str], context: Context) -> list[Json]:
    known = sorted((ENTRIES[name] for name in names if name in ENTRIES), key=lambda ranked: ranked[0])
    return known[0][1](act, context) if known else unmapped.convert(act, context)
