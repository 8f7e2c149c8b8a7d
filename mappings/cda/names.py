"""PN, AD and TEL to HumanName, Address and ContactPoint. Spec: datatypes.html#HumanName, #Address, #ContactPoint."""

import re

from mappings.cda.dates import ivl_ts_to_period
from mappings.cda.vocabulary import translate
from mappings.cda.xml import Element, child, children, local_name
from mappings.context import Context
from mappings.fhir import Json, compact, extension

FR_CORE = "https://hl7.fr/ig/fhir/core/StructureDefinition/"
EMAIL_TYPE = FR_CORE + "fr-core-contact-point-email-type"
MAILBOX_TYPE = "https://mos.esante.gouv.fr/NOS/TRE_R256-TypeMessagerie/FHIR/TRE-R256-TypeMessagerie"

_STREET_PARTS = (
    "houseNumber",
    "houseNumberNumeric",
    "buildingNumberSuffix",
    "direction",
    "streetNameType",
    "streetNameBase",
    "streetName",
)
_PLACES = {"city": "city", "postalCode": "postalCode", "state": "state", "county": "district", "country": "country"}
_NAME_USES = {"L": "usual", "C": "usual", "A": "nickname", "P": "nickname", "I": "usual", "OR": "official"}


def words(element: Element | None) -> str:
    """Give the text of an element with single spaces."""
    return " ".join("".join(map(str, element.itertext())).split()) if element is not None else ""


def name_parts(element: Element, name: str, qualifiers: tuple[str | None, ...]) -> list[str]:
    """List the parts of a PN that have that name and one of those qualifiers; None stands for no qualifier."""
    return [text for part in children(element, name) if _qualifier(part) in qualifiers and (text := words(part))]


def _qualifier(part: Element) -> str | None:
    tokens = [token for token in (part.get("qualifier") or "").split() if token in ("BR", "CL", "SP")]
    return tokens[0] if tokens else None


def pn_to_human_names(element: Element) -> list[Json]:
    """Convert a PN: a birth name is official, a name in use is usual, any other has the use of the element."""
    honours = {"prefix": name_parts(element, "prefix", (None,)), "suffix": name_parts(element, "suffix", (None,))}
    found: list[Json] = []
    plain = name_parts(element, "given", (None,))
    bare = " ".join(name_parts(element, "family", (None,)))
    for use, qualifiers in (("official", ("BR",)), ("usual", ("CL", "SP")), (_use(element), (None,))):
        family = " ".join(name_parts(element, "family", qualifiers))
        given = name_parts(element, "given", qualifiers)
        every = " ".join([*plain, family]) if plain and given and plain != given else None
        if family:
            found.append(compact({"use": use, "text": every, "family": family, "given": given or plain, **honours}))
        elif given and bare:
            found.append(compact({"use": use, "family": bare, "given": given, **honours}))
    if not found:
        text = "" if len(element) else words(element)
        nameless = compact({"use": _use(element), "text": text, "given": plain, **honours})
        found = [nameless] if nameless.keys() - {"use"} else []
    return found


def _use(element: Element) -> str | None:
    tokens = (element.get("use") or "").split()
    return next((_NAME_USES[token] for token in tokens if token in _NAME_USES), None)


def ad_to_address(element: Element | None, context: Context) -> Json:
    """Convert an AD: number and street share a line, other parts of the street level have their own; empty if null."""
    if element is None:
        return {}
    places = {_PLACES[name]: text for name, text in _address_parts(element) if name in _PLACES}
    address = compact(
        {
            "use": _first_use(element),
            "text": words(element) if not len(element) else None,
            "line": _lines(element),
            **places,
            "period": ivl_ts_to_period(child(element, "useablePeriod"), context),
        }
    )
    return address if address.keys() - {"use", "period"} else {}


def _address_parts(element: Element) -> list[tuple[str, str]]:
    parts = [(local_name(part), words(part)) for part in element]
    return [(name, text) for name, text in parts if text and name != "useablePeriod"]


def _lines(element: Element) -> list[str]:
    """Give the lines in the order of their first words."""
    parts = [(name, text) for name, text in _address_parts(element) if name not in _PLACES]
    street = " ".join(text for name, text in parts if name in _STREET_PARTS)
    lines: list[str] = []
    for name, text in parts:
        line = street if name in _STREET_PARTS else text
        if name not in _STREET_PARTS or line not in lines:
            lines.append(line)
    return lines


def _first_use(element: Element) -> str | None:
    tokens = (element.get("use") or "").split()
    uses = [use for token in tokens if (use := translate("telecom_uses", token)) in ("home", "work", "temp", "old")]
    return uses[0] if uses else None


def tel_to_contact_point(element: Element, context: Context) -> Json:
    """Convert a TEL; an MSSanté mailbox says so by an extension; empty for a nullFlavor."""
    literal = (element.get("value") or "").strip()
    scheme, separator, rest = literal.partition(":")
    systems = {"tel": "phone", "fax": "fax", "mailto": "email", "http": "url", "https": "url", "x-text-fax": "fax"}
    system = systems.get(scheme.lower()) if separator else None
    value = literal if system in (None, "url") else rest.strip()
    if system is None:
        system = "email" if "@" in literal else "phone" if re.fullmatch(r"[+\d][\d .()-]+", literal) else "other"
    if not value:
        return {}
    tokens = (element.get("use") or "").split()
    uses = [use for token in tokens if (use := translate("telecom_uses", token))]
    if tokens and not uses:
        context.report("information", "not-supported", f"The telecom use {tokens[0]} has no FHIR code.", element)
    mailbox = {"system": MAILBOX_TYPE, "code": "MSSANTE", "display": "MSSANTE"}
    is_mssante = system == "email" and re.search(r"[@.]mssante\.fr$", value.lower())
    return compact(
        {
            "extension": [extension(EMAIL_TYPE, valueCoding=mailbox)] if is_mssante else None,
            "system": system,
            "value": value,
            "use": uses[0] if uses else None,
        }
    )


def addresses(elements: list[Element], context: Context) -> list[Json]:
    """Convert every AD that holds something."""
    return [address for element in elements if (address := ad_to_address(element, context))]


def telecoms(elements: list[Element], context: Context) -> list[Json]:
    """Convert every TEL that holds something, each once."""
    found: list[Json] = []
    for element in elements:
        contact_point = tel_to_contact_point(element, context)
        if contact_point and contact_point not in found:
            found.append(contact_point)
    return found
