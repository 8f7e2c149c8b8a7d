"""What the CDA says and the Bundle does not: every act and every element that nobody took, counted.

Source: FRHeaderDocumentLMCDAFHIR (convert by template); architecture: nothing is dropped in silence.
"""

from collections.abc import Iterable

from mappings.cda.vocabulary import template_name
from mappings.cda.xml import ACTS, HL7, Element, local_name, template_ids
from mappings.context import Context
from mappings.conversion import Issue

_ACTS = frozenset(ACTS)
_RELATIONS = frozenset(HL7 + name for name in ("entryRelationship", "component", "entry"))
_STRUCTURAL = frozenset(HL7 + name for name in ("templateId", "typeId", "realmCode"))


def account(context: Context) -> None:
    """Report every header element, section element and entry-level act that was not carried over."""
    for owner, label in context.owners:
        for child in _left(owner, context):
            note = f"The element {local_name(child)} of {label} is not carried over to FHIR."
            context.report("warning", "not-supported", note, child)
    for entry in context.document.iter(HL7 + "entry"):
        _account_acts(entry, context)


def _left(owner: Element, context: Context) -> Iterable[Element]:
    return (
        child
        for child in owner
        if child not in context.taken and child.tag not in _STRUCTURAL and isinstance(child.tag, str)
    )


def _account_acts(relation: Element, context: Context) -> None:
    for act in relation:
        if act.tag not in _ACTS:
            continue
        if act not in context.taken:
            _note_act(act, context)
        for child in act:
            if child.tag in _RELATIONS:
                _account_acts(child, context)
            elif act in context.taken and child not in context.taken and child.tag not in _STRUCTURAL:
                _note_element(child, act, context)


def best_template(element: Element) -> tuple[str | None, str | None]:
    """Choose the template that tells most of an act: the last French one, else the last; with its name if known."""
    found = template_ids(element)
    parent = element.getparent()
    if not found and parent is not None and parent.tag == HL7 + "entry":
        found = template_ids(parent)
    named = [template_id for template_id in found if template_name(template_id)]
    chosen = next(iter(reversed(named or found)), None)
    return chosen, template_name(chosen) if chosen else None


def _note_act(act: Element, context: Context) -> None:
    template_id, name = best_template(act)
    what = f"{name} ({template_id})" if name else template_id or "without template"
    diagnostics = (
        f"The {local_name(act)} {what} has no FHIR resource yet; the narrative of its section holds its words."
    )
    context.note(Issue("warning", "not-supported", diagnostics, None, template_id, name), act)


def _note_element(child: Element, act: Element, context: Context) -> None:
    template_id, name = best_template(act)
    what = name or template_id or f"an {local_name(act)} without template"
    diagnostics = f"The element {local_name(child)} of {what} is not carried over to FHIR."
    context.note(Issue("warning", "not-supported", diagnostics, None, template_id, name), child)
