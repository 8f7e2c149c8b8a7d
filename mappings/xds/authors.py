"""Authors in XDS metadata to contained resources and back.

Source: IHE ITI TF-3, 4.2.3.2.1 (author); IHE MHD 4.2, table 4.5.1.1-1; PDSm4DMP 0.1.0 (AuthorDocumentEntry).
"""

from collections.abc import Callable
from typing import Final

from mappings.cda.vocabulary import system_uri
from mappings.fhir import Json, compact, concept
from mappings.xds.ebrim import Classification
from mappings.xds.hl7v2 import authority, components, escape, format_authority, oid_of, part, part_raw

FR_V2_0203: Final = "https://hl7.fr/ig/fhir/core/CodeSystem/fr-core-cs-v2-0203"
RPPS: Final = "https://rpps.esante.gouv.fr"
PROFESSIONALS: Final = "urn:oid:1.2.250.1.71.4.2.1"
INS_PREFIX: Final = "urn:oid:1.2.250.1.213.1.4."
DEVICES: Final = "DISPOSITIF"
_RPPS_LENGTH: Final = 12

Resolve = Callable[[str], Json]
"""Gives the resource of a reference; empty when it is not here."""


def author_of(one: Classification, name: str, subject: Json) -> tuple[Json | None, list[Json]]:
    """Convert an author to a reference and the resources to contain, whose ids begin with `name`.

    A patient who writes is the `subject`; None when the author says nothing.
    """
    person = next(iter(one.slots.get("authorPerson", ())), "")
    institutions = [organization_of(text, f"{name}-organization") for text in one.slots.get("authorInstitution", ())]
    places = institutions[:1]
    place = {"reference": f"#{places[0]['id']}"} if places else None
    parts = components(person)
    if (authority(part_raw(parts, 9)) or "").startswith(INS_PREFIX):
        return subject, []
    specialties = one.slots.get("authorSpecialty", ())
    if any(text.partition("^")[0] == DEVICES for text in specialties):
        device = _device(parts, f"{name}-device", place)
        return {"reference": f"#{device['id']}"}, [*places, device]
    if not person:
        return place, places
    practitioner = practitioner_of(person, f"{name}-practitioner")
    role = compact(
        {
            "resourceType": "PractitionerRole",
            "id": f"{name}-role",
            "practitioner": {"reference": f"#{practitioner['id']}"},
            "organization": place,
            "code": [{"text": text} for text in one.slots.get("authorRole", ())],
            "specialty": [found for text in specialties if (found := _specialty(text))],
        }
    )
    return {"reference": f"#{role['id']}"}, [*places, practitioner, role]


def practitioner_of(text: str, resource_id: str) -> Json:
    """Convert an XCN to a Practitioner; an IdNat that holds an RPPS number gives that too."""
    parts = components(text)
    value, system = part(parts, 1), authority(part_raw(parts, 9))
    identifiers = [compact({"system": system, "value": value})] if value else []
    if system == PROFESSIONALS and len(value) == _RPPS_LENGTH and value.startswith("8"):
        identifiers.append({"type": concept(FR_V2_0203, "RPPS"), "system": RPPS, "value": value[1:]})
    given = [one for one in (part(parts, 3),) if one]
    name = compact({"family": part(parts, 2), "given": given})
    return compact(
        {
            "resourceType": "Practitioner",
            "id": resource_id,
            "identifier": identifiers,
            "name": [name] if name else None,
        }
    )


def organization_of(text: str, resource_id: str) -> Json:
    """Convert an XON to an Organization."""
    parts = components(text)
    identifier = compact({"system": authority(part_raw(parts, 6)), "value": part(parts, 10)})
    return compact(
        {
            "resourceType": "Organization",
            "id": resource_id,
            "identifier": [identifier] if "value" in identifier else None,
            "name": part(parts, 1),
        }
    )


def _device(parts: list[str], resource_id: str, owner: Json | None) -> Json:
    identifier = compact({"system": authority(part_raw(parts, 9)), "value": part(parts, 1)})
    names = [{"name": part(parts, 2), "type": "user-friendly-name"}] if part(parts, 2) else None
    model = part(parts, 3)
    return compact(
        {
            "resourceType": "Device",
            "id": resource_id,
            "identifier": [identifier] if "value" in identifier else None,
            "deviceName": names,
            "modelNumber": model,
            "owner": owner,
        }
    )


def _specialty(text: str) -> Json:
    parts = components(text)
    scheme = part(parts, 3)
    coding = compact({"system": system_uri(scheme) or scheme, "code": part(parts, 1), "display": part(parts, 2)})
    return {"coding": [coding]} if "code" in coding else {}


def author_slots(reference: Json, resolve: Resolve) -> dict[str, tuple[str, ...]]:
    """Write who a reference names as the slots of an author; empty when nothing is known of him."""
    resource = resolve(reference.get("reference", ""))
    kind = resource.get("resourceType")
    if kind == "PractitionerRole":
        return _role_slots(resource, resolve)
    if kind in ("Practitioner", "Patient"):
        return {"authorPerson": (xcn_of(resource),)}
    if kind == "Organization":
        return {"authorInstitution": (xon_of(resource),)}
    if kind == "Device":
        return _device_slots(resource, resolve)
    display = reference.get("display", "")
    return {"authorPerson": (f"^{escape(display)}",)} if display else {}


def _role_slots(role: Json, resolve: Resolve) -> dict[str, tuple[str, ...]]:
    person = resolve(role.get("practitioner", {}).get("reference", ""))
    place = resolve(role.get("organization", {}).get("reference", ""))
    roles = (code.get("text") or code.get("coding", [{}])[0].get("display", "") for code in role.get("code", ()))
    slots = {
        "authorInstitution": (xon_of(place),) if place else (),
        "authorPerson": (xcn_of(person),) if person else (),
        "authorRole": tuple(escape(text) for text in roles if text),
        "authorSpecialty": tuple(_coded(code["coding"][0]) for code in role.get("specialty", ()) if code.get("coding")),
    }
    return {name: values for name, values in slots.items() if values}


def _device_slots(device: Json, resolve: Resolve) -> dict[str, tuple[str, ...]]:
    name = next((one["name"] for one in device.get("deviceName", ()) if "name" in one), "")
    identifier: Json = next(iter(device.get("identifier", ())), {})
    model = escape(device.get("modelNumber", ""))
    text = f"{escape(identifier.get('value', ''))}^{escape(name)}^{model}^^^^^^"
    person = f"{text}{format_authority(identifier.get('system'))}^U^^^RI"
    place = resolve(device.get("owner", {}).get("reference", ""))
    return {
        "authorInstitution": (xon_of(place),) if place else (),
        "authorPerson": (person,),
        "authorSpecialty": (f"{DEVICES}^dispositif^1.2.250.1.213.1.1.4.6",),
    }


def xcn_of(person: Json) -> str:
    """Write a Practitioner or Patient as an XCN: the national number first, the official name first."""
    identifiers = sorted(person.get("identifier", ()), key=lambda one: one.get("system") != PROFESSIONALS)
    identifier: Json = next((one for one in identifiers if "value" in one), {})
    names = sorted(person.get("name", ()), key=lambda one: one.get("use") != "official")
    name = names[0] if names else {}
    given = escape(" ".join(name.get("given", ())[:1]))
    kind = "NH" if identifier.get("system", "").startswith(INS_PREFIX) else "IDNPS"
    text = f"{escape(identifier.get('value', ''))}^{escape(name.get('family', ''))}^{given}"
    assigner = format_authority(identifier.get("system"))
    return f"{text}^^^^^^{assigner}^D^^^{kind}" if assigner else text


def xon_of(organization: Json) -> str:
    """Write an Organization as an XON."""
    identifier: Json = next((one for one in organization.get("identifier", ()) if "value" in one), {})
    name, value = escape(organization.get("name", "")), escape(identifier.get("value", ""))
    assigner = format_authority(identifier.get("system"))
    return f"{name}^^^^^{assigner}^IDNST^^^{value}" if value else name


def _coded(coding: Json) -> str:
    system = coding.get("system", "")
    words = (coding.get("code", ""), coding.get("display", ""), oid_of(system) or system)
    return "^".join(escape(word) for word in words)
