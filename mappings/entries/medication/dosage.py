"""The dosing of a substanceAdministration to Dosage. Source: FRMedicationStatementLMCDAFHIR. Spec: dosage.html.

Choice: PINSTRUCT is patientInstruction (the table also lists additionalInstruction, which wants a code that the CDA
lacks).
"""

from mappings.cda.datatypes import cd_to_codeable_concept, concept_or_absent, ivl_pq_to_range, pq_to_quantity
from mappings.cda.names import words
from mappings.cda.timing import timing
from mappings.cda.values import value_type
from mappings.cda.xml import HL7, Element, child, children
from mappings.context import Context
from mappings.entries.clinical_statement import has_template, inner_acts, pointed_words, read
from mappings.fhir import Json, compact

SUBORDINATES = frozenset(
    ("1.2.250.1.213.1.1.3.42.1", "1.2.250.1.213.1.1.3.83.1", "2.16.756.5.30.1.1.10.4.37", "1.3.6.1.4.1.19376.1.9.1.3.6")
)
PATIENT_INSTRUCTIONS = frozenset(
    ("1.2.250.1.213.1.1.3.33", "1.3.6.1.4.1.19376.1.5.3.1.4.3", "2.16.840.1.113883.10.20.22.4.20")
)


def dosages(element: Element, context: Context, words_of: Element | None = None) -> list[Json]:
    """Convert the dosing that an act writes itself, then that of the acts under it, in their order.

    words_of: the act whose words tell its own dosing, when they do.
    """
    own = dosage(element, context)
    under = [act for kind, act in inner_acts(element) if is_subordinate(kind, act)]
    if words_of is not None and (own or not under):
        own = compact({"text": pointed_words(words_of, context), **own})
    found: list[Json] = [own] if own else []
    for act in under:
        read(act, context)
        context.imply(act, "id", "statusCode", "consumable")
        found.append(dosage(act, context, is_whole=True))
    found = [item for item in found if item]
    if len(under) > 1:
        found = [{"sequence": number, **item} for number, item in enumerate(found, 1)]
    return found


def is_subordinate(kind: str, act: Element) -> bool:
    """Tell whether an inner act only says how its owner is dosed."""
    bare = kind == "COMP" and act.tag == HL7 + "substanceAdministration" and not len(children(act, "templateId"))
    return has_template(act, SUBORDINATES) or bare


def dosage(element: Element, context: Context, is_whole: bool = False) -> Json:
    """Convert when, how and how much; empty when the act tells none of it.

    is_whole: the act is nothing but a dosing, so that its intervals bound it.
    """
    times = context.take_all(element, "effectiveTime")
    text = context.referenced_text(child(element, "text")) if has_template(element, SUBORDINATES) else None
    rate = _amount(context.take(element, "rateQuantity"), "rate", context)
    dose = _amount(context.take(element, "doseQuantity"), "dose", context)
    return compact(
        {
            "text": text,
            "patientInstruction": _instructions(element, context),
            "timing": timing(times if is_whole else _dosing_times(times), context),
            "asNeededCodeableConcept": _as_needed(element, context),
            "site": concept_or_absent(context.take(element, "approachSiteCode"), context),
            "route": concept_or_absent(context.take(element, "routeCode"), context),
            "doseAndRate": [dose | rate] if dose or rate else None,
            **_maximum(context.take(element, "maxDoseQuantity"), context),
        }
    )


def treatment_times(element: Element) -> list[Element]:
    """List the intervals that tell how long the treatment goes on, not how it is repeated."""
    return [time for time in children(element, "effectiveTime") if not _is_dosing(time)]


def _dosing_times(times: list[Element]) -> list[Element]:
    return [time for time in times if _is_dosing(time)]


def _is_dosing(time: Element) -> bool:
    return time.get("operator") is not None or value_type(time) in ("PIVL_TS", "EIVL_TS", "SXPR_TS")


def _amount(element: Element | None, name: str, context: Context) -> Json:
    if element is None:
        return {}
    quantity = pq_to_quantity(element, context)
    if quantity:
        return {f"{name}Quantity": quantity}
    bounds = ivl_pq_to_range(element, context)
    return {f"{name}Range": bounds} if bounds else {}


def _maximum(element: Element | None, context: Context) -> Json:
    """Convert the greatest dose: by period when it names one, else by administration."""
    if element is None:
        return {}
    most, period = (pq_to_quantity(child(element, name), context) for name in ("numerator", "denominator"))
    if most and period:
        return {"maxDosePerPeriod": {"numerator": most, "denominator": period}}
    return {"maxDosePerAdministration": most} if most else {}


def _instructions(element: Element, context: Context) -> str | None:
    found: list[str] = []
    for _, act in inner_acts(element):
        if has_template(act, PATIENT_INSTRUCTIONS):
            text = instruction(act, context)
            found += [text] if text else []
    return " ".join(found) or None


def instruction(act: Element, context: Context) -> str | None:
    """Give the words of an instruction act; its code and status say no more than where they are written."""
    read(act, context)
    context.imply(act, "code", "statusCode", "id")
    return context.referenced_text(context.take(act, "text"))


def _as_needed(element: Element, context: Context) -> Json:
    """Convert the first precondition that is no answer to a question; the rest are left to the report."""
    for precondition in children(element, "precondition"):
        criterion = child(precondition, "criterion")
        if criterion is None or child(criterion, "value") is not None:
            continue
        code = cd_to_codeable_concept(child(criterion, "code"), context)
        text = context.referenced_text(child(criterion, "text")) or words(child(criterion, "text"))
        converted = code if "text" in code or not text else {**code, "text": text}
        if converted:
            context.taken.add(precondition)
            return converted
    return {}
