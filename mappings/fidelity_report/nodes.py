"""The pieces of information of a CDA document: attributes and texts that mean something, one node each.

Source: HL7 CDA R2 (R-MIM). Left out as structure, not information: template and type ids, class, mood and relation
codes, xsi:type, the names of code systems (their OIDs tell them), and the narrative's own markup (its words are one
node). Any other attribute is a piece of information, also one that CDA does not define.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from mappings.cda.datatypes import boolean
from mappings.cda.text import plain_text
from mappings.cda.values import value_type
from mappings.cda.xml import HL7, Element, local_name

_STRUCTURE = frozenset(("templateId", "typeId", "realmCode"))
_DATES = frozenset(
    ("time", "effectiveTime", "birthTime", "low", "high", "center", "expirationTime", "deceasedTime", "useablePeriod")
)
_DATE_TYPES = frozenset(("TS", "IVL_TS", "EIVL_TS"))
_QUANTITY_NAMES = frozenset(("doseQuantity", "quantity", "rateQuantity", "period", "width", "repeatNumber", "offset"))
_QUANTITY_NAMES |= {"translation", "numerator", "denominator", "capacityQuantity", "sequenceNumber", "versionNumber"}
_BOOLEANS = frozenset(("independentInd", "deceasedInd", "multipleBirthInd", "preferenceInd"))
_ATTRIBUTES = {"inclusive": "bound", "qualifier": "use", "use": "use", "unit": "unit", "codeSystem": "system"}
_READ = ("root", "extension", "code", "displayName", "value", "nullFlavor", "negationInd", "compression", "language")
_STRUCTURAL = ("ID", "IDREF", "classCode", "moodCode", "typeCode", "determinerCode", "inversionInd", "independentInd")
_MARKUP = ("codeSystemName", "valueSet", "valueSetVersion", "representation", "displayable", "styleCode", "revised")
_CONTEXT = ("contextControlCode", "contextConductionInd", "integrityCheck", "integrityCheckAlgorithm")
_LEFT_OUT = frozenset((*_READ, *_STRUCTURAL, *_MARKUP, *_CONTEXT))
_TIME_HOLDERS = frozenset(("effectiveTime", "time", "comp", "phase", "useablePeriod", "expectedUseTime"))


@dataclass(frozen=True, slots=True)
class Piece:
    """One piece of information before it is judged; attribute is empty for a text."""

    element: Element
    xpath: str
    kind: str
    value: str
    attribute: str


def nodes_of(document: Element) -> Iterator[Piece]:
    """Go through the information of a document in document order."""
    yield from _walk(document, "/ClinicalDocument")


def _walk(element: Element, xpath: str) -> Iterator[Piece]:
    name = local_name(element)
    parent = element.getparent()
    if name == "text" and parent is not None and parent.tag == HL7 + "section":
        if words := plain_text(element):
            yield Piece(element, xpath, "narrative", words[:200], "")
        return
    yield from _attributes(element, name, xpath)
    text = " ".join((element.text or "").split())
    if text:
        is_file = element.get("representation") == "B64"
        yield Piece(element, xpath, "file" if is_file else "text", f"{len(text)} caractères" if is_file else text, "")
    seen: Counter[str] = Counter()
    for child in element:
        if tail := " ".join((child.tail or "").split()):
            yield Piece(element, xpath, "text", tail, "")
        if local_name(child) in _STRUCTURE:
            continue
        seen[child.tag] += 1
        yield from _walk(child, f"{xpath}/{local_name(child)}[{seen[child.tag]}]")


def _attributes(element: Element, name: str, xpath: str) -> Iterator[Piece]:
    if not element.attrib:
        return
    yield from _identity(element, xpath)
    if value := (element.get("value") or "").strip():
        yield Piece(element, f"{xpath}/@value", _kind(element, name), value, "value")
    if flavor := element.get("nullFlavor"):
        yield Piece(element, f"{xpath}/@nullFlavor", "null", flavor, "nullFlavor")
    if boolean(element.get("negationInd")):
        yield Piece(element, f"{xpath}/@negationInd", "boolean", "true", "negationInd")
    for attribute in _others(element):
        if (found := element.get(attribute, "").strip()) and not _is_plain_markup(element, attribute):
            yield Piece(element, f"{xpath}/@{attribute}", _ATTRIBUTES.get(attribute, "text"), found, attribute)


def _others(element: Element) -> Iterator[str]:
    for name in map(str, element.attrib):
        is_structure = name in _LEFT_OUT or name.startswith("{http://www.w3.org/")
        if not is_structure and (name != "codeSystem" or element.get("code")):
            yield name


def _identity(element: Element, xpath: str) -> Iterator[Piece]:
    identifier = f"{element.get('root') or ''}^{element.get('extension') or ''}".strip("^")
    if identifier:
        yield Piece(element, xpath, "identifier", identifier, "root")
    if code := " ".join((element.get("code") or "").split()):
        yield Piece(element, f"{xpath}/@code", "code", code, "code")
    if display := " ".join((element.get("displayName") or "").split()):
        yield Piece(element, f"{xpath}/@displayName", "display", display, "displayName")


def _is_plain_markup(element: Element, attribute: str) -> bool:
    """Tell a media type that only says that words are XML or plain, from one that describes a file."""
    return attribute == "mediaType" and (element.get("mediaType") or "").startswith("text/") and not _is_file(element)


def _is_file(element: Element) -> bool:
    return element.get("representation") == "B64"


def _kind(element: Element, name: str) -> str:
    if name == "telecom":
        return "telecom"
    if name == "reference":
        return "link"
    kind = value_type(element)
    if kind == "BL" or name in _BOOLEANS:
        return "boolean"
    if kind in _DATE_TYPES or (name in _DATES and _holds_time(element)):
        return "date"
    if kind or name in _QUANTITY_NAMES or name in ("low", "high", "center"):
        return "quantity"
    return "text"


def _holds_time(element: Element) -> bool:
    """Tell a bound of an interval of time from a bound of an interval of quantities."""
    name = local_name(element)
    if name not in ("low", "high", "center"):
        return True
    parent = element.getparent()
    return parent is not None and (local_name(parent) in _TIME_HOLDERS or value_type(parent) in _DATE_TYPES)
