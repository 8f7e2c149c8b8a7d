"""Identifier, Coding, dateTime, HumanName, Address and ContactPoint to II, CE, TS, PN, AD and TEL.

Spec: datatypes.html; HL7 v3 data types, as the converters of `mappings.cda` read them.
"""

import re
from functools import cache

from mappings.cda.vocabulary import concept_map
from mappings.clinical_document.elements import Element, element, unknown
from mappings.fhir import Json

PROFESSIONALS = "1.2.250.1.71.4.2.1"
STRUCTURES = "1.2.250.1.71.4.2.2"
RPPS = "https://rpps.esante.gouv.fr"
_REGISTERS = {"https://finess.esante.gouv.fr": "1", "https://sirene.fr": "3"}
"""Registers whose number IdNat_Struct holds behind one digit: 1 FINESS, 3 SIRET."""
_OID = re.compile(r"[0-2](\.(0|[1-9][0-9]*))+")
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_INSTANT = re.compile(r"(?P<date>\d{4}(-\d\d){0,2})(T(?P<time>\d\d:\d\d(:\d\d)?)(\.\d+)?(?P<zone>Z|[+-]\d\d:\d\d)?)?")
_NAME_USES = {"official": "BR", "usual": "CL"}
_TELECOMS = {"phone": "tel", "fax": "fax", "email": "mailto", "url": ""}
_USES = {"home": "H", "work": "WP", "mobile": "MC", "temp": "TMP"}


@cache
def _roots() -> dict[str, str]:
    """Return the OID of each code system that has a URI of its own; the first OID is the one to write."""
    roots: dict[str, str] = {}
    for oid, uri in concept_map("code_systems").items():
        roots.setdefault(uri, oid)
    return roots


def root_of(system: str) -> str:
    """Return the OID or UUID of a system, "" when it has none."""
    plain = system.removeprefix("urn:oid:").removeprefix("urn:uuid:")
    if _OID.fullmatch(plain) or _UUID.fullmatch(plain):
        return plain
    return _roots().get(system, "")


def identifier_to_ii(name: str, identifier: Json) -> Element | None:
    """Make an II; None when the identifier has no OID or UUID to be written by."""
    system, value = str(identifier.get("system", "")), str(identifier.get("value", ""))
    if system == RPPS:
        return element(name, root=PROFESSIONALS, extension=f"8{value}")
    if system in _REGISTERS:
        return element(name, root=STRUCTURES, extension=f"{_REGISTERS[system]}{value}")
    if system == "urn:ietf:rfc:3986":
        root, _, extension = value.removeprefix("urn:oid:").removeprefix("urn:uuid:").partition("^")
        return element(name, root=root, extension=extension) if root_of(root) else None
    root = root_of(system)
    return element(name, root=root, extension=value) if root and value else None


def identifiers_to_ii(resource: Json | None, *preferred: str) -> list[Element]:
    """Make an id of each identifier of a resource, each once, those of preferred roots first."""
    found: dict[tuple[str, str], Element] = {}
    for identifier in (resource or {}).get("identifier", ()):
        made = identifier_to_ii("id", identifier)
        if made is not None:
            found.setdefault((made.get("root"), made.get("extension", "")), made)
    return sorted(found.values(), key=lambda made: made.get("root") not in preferred)


def concept_to_ce(name: str, concept: Json | None) -> Element | None:
    """Make a CE (or CD) of the first code of a concept; None when it has none."""
    coding: Json = next((one for one in (concept or {}).get("coding", ()) if one.get("code")), {})
    return coding_to_ce(name, coding) if coding else None


def coding_to_ce(name: str, coding: Json) -> Element:
    """Make a CE of a Coding; a system without an OID is named by its URI, a code that CDA cannot hold by its words."""
    system, code = str(coding.get("system", "")), str(coding["code"])
    if re.search(r"\s", code):
        return element(name, element("originalText", coding.get("display") or code), nullFlavor="OTH")
    root = root_of(system)
    return element(
        name,
        code=code,
        displayName=coding.get("display"),
        codeSystem=root or None,
        codeSystemName=None if root else system or None,
    )


def date_time_to_ts(name: str, value: str | None) -> Element:
    """Make a TS at the precision that is given; an unknown one without a value."""
    match = _INSTANT.fullmatch(value or "")
    if match is None:
        return unknown(name)
    zone = (match["zone"] or "").replace("Z", "+0000").replace(":", "")
    written = match["date"].replace("-", "") + (match["time"] or "").replace(":", "") + zone
    return element(name, value=written)


def period_to_ivl_ts(name: str, period: Json) -> Element:
    """Make an IVL_TS of a Period."""
    bounds = [(bound, period.get(end)) for bound, end in (("low", "start"), ("high", "end"))]
    return element(name, *(date_time_to_ts(bound, value) for bound, value in bounds if value))


def human_name_to_pn(names: list[Json]) -> Element:
    """Make the PN of a person who is no patient, from the official name, else the first."""
    chosen: Json = next((name for name in names if name.get("use") == "official"), names[0] if names else {})
    return element("name", *_honours(chosen, "prefix"), *_parts(chosen), *_honours(chosen, "suffix"), *_text(chosen))


def patient_names_to_pn(names: list[Json]) -> Element:
    """Make the PN of a patient: birth name (BR) and name in use (CL), as the CI-SIS writes them."""
    made: list[Element] = []
    for name in names:
        qualifier = _NAME_USES.get(str(name.get("use", "official")))
        if qualifier is not None:
            made += _parts(name, qualifier)
        birth_list = next((one.get("valueString") for one in name.get("extension", ()) if "valueString" in one), None)
        made += [element("given", birth_list)] if birth_list else []
    return element("name", *(made or (_text(names[0]) if names else [])))


def telecoms(resource: Json | None) -> list[Element]:
    """Make the TELs of a resource, an absent one when there is none: the CI-SIS asks for it."""
    made = []
    for point in (resource or {}).get("telecom", ()):
        scheme = _TELECOMS.get(str(point.get("system", "")))
        value = str(point.get("value", "")).replace(" ", "")
        if value and scheme is not None:
            made.append(
                element("telecom", value=f"{scheme}:{value}" if scheme else value, use=_USES.get(point.get("use", "")))
            )
    return made or [unknown("telecom", "NASK")]


def addresses(resource: Json | None) -> list[Element]:
    """Make the ADs of a resource, an absent one when there is none."""
    listed = (resource or {}).get("address", [])
    made = [address_to_ad(one) for one in (listed if isinstance(listed, list) else [listed])]
    return made or [unknown("addr", "NASK")]


def address_to_ad(address: Json) -> Element:
    """Make an AD of lines and places."""
    lines = [element("streetAddressLine", line) for line in address.get("line", ())]
    names = {"postalCode": "postalCode", "city": "city", "state": "state", "country": "country"}
    places = [element(name, address[member]) for member, name in names.items() if address.get(member)]
    text = [] if lines or places else _text(address)
    return element("addr", *lines, *places, *text)


def _parts(name: Json, qualifier: str | None = None) -> list[Element]:
    family = [element("family", name["family"], qualifier=qualifier)] if name.get("family") else []
    return family + [element("given", given, qualifier=qualifier) for given in name.get("given", ())]


def _honours(name: Json, kind: str) -> list[Element]:
    return [element(kind, text) for text in name.get(kind, ())]


def _text(named: Json) -> list[str]:
    has_parts = named.keys() & {"family", "given"}
    return [named["text"]] if named.get("text") and not has_parts else []
