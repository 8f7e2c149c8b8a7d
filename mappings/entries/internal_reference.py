"""FR-Reference-interne: an act that stands for another act of the same document.

Source: FRProcedureLMCDAFHIR and FRMedicationStatementLMCDAFHIR (frReferenceInterne to reasonCode, reasonReference).
"""

from mappings.cda.datatypes import cd_to_codeable_concept, ii_key, ii_to_identifier
from mappings.cda.xml import Element, child, children
from mappings.context import Context
from mappings.entries.clinical_statement import ACT_CODE, has_template, inner_acts, read
from mappings.entries.related import REASONS, SUPPORTING
from mappings.fhir import Json, compact, extension

REFERENCES = frozenset(("1.2.250.1.213.1.1.3.36", "1.3.6.1.4.1.19376.1.5.3.1.4.4.1"))

_USED = ("Device", "Medication", "Substance")


def internal_references(resource: Json, element: Element, context: Context) -> None:
    """Write the codes of the acts that an act refers to, and ask for the references, which are known at the end."""
    for kind, act in inner_acts(element):
        if not has_template(act, REFERENCES):
            continue
        read(act, context)
        for name in ("id", "statusCode", "effectiveTime"):
            context.imply(act, name)
        context.links.append((element, act))
        if resource["resourceType"] == "Observation":
            context.take(act, "code")
            continue
        name = "reasonCode" if kind == "RSON" else "usedCode"
        code = cd_to_codeable_concept(child(act, "code"), context)
        if name == "reasonCode" or resource["resourceType"] == "Procedure":
            context.take(act, "code")
            resource.setdefault(name, []).extend([code] if code else [])
        if not resource.get(name, True):
            del resource[name]


def resolve_links(context: Context) -> None:
    """Point the resources to the acts that their internal references name; report a reference to nothing."""
    if not context.links:
        return
    known = {ii_key(number): url for act, url in context.origins.items() for number in children(act, "id")}
    done: set[tuple[Element, str]] = set()
    for owner, act in context.links:
        resource = context.resources[context.origins[owner]]
        url = next((known[key] for number in children(act, "id") if (key := ii_key(number)) in known), None)
        if resource["resourceType"] == "Observation":
            _support(resource, act, url, context)
        if url is None:
            context.report("information", "not-found", "An internal reference names no act of the document.", act)
        elif (owner, url) in done:
            continue
        elif resource["resourceType"] != "Observation" and not _link(resource, act, url, context):
            note = "An internal reference names an act that FHIR has no element for here: its code alone was kept."
            context.report("information", "not-supported", note, act)
        done.add((owner, url or ""))


def _support(resource: Json, act: Element, url: str | None, context: Context) -> None:
    """Point an Observation to what it refers to; the code of the reference says what that is to it."""
    numbers = [number for found in children(act, "id") if (number := ii_to_identifier(found))]
    identifier = numbers[0] if numbers and url is None else None
    code = cd_to_codeable_concept(child(act, "code"), context)
    meaning = [extension(ACT_CODE, valueCodeableConcept=code)] if code else None
    reference = compact({"extension": meaning, "reference": url, "identifier": identifier})
    if reference:
        resource.setdefault("extension", []).append(extension(SUPPORTING, valueReference=reference))


def _link(resource: Json, act: Element, url: str, context: Context) -> bool:
    target = context.resources[url]
    relation = act.getparent()
    kind = relation.get("typeCode") if relation is not None else None
    if target["resourceType"] == "DeviceUseStatement":
        url = target["device"]["reference"]
        target = context.resources[url]
    if kind == "RSON" and target["resourceType"] in REASONS.get(resource["resourceType"], ()):
        name = "reasonReference"
    elif resource["resourceType"] == "Procedure" and target["resourceType"] in _USED:
        name = "usedReference"
    else:
        return False
    resource.setdefault(name, []).append({"reference": url})
    return True
