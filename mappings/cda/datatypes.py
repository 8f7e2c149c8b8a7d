"""II, CD, PQ and the other HL7 v3 datatypes to FHIR datatypes. Spec: datatypes.html, comparison-v3.html."""

import re
from decimal import Decimal, InvalidOperation

from mappings.cda.vocabulary import absent_reason, system_uri, urn
from mappings.cda.xml import HL7, Element, child, children
from mappings.context import Context
from mappings.fhir import Json, absent, compact, extension, nested_extension

UCUM = "http://unitsofmeasure.org"
EDQM = "http://standardterms.edqm.eu"
# Choice: R4 defines no extension for the qualifiers of a code, so it bears the name that HL7 v3 gives them.
PQ_TRANSLATION = "http://hl7.org/fhir/StructureDefinition/iso21090-PQ-translation"
QUALIFIER = "urn:hl7-org:v3#CD.qualifier"
URI_SYSTEM = "urn:ietf:rfc:3986"

_NUMBER = re.compile(r"[+-]?\d{1,30}(\.\d{1,30})?([eE][+-]?\d{1,2})?|[+-]?\.\d{1,30}")


def ii_to_identifier(element: Element) -> Json:
    """Convert an II; a root alone becomes a URI, as comparison-v3.html asks; empty for a nullFlavor."""
    root, value = (element.get("root") or "").strip(), (element.get("extension") or "").strip()
    if not root and not value:
        return {}
    name = urn(root)
    if value:
        identifier = {"system": name, "value": value}
    elif name:
        identifier = {"system": URI_SYSTEM, "value": name}
    else:
        identifier = {"value": root}
    assigner = (element.get("assigningAuthorityName") or "").strip()
    return compact({**identifier, "assigner": {"display": assigner} if assigner else None})


def ii_key(element: Element | None) -> str:
    """Write an II as root, or root^extension; empty for a nullFlavor."""
    if element is None:
        return ""
    root, value = (element.get("root") or "").strip(), (element.get("extension") or "").strip()
    return f"{root}^{value}" if value else root


def identifiers(elements: list[Element]) -> list[Json]:
    """Convert the ids of an act, each once."""
    found: dict[str, Json] = {}
    for element in elements:
        identifier = ii_to_identifier(element)
        if identifier:
            found.setdefault(ii_key(element), identifier)
    return [*found.values()]


def cd_to_coding(element: Element, context: Context) -> Json:
    """Convert the code of a CD, CE or CV, without its translations; empty when it has none."""
    code = " ".join((element.get("code") or "").split())
    display = " ".join((element.get("displayName") or "").split())
    if not code:
        return {}
    code_system = element.get("codeSystem")
    system = system_uri(code_system)
    if code_system and system is None:
        context.report("warning", "code-invalid", f"The code system '{code_system}' is no OID.", element)
    version = (element.get("codeSystemVersion") or "").strip()
    return compact({"system": system, "version": version, "code": code, "display": display})


def cd_to_codeable_concept(element: Element | None, context: Context) -> Json:
    """Convert a CD with its translations and the words that it refers to; empty when it says nothing."""
    if element is None:
        return {}
    codings = [cd_to_coding(element, context)]
    qualifiers = children(element, "qualifier") if len(element) else []
    for translation in element.iterdescendants(f"{HL7}translation") if len(element) else []:
        codings.append(cd_to_coding(translation, context))
        qualifiers += children(translation, "qualifier")
    text = context.referenced_text(child(element, "originalText"))
    if text is None and not element.get("code"):
        text = " ".join((element.get("displayName") or "").split())
    refined = [found for qualifier in qualifiers if (found := _qualifier(qualifier, context))]
    return compact({"extension": refined, "coding": [coding for coding in codings if coding], "text": text})


def concept_or_absent(element: Element | None, context: Context) -> Json:
    """Convert a CD that FHIR does not require; a nullFlavor becomes a data-absent-reason."""
    if element is None:
        return {}
    converted = cd_to_codeable_concept(element, context)
    flavor = element.get("nullFlavor")
    return converted or (absent(absent_reason(flavor)) if flavor else {})


def required_concept(element: Element | None, context: Context) -> Json:
    """Convert a CD that FHIR requires: what is missing is said by a data-absent-reason."""
    converted = cd_to_codeable_concept(element, context)
    return converted or absent(absent_reason(element.get("nullFlavor") if element is not None else None))


def _qualifier(element: Element, context: Context) -> Json:
    """Convert one qualifier (a side, a modality) to an extension of the concept that it refines."""
    value = child(element, "value")
    literal = (value.get("value") or "").strip() if value is not None else ""
    found = {
        "name": cd_to_codeable_concept(child(element, "name"), context),
        "value": cd_to_codeable_concept(value, context) or compact({"text": literal}),
    }
    parts = [extension(name, valueCodeableConcept=concept) for name, concept in found.items() if concept]
    return nested_extension(QUALIFIER, parts) if parts else {}


def number(text: str | None, element: Element, context: Context) -> Decimal | None:
    """Read a decimal with every digit that was written; report what is no number."""
    literal = (text or "").strip()
    if not literal:
        return None
    if re.fullmatch(r"[+-]?\d+,\d+", literal):
        context.report("warning", "value", "A decimal comma was read as a point.", element)
        literal = literal.replace(",", ".")
    try:
        if _NUMBER.fullmatch(literal):
            return Decimal(literal)
    except InvalidOperation:
        pass
    context.report("warning", "value", f"'{literal[:40]}' is no decimal number.", element)
    return None


def pq_to_quantity(element: Element | None, context: Context) -> Json:
    """Convert a PQ or a REAL; the unit is a UCUM code, and 1 or nothing means no unit; empty when it has no value."""
    if element is None:
        return {}
    value = number(element.get("value"), element, context)
    if value is None:
        return {}
    quantity = _with_unit(value, element, context)
    others = [found for item in children(element, "translation") if (found := _translated(item, context))]
    return {"extension": others, **quantity} if others else quantity


def _translated(element: Element, context: Context) -> Json:
    """Convert the same quantity in another unit."""
    value = number(element.get("value"), element, context)
    if value is None:
        return {}
    unit = (element.get("code") or "").strip()
    named = {"unit": unit, "system": system_uri(element.get("codeSystem")) or UCUM, "code": unit} if unit else {}
    return extension(PQ_TRANSLATION, valueQuantity={"value": value, **named})


def _with_unit(value: Decimal, element: Element, context: Context) -> Json:
    unit = (element.get("unit") or "").strip()
    if unit in ("", "1"):
        return {"value": value} | ({"system": UCUM, "code": "1"} if unit else {})
    if re.fullmatch(r"\d{8}", unit):
        # Choice: eight digits are no UCUM unit but an EDQM standard term, as the CI-SIS counts boxes.
        return {"value": value, "system": EDQM, "code": unit}
    if re.search(r"\s", unit):
        context.report("warning", "code-invalid", f"'{unit}' is no UCUM unit: it was kept as text.", element)
        return {"value": value, "unit": unit}
    return {"value": value, "unit": unit, "system": UCUM, "code": unit}


def ivl_pq_to_range(element: Element, context: Context) -> Json:
    """Convert an IVL_PQ to the low and high of a Range or of a reference range."""
    low, high = child(element, "low"), child(element, "high")
    return compact({"low": pq_to_quantity(low, context), "high": pq_to_quantity(high, context)})


def ivl_pq_to_quantity(element: Element, context: Context) -> Json:
    """Convert an IVL_PQ that has a single bound to a Quantity with a comparator; empty when it has none or two."""
    low, high = (pq_to_quantity(child(element, name), context) for name in ("low", "high"))
    if bool(low) == bool(high):
        return {}
    name, sign = ("low", ">") if low else ("high", "<")
    bound = child(element, name)
    is_open = bound is not None and bound.get("inclusive") == "false"
    quantity = low or high
    return {"value": quantity.pop("value"), "comparator": sign if is_open else f"{sign}=", **quantity}


def rto_to_ratio(element: Element, context: Context) -> Json:
    """Convert an RTO; both parts are needed."""
    parts = {name: pq_to_quantity(child(element, name), context) for name in ("numerator", "denominator")}
    return parts if all(parts.values()) else {}


def boolean(text: str | None) -> bool | None:
    """Read a BL attribute; None when it is neither true nor false."""
    return {"true": True, "1": True, "false": False, "0": False}.get((text or "").strip())


def confidentiality(code: str | None) -> str | None:
    """Give the code when FHIR's Composition.confidentiality may hold it."""
    return code if code in ("U", "L", "M", "N", "R", "V") else None
