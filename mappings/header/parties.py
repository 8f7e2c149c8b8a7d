"""Professionals, devices and relatives of the CDA to references, each professional once a document.

Source: FRHealthProfessionalLMCDAFHIR, FRRelatedPersonLMCDAFHIR, FRAuthorLMCDAFHIR; as-practitioner(role).
"""

import re

from mappings.cda.datatypes import cd_to_codeable_concept, identifiers, ii_key, ii_to_identifier
from mappings.cda.dates import date_only
from mappings.cda.names import addresses, pn_to_human_names, telecoms, words
from mappings.cda.xml import HL7, Element, child, children
from mappings.context import Context
from mappings.fhir import Json, compact, concept, one
from mappings.header.ins import FR_V2_0203
from mappings.header.organization import known_or_added, organization

PROFESSIONALS = "1.2.250.1.71.4.2.1"
PROFESSIONS = "1.2.250.1.213.1.1.4.5"
TRE_PROFESSION = "https://mos.esante.gouv.fr/NOS/TRE_G15-ProfessionSante/FHIR/TRE-G15-ProfessionSante"
TRE_SKILL = "https://mos.esante.gouv.fr/NOS/TRE_R01-EnsembleSavoirFaire-CISIS/FHIR/TRE-R01-EnsembleSavoirFaire-CISIS"

_PERSONS = ("assignedPerson", "associatedPerson", "informationRecipient", "playingEntity")
_ORGANIZATIONS = ("representedOrganization", "scopingOrganization", "receivedOrganization", "scopingEntity")
_DEVICES = ("assignedAuthoringDevice", "playingDevice")
_PROFESSION = re.compile(r"(?:G15_)?(\d{2})(?:/(\w+))?")


def party(element: Element | None, context: Context, function: Element | None = None) -> Json | None:
    """Convert an assignedAuthor, assignedEntity, associatedEntity or the like to the reference of who it is.

    A professional is a PractitionerRole (a Practitioner when nothing but the person is told), a system a Device, an
    organisation alone an Organization, the patient the Patient; None when the element says nothing.
    """
    if element is None:
        return None
    ids = [number for number in children(element, "id") if ii_key(number)]
    if any(ii_key(number) in context.patient_keys for number in ids):
        return context.patient
    device = _first(element, _DEVICES)
    if device is not None:
        return _device(element, device, ids, context)
    place = organization(_first(element, _ORGANIZATIONS), context)
    person = _first(element, _PERSONS)
    if person is None and not ids:
        return _reachable(place, element, context)
    who = _practitioner(element, person, ids, context)
    if who is None and not any(code.get("code") for code in children(element, "code")):
        return place
    return _role(element, who, place, function, context)


def _reachable(place: Json | None, element: Element, context: Context) -> Json | None:
    """Give an organisation that stands alone the telecoms and addresses of the role that it plays."""
    if place is not None:
        resource = context.resources[place["reference"]]
        contacts = {"telecom": telecoms(children(element, "telecom"), context)}
        contacts["address"] = addresses(children(element, "addr"), context)
        for name, values in contacts.items():
            held = resource.get(name, [])
            if more := [value for value in values if value not in held]:
                resource[name] = [*held, *more]
    return place


def _first(element: Element, names: tuple[str, ...]) -> Element | None:
    for name in names:
        found = child(element, name)
        if found is not None:
            return found
    return None


def _practitioner(element: Element, person: Element | None, ids: list[Element], context: Context) -> Json | None:
    names = [name for pn in children(person, "name") for name in pn_to_human_names(pn)] if person is not None else []
    holders = [element, *_nameless(element)]
    resource = compact(
        {
            "resourceType": "Practitioner",
            "identifier": practitioner_identifiers(ids),
            "name": names,
            "telecom": telecoms([found for holder in holders for found in children(holder, "telecom")], context),
            "address": addresses([found for holder in holders for found in children(holder, "addr")], context),
        }
    )
    if not resource.keys() & {"identifier", "name"}:
        return None
    return known_or_added(resource, ii_key(ids[0]) if ids else context.path(element), context)


def _nameless(element: Element) -> list[Element]:
    """Find the organisation that has contacts and neither name nor number: the professional is reached there."""
    place = _first(element, _ORGANIZATIONS)
    if place is None or words(child(place, "name")) or any(ii_key(number) for number in children(place, "id")):
        return []
    return [place]


def practitioner_identifiers(ids: list[Element]) -> list[Json]:
    """Convert the ids of a professional: IdNat_PS as written, and the RPPS number that it holds."""
    found: list[Json] = []
    for element in ids:
        identifier = ii_to_identifier(element)
        value = (element.get("extension") or "").strip()
        if element.get("root") == PROFESSIONALS and value:
            found.append({"use": "official", "type": concept(FR_V2_0203, "IDNPS"), **identifier})
            if re.fullmatch(r"8\d{11}", value):
                rpps = {"system": "https://rpps.esante.gouv.fr", "value": value[1:]}
                found.append({"use": "official", "type": concept(FR_V2_0203, "RPPS"), **rpps})
        elif identifier:
            found.append(identifier)
    return found


def _role(element: Element, who: Json | None, place: Json | None, function: Element | None, context: Context) -> Json:
    """Convert the role of a professional; one whom nobody names is a role without a practitioner."""
    codes = children(element, "code")
    roles = [role for code in codes if (role := _role_code(code, context))]
    roles += one(cd_to_codeable_concept(function, context))
    if who is not None and place is None and not roles:
        return who
    resource = compact(
        {
            "resourceType": "PractitionerRole",
            "practitioner": who,
            "organization": place,
            "code": roles,
            "specialty": [skill for code in codes if (skill := _skill(code))],
        }
    )
    spoken = [code.get("code", "") for code in [*codes, *([function] if function is not None else [])]]
    person = who["reference"] if who else context.path(element)
    key = "|".join([person, place["reference"] if place else "", *spoken])
    return context.add(resource, key)


def _role_code(code: Element, context: Context) -> Json:
    """Convert the profession; G15_10/SM26 keeps its code and gains the profession of TRE G15."""
    role = cd_to_codeable_concept(code, context)
    parts = _PROFESSION.fullmatch(code.get("code") or "")
    if role and parts and code.get("codeSystem") == PROFESSIONS:
        role.setdefault("coding", []).append({"system": TRE_PROFESSION, "code": parts[1]})
    return role


def _skill(code: Element) -> Json | None:
    parts = _PROFESSION.fullmatch(code.get("code") or "")
    if parts is None or not parts[2] or code.get("codeSystem") != PROFESSIONS:
        return None
    return concept(TRE_SKILL, parts[2])


def _device(element: Element, device: Element, ids: list[Element], context: Context) -> Json:
    model, software = words(child(device, "manufacturerModelName")), words(child(device, "softwareName"))
    names = [{"name": model, "type": "model-name"}] if model else []
    names += [{"name": software, "type": "manufacturer-name"}] if software and not model else []
    resource = compact(
        {
            "resourceType": "Device",
            "identifier": [ii_to_identifier(number) for number in ids],
            "deviceName": names,
            "version": [{"value": software}] if software and model else None,
            "type": cd_to_codeable_concept(child(device, "code"), context)
            or cd_to_codeable_concept(child(element, "code"), context),
            "owner": organization(_first(element, _ORGANIZATIONS), context),
        }
    )
    return known_or_added(resource, ii_key(ids[0]) if ids else context.path(element), context)


def related_person(element: Element, context: Context, person_name: str = "relatedPerson") -> Json:
    """Convert a relatedEntity or relatedSubject to a RelatedPerson of the patient, each once."""
    person = element.find(HL7 + person_name)
    resource = compact(
        {
            "resourceType": "RelatedPerson",
            "identifier": identifiers([*children(element, "id"), *_ids(person)]),
            "patient": context.patient,
            "relationship": one(cd_to_codeable_concept(child(element, "code"), context)),
            **(_person(person, context) if person is not None else {}),
            "telecom": telecoms(children(element, "telecom"), context),
            "address": addresses(children(element, "addr"), context),
        }
    )
    return context.add(resource, repr(resource))


def _ids(person: Element | None) -> list[Element]:
    """Find the ids of a relative, which CDA R2 lacks and documents write in the namespace of its extensions."""
    return list(person.iterchildren("{*}id")) if person is not None else []


def _person(person: Element, context: Context) -> Json:
    gender = child(person, "administrativeGenderCode")
    return {
        "name": [name for pn in children(person, "name") for name in pn_to_human_names(pn)],
        "gender": {"M": "male", "F": "female"}.get(gender.get("code") or "") if gender is not None else None,
        "birthDate": date_only(child(person, "birthTime"), context),
    }
