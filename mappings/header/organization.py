"""CDA organisations to Organization, each once a document. Source: FROrganisationLMCDAFHIR; as-organization."""

from typing import Any

from mappings.cda.datatypes import cd_to_codeable_concept, ii_key, ii_to_identifier
from mappings.cda.names import addresses, telecoms, words
from mappings.cda.xml import Element, child, children
from mappings.context import Context
from mappings.fhir import Json, compact, concept
from mappings.header.ins import FR_V2_0203

STRUCTURES = "1.2.250.1.71.4.2.2"

# IdNat_Struct: the first character tells which register numbers the rest. Choice: a FINESS is taken as a site (FINEG).
_REGISTERS = {
    ("1", 10): ("https://finess.esante.gouv.fr", "FINEG"),
    ("2", 10): ("https://sirene.fr", "SIREN"),
    ("3", 15): ("https://sirene.fr", "SIRET"),
    ("4", 15): ("https://rppsrang.esante.gouv.fr", "RPPSRG"),
}


def organization(element: Element | None, context: Context) -> Json | None:
    """Convert an organisation and give the reference to it; None when it says nothing."""
    if element is None:
        return None
    ids = [number for number in children(element, "id") if ii_key(number)]
    name = words(child(element, "name"))
    resource = compact(
        {
            "resourceType": "Organization",
            "identifier": organization_identifiers(ids),
            "name": name,
            "type": _types(element, context),
            "telecom": telecoms(children(element, "telecom"), context),
            "address": addresses(children(element, "addr"), context),
            "partOf": _part_of(element, context),
        }
    )
    if not resource.keys() & {"identifier", "name"}:
        return None
    key = ii_key(ids[0]) if ids else context.path(element)
    return known_or_added(resource, key, context)


def known_or_added(resource: Json, key: str, context: Context) -> Json:
    """Add a resource, or complete the one that an earlier mention of the same identifier made."""
    full_url = context.full_url(resource["resourceType"], key)
    known = context.resources.get(full_url)
    if known is None:
        return context.add(resource, key)
    for member, value in resource.items():
        held: Any = known.setdefault(member, value)
        if isinstance(value, list) and member != "name":
            held.extend(item for item in value if item not in held)
    for name in _names(resource):
        if (same := _same(name, known)) is not None:
            _honour(same, name)
        else:
            known.setdefault("name" if isinstance(name, dict) else "alias", []).append(name)
            note = f"{resource['resourceType']} {key} has several names in this document: all were kept."
            context.report("information", "conflict", note)
    return {"reference": full_url}


def _same(name: Json | str, known: Json) -> Json | str | None:
    return next((other for other in _names(known) if _spoken(other) == _spoken(name)), None)


def _honour(known: Json | str, name: Json | str) -> None:
    """Complete a name with the titles that a later mention of the same person gives."""
    if isinstance(known, dict) and isinstance(name, dict):
        for part in ("prefix", "suffix"):
            held = known.get(part, [])
            if more := [title for title in name.get(part, []) if title not in held]:
                known[part] = [*held, *more]


def _names(resource: Json) -> list[Any]:
    name = resource.get("name", [])
    return [*(name if isinstance(name, list) else [name]), *resource.get("alias", [])]


def _spoken(name: Json | str) -> str:
    """Give what of a name tells one person or organisation from another."""
    words = name if isinstance(name, str) else " ".join([*name.get("given", []), name.get("family", "")])
    return words.casefold()


def organization_identifiers(ids: list[Element]) -> list[Json]:
    """Convert the ids of an organisation: IdNat_Struct as written, and the register's own number beside it."""
    found: list[Json] = []
    for element in ids:
        identifier = ii_to_identifier(element)
        value = (element.get("extension") or "").strip()
        if element.get("root") == STRUCTURES and value:
            found.append({"use": "official", "type": concept(FR_V2_0203, "IDNST"), **identifier})
            system, code = _REGISTERS.get((value[0], len(value)), (None, None))
            if system and code:
                found.append({"type": concept(FR_V2_0203, code), "system": system, "value": value[1:]})
        elif identifier:
            found.append(identifier)
    return found


def _types(element: Element, context: Context) -> list[Json]:
    sector = cd_to_codeable_concept(child(element, "standardIndustryClassCode"), context)
    return [sector] if sector else []


def _part_of(element: Element, context: Context) -> Json | None:
    part = child(element, "asOrganizationPartOf")
    return organization(child(part, "wholeOrganization"), context) if part is not None else None
