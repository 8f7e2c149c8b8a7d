"""Laboratory results, batteries, isolates and their specimens to Observations.

Source: FRLaboratoryResultsLMCDAFHIR, FRLaboratoryBatteryResultsLMCDAFHIR, FRLaboratoryResultClinicalElementLMCDAFHIR;
IHE XD-LAB (parent templates).
"""

from mappings.cda.datatypes import cd_to_codeable_concept
from mappings.cda.xml import HL7, Element
from mappings.context import Context
from mappings.entries.clinical_statement import has_template, inner_acts
from mappings.entries.media import media_reference
from mappings.entries.observation import observation, observation_members
from mappings.entries.related import SUPPORTING, attach
from mappings.entries.specimen import COLLECTIONS, collected_specimen, named_specimen
from mappings.fhir import Json, extension

REPORTS = frozenset(("1.2.250.1.213.1.1.3.21", "1.3.6.1.4.1.19376.1.3.1"))
BATTERIES = frozenset(("1.2.250.1.213.1.1.3.78", "1.3.6.1.4.1.19376.1.3.1.4", "2.16.840.1.113883.10.20.22.4.1"))
ISOLATES = frozenset(("1.2.250.1.213.1.1.3.79", "1.3.6.1.4.1.19376.1.3.1.5"))
RESULTS = frozenset(("1.2.250.1.213.1.1.3.80", "1.3.6.1.4.1.19376.1.3.1.6", "2.16.840.1.113883.10.20.22.4.2"))
TEMPLATE_IDS = (*sorted(REPORTS), *sorted(BATTERIES), *sorted(ISOLATES), *sorted(RESULTS))
CATEGORY = "laboratory"

_PANELS = BATTERIES | ISOLATES


def convert(element: Element, context: Context) -> list[Json]:
    """Convert a report act, a battery, an isolate or a single result."""
    is_result = element.tag == HL7 + "observation"
    reference = result(element, None, context) if is_result else panel(element, None, context)
    context.laboratory += reference
    return reference


def panel(element: Element, specimen: Json | None, context: Context) -> list[Json]:
    """Convert a group of results to an Observation whose members they are."""
    members = observation_members(element, context, CATEGORY)
    code = context.take(element, "code")
    members["code"] = cd_to_codeable_concept(code, context) or {"text": _title(element)}
    acts = list(inner_acts(element))
    own = _specimens(element, acts, context)
    members |= {"specimen": own[0] if own else specimen} if own or specimen else {}
    # Choice: members inherit a specimen only when there is no doubt which.
    inherited = own[0] if len(own) == 1 else specimen if not own else None
    media = [reference for _, act in acts if (reference := _media(act, context))]
    members |= {"derivedFrom": media} if media else {}
    with context.about((members.get("focus") or [None])[0]):
        inner = [reference for _, act in acts for reference in _member(act, inherited, context)]
        members |= {"hasMember": inner} if inner else {}
        attach(members, element, context)
    return [context.add_at(members, element)]


def result(element: Element, specimen: Json | None, context: Context) -> list[Json]:
    """Convert one result; earlier results inside it become Observations that it refers to."""
    converted = observation(element, context, CATEGORY)
    acts = list(inner_acts(element))
    own = _specimens(element, acts, context)
    if own or specimen:
        converted["specimen"] = own[0] if own else specimen
    media = [reference for _, act in acts if (reference := _media(act, context))]
    if media:
        converted["derivedFrom"] = media
    earlier = [_earlier(act, context) for kind, act in acts if _is_earlier(kind, act)]
    if earlier:
        supporting = [extension(SUPPORTING, valueReference=reference) for reference in earlier]
        converted["extension"] = [*converted.get("extension", []), *supporting]
    attach(converted, element, context)
    return [context.add_at(converted, element)]


def _member(act: Element, specimen: Json | None, context: Context) -> list[Json]:
    if has_template(act, RESULTS):
        return result(act, specimen, context)
    return panel(act, specimen, context) if has_template(act, _PANELS) else []


def _is_earlier(kind: str, act: Element) -> bool:
    return kind == "REFR" and act.tag == HL7 + "observation"


def _earlier(act: Element, context: Context) -> Json:
    return context.add_at(observation(act, context, CATEGORY), act)


def _media(act: Element, context: Context) -> Json | None:
    return media_reference(act, context) if act.tag == HL7 + "observationMedia" else None


def _specimens(element: Element, acts: list[tuple[str, Element]], context: Context) -> list[Json]:
    named = [named_specimen(found, context) for found in context.take_all(element, "specimen")]
    inner = [collected_specimen(act, context) for _, act in acts if has_template(act, COLLECTIONS)]
    return [*filter(None, named), *inner]


def _title(element: Element) -> str:
    if has_template(element, ISOLATES):
        return "Isolat microbiologique"
    return "Batterie d'examens" if has_template(element, BATTERIES) else "Résultats d'examens"
