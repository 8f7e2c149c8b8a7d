"""The value of a CDA observation to value[x] of an Observation, by its xsi:type. Spec: observation.html#value."""

from collections.abc import Callable

from mappings.cda.datatypes import (
    boolean,
    cd_to_codeable_concept,
    ivl_pq_to_quantity,
    ivl_pq_to_range,
    number,
    pq_to_quantity,
    rto_to_ratio,
)
from mappings.cda.dates import ivl_ts_to_period, ts_to_date_time
from mappings.cda.text import plain_text
from mappings.cda.vocabulary import INTERNAL, absent_reason
from mappings.cda.xml import XSI_TYPE, Element, child
from mappings.context import Context
from mappings.fhir import Json, concept

DATA_ABSENT = INTERNAL + "data-absent-reason"
VALUE = "urn:hl7-org:v3#Observation.value"
_INTEGER_LIMIT = 2**31


def value_type(element: Element) -> str:
    """Give the xsi:type of a value without its prefix."""
    return (element.get(XSI_TYPE) or "").rpartition(":")[2]


def observation_value(elements: list[Element], context: Context) -> Json:
    """Convert the first value to value[x], or a nullFlavor to dataAbsentReason; empty when there is no value."""
    if not elements:
        return {}
    element = elements[0]
    for extra in elements[1:]:
        context.report("warning", "not-supported", "Only the first of several values is carried over.", extra)
    converted = _value(element, context)
    if converted:
        return converted
    if element.get("nullFlavor"):
        return {"dataAbsentReason": concept(DATA_ABSENT, absent_reason(element.get("nullFlavor")))}
    if set(element.attrib) - {XSI_TYPE} or len(element) or (element.text or "").strip():
        kind = value_type(element) or "none"
        context.report("warning", "not-supported", f"A value of type {kind} could not be carried over.", element)
    return {"dataAbsentReason": concept(DATA_ABSENT, "unknown")}


def further_values(elements: list[Element], context: Context) -> list[Json]:
    """Convert the values after the first, for which R4 has no element, to the extension that HL7 v3 names."""
    return [{"url": VALUE, **converted} for element in elements[1:] if (converted := _value(element, context))]


def _value(element: Element, context: Context) -> Json:
    converter = _CONVERTERS.get(value_type(element))
    return converter(element, context) if converter else {}


def _quantity(element: Element, context: Context) -> Json:
    quantity = pq_to_quantity(element, context)
    return {"valueQuantity": quantity} if quantity else {}


def _concept(element: Element, context: Context) -> Json:
    converted = cd_to_codeable_concept(element, context)
    return {"valueCodeableConcept": converted} if converted else {}


def _text(element: Element, context: Context) -> Json:
    words = plain_text(element) if element.get("representation") != "B64" else ""
    text = words or context.referenced_text(element)
    return {"valueString": text} if text else {}


def _integer(element: Element, context: Context) -> Json:
    value = number(element.get("value"), element, context)
    if value is None:
        return {}
    is_integer = value == value.to_integral_value() and abs(value) < _INTEGER_LIMIT
    return {"valueInteger": int(value)} if is_integer else {"valueQuantity": {"value": value}}


def _interval(element: Element, context: Context) -> Json:
    if element.get("value"):
        return _quantity(element, context)
    quantity = ivl_pq_to_quantity(element, context)
    if quantity:
        return {"valueQuantity": quantity}
    bounds = ivl_pq_to_range(element, context)
    return {"valueRange": bounds} if bounds else {}


def _period(element: Element, context: Context) -> Json:
    period = ivl_ts_to_period(element, context)
    return {"valuePeriod": period} if period else {}


def _moment(element: Element, context: Context) -> Json:
    moment = ts_to_date_time(element.get("value") or "")
    return {"valueDateTime": moment} if moment else {}


def _boolean(element: Element, context: Context) -> Json:
    value = boolean(element.get("value"))
    return {"valueBoolean": value} if value is not None else {}


def _ratio(element: Element, context: Context) -> Json:
    ratio = rto_to_ratio(element, context)
    return {"valueRatio": ratio} if ratio else {}


def _event(element: Element, context: Context) -> Json:
    """Choice: an Observation cannot be timed by a meal, so the event is its coded value; some write a date instead."""
    if element.get("value"):
        return _moment(element, context)
    code = (event.get("code") or "").strip() if (event := child(element, "event")) is not None else ""
    return {"valueCodeableConcept": concept(INTERNAL + "v3-TimingEvent", code)} if code else {}


def _cycle(element: Element, context: Context) -> Json:
    quantity = pq_to_quantity(child(element, "period"), context)
    return {"valueQuantity": quantity} if quantity else {}


_CONVERTERS: dict[str, Callable[[Element, Context], Json]] = {
    "PQ": _quantity,
    "REAL": _quantity,
    "MO": _quantity,
    "INT": _integer,
    "CD": _concept,
    "CE": _concept,
    "CO": _concept,
    "CV": _concept,
    "CS": _concept,
    "ST": _text,
    "ED": _text,
    "BL": _boolean,
    "TS": _moment,
    "IVL_TS": _period,
    "IVL_PQ": _interval,
    "IVL_REAL": _interval,
    "IVL_INT": _interval,
    "RTO": _ratio,
    "RTO_PQ_PQ": _ratio,
    "EIVL_TS": _event,
    "PIVL_TS": _cycle,
}
