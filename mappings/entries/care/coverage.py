"""FR-Couvertures-sociales to Coverage. Spec: coverage.html.

Choice: no official table; the payer is who performs the act, the covered party the beneficiary, the holder the
subscriber.
"""

from mappings.cda.datatypes import cd_to_codeable_concept, identifiers, ii_key, required_concept
from mappings.cda.dates import ivl_ts_to_period
from mappings.cda.names import addresses, telecoms, words
from mappings.cda.vocabulary import act_status
from mappings.cda.xml import HL7, Element, child, children
from mappings.context import Context
from mappings.entries.clinical_statement import has_template, inner_acts, read
from mappings.entries.related import attach
from mappings.fhir import Json, absent, compact, one
from mappings.header.parties import related_person

LISTS = frozenset(("1.2.250.1.213.1.1.3.61", "1.3.6.1.4.1.19376.1.5.3.1.4.17"))
PAYERS = frozenset(("1.2.250.1.213.1.1.3.94", "1.3.6.1.4.1.19376.1.5.3.1.4.18"))
TEMPLATE_IDS = (*sorted(LISTS), *sorted(PAYERS))


def _payor(entity: Element, context: Context) -> Json | None:
    """Convert who pays to an organisation, which its numbers, telecoms and addresses are those of."""
    place = child(entity, "representedOrganization")
    names = [words(name) for name in children(place, "name")] if place is not None else []
    ids = [*children(entity, "id"), *(children(place, "id") if place is not None else [])]
    resource = compact(
        {
            "resourceType": "Organization",
            "identifier": identifiers(ids),
            "type": one(cd_to_codeable_concept(child(entity, "code"), context)),
            "name": next((name for name in names if name), None),
            "telecom": telecoms([*children(entity, "telecom"), *_of(place, "telecom")], context),
            "address": addresses([*children(entity, "addr"), *_of(place, "addr")], context),
        }
    )
    return context.add(resource, repr(resource)) if resource.keys() & {"identifier", "name"} else None


def _of(place: Element | None, name: str) -> list[Element]:
    return children(place, name) if place is not None else []


def convert(element: Element, context: Context) -> list[Json]:
    """Convert the list of coverages to one Coverage each, in their order."""
    if has_template(element, PAYERS):
        return [coverage(element, None, context)]
    acts = [act for _, act in inner_acts(element) if has_template(act, PAYERS)]
    if not acts:
        return []
    read(element, context)
    context.imply(element, "id", "code", "statusCode", "effectiveTime")
    found = [coverage(act, _order(act), context) for act in acts]
    return [*found, *attach(context.resources[found[0]["reference"]], element, context)]


def coverage(element: Element, order: int | None, context: Context) -> Json:
    """Convert the coverage by one payer."""
    read(element, context)
    state = context.take(element, "statusCode")
    covered = _participant(element, "COV", context)
    role = child(covered, "participantRole") if covered is not None else None
    holder = _participant(element, "HLD", context)
    numbers = [number for number in children(role, "id") if ii_key(number)] if role is not None else []
    period = ivl_ts_to_period(child(covered, "time"), context) if covered is not None else {}
    resource = {
        "resourceType": "Coverage",
        "identifier": identifiers(context.take_all(element, "id")),
        "status": act_status("Coverage", state.get("code") if state is not None else None) or "active",
        "type": required_concept(context.take(element, "code"), context),
        "subscriber": _subscriber(holder, context),
        "subscriberId": next((number.get("extension") for number in numbers if number.get("extension")), None),
        "beneficiary": context.patient,
        "relationship": cd_to_codeable_concept(child(role, "code"), context) if role is not None else None,
        "period": period or ivl_ts_to_period(context.take(element, "effectiveTime"), context),
        "payor": _payors(element, context) or [absent("unknown")],
        "order": order,
    }
    return context.add_at(compact(resource), element)


def _order(act: Element) -> int | None:
    relation = act.getparent()
    number = child(relation, "sequenceNumber") if relation is not None else None
    literal = (number.get("value") or "").strip() if number is not None else ""
    return int(literal) if literal.isdecimal() and int(literal[:9]) > 0 and len(literal) < 10 else None


def _participant(element: Element, kind: str, context: Context) -> Element | None:
    for participant in element.iterchildren(HL7 + "participant"):
        if participant.get("typeCode") == kind:
            context.taken.add(participant)
            return participant
    return None


def _subscriber(holder: Element | None, context: Context) -> Json | None:
    role = child(holder, "participantRole") if holder is not None else None
    if role is None:
        return None
    if any(ii_key(number) in context.patient_keys for number in children(role, "id")):
        return context.patient
    return related_person(role, context, "playingEntity")


def _payors(element: Element, context: Context) -> list[Json]:
    found: list[Json] = []
    for performer in context.take_all(element, "performer"):
        entity = child(performer, "assignedEntity")
        found += [who] if entity is not None and (who := _payor(entity, context)) else []
    return found
