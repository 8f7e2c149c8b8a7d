"""recordTarget to Patient. Source: FRPatientLMCDAFHIR; fr-core-patient 2.2.0 (names, birth place)."""

import re

from mappings.cda.datatypes import boolean, cd_to_codeable_concept, ii_key
from mappings.cda.dates import date_only, date_time
from mappings.cda.names import FR_CORE, addresses, name_parts, pn_to_human_names, telecoms, words
from mappings.cda.vocabulary import INTERNAL
from mappings.cda.xml import HL7, Element, child, children
from mappings.context import Context
from mappings.conversion import CdaRefused
from mappings.fhir import Json, compact, concept, extension
from mappings.header.ins import patient_identifier
from mappings.header.organization import organization

BIRTH_LIST = FR_CORE + "fr-core-patient-birth-list-given-name"
INSEE_CODE = FR_CORE + "fr-core-address-insee-code"
BIRTH_PLACE = "http://hl7.org/fhir/StructureDefinition/patient-birthPlace"
COMMUNES = "https://mos.esante.gouv.fr/NOS/TRE_R13-CommuneOM/FHIR/TRE-R13-CommuneOM"
SDTC = "{urn:hl7-org:sdtc}"

_GENDERS = {"M": "male", "F": "female", "U": "unknown", "UN": "unknown"}
_PATIENT_PLACE = "/ClinicalDocument/recordTarget/patientRole"


def patient(context: Context) -> Json:
    """Convert the patient and put it in the Bundle; raise CdaRefused unless it names exactly one."""
    targets = context.take_all(context.document, "recordTarget")
    if len(targets) > 1:
        # Choice: CDA allows a document about several patients; here it would put one's data in another's record.
        note = f"The document is about {len(targets)} patients: send one document for each."
        raise CdaRefused("business-rule", note, "/ClinicalDocument/recordTarget")
    role = context.take(targets[0], "patientRole") if targets else None
    person = context.take(role, "patient") if role is not None else None
    if role is None or person is None:
        raise CdaRefused(
            "required", "The document names no patient: fill recordTarget/patientRole/patient.", _PATIENT_PLACE
        )
    ids = context.take_all(role, "id")
    numbers = [number for element in ids if (number := patient_identifier(element, context))]
    if not numbers:
        raise CdaRefused(
            "required", "The patient has no identifier: fill recordTarget/patientRole/id.", f"{_PATIENT_PLACE}/id"
        )
    context.account(role, "patientRole")
    context.account(person, "patient")
    context.patient_keys = {key for element in ids if (key := ii_key(element))}
    resource = {
        "resourceType": "Patient",
        "extension": _birth_place(person, context),
        "identifier": numbers,
        "name": _names(person, context),
        "telecom": telecoms(context.take_all(role, "telecom"), context),
        "address": addresses(context.take_all(role, "addr"), context),
        "contact": [_guardian(guardian, context) for guardian in context.take_all(person, "guardian")],
        "managingOrganization": organization(context.take(role, "providerOrganization"), context),
    }
    context.patient = context.add(compact(resource | _traits(person, context)), "patient")
    return context.patient


def _traits(person: Element, context: Context) -> Json:
    gender = context.take(person, "administrativeGenderCode")
    code = gender.get("code") if gender is not None else None
    if code and code not in _GENDERS:
        context.report("warning", "code-invalid", f"The gender code '{code}' is not M, F or U.", gender)
    birth = context.take(person, "birthTime")
    return compact(
        {
            "gender": _GENDERS.get(code or "", "unknown"),
            "birthDate": date_only(birth, context),
            "maritalStatus": cd_to_codeable_concept(context.take(person, "maritalStatusCode"), context),
            "communication": _languages(person, context),
            **_deceased(person, context),
            **_multiple_birth(person, context),
        }
    )


def _deceased(person: Element, context: Context) -> Json:
    moment, is_deceased = _sdtc(person, "deceasedTime", context), _sdtc(person, "deceasedInd", context)
    if moment is not None and (converted := date_time(moment, context)):
        context.implied.update([is_deceased] if is_deceased is not None else [])
        return {"deceasedDateTime": converted}
    value = boolean(is_deceased.get("value")) if is_deceased is not None else None
    return {"deceasedBoolean": value} if value is not None else {}


def _multiple_birth(person: Element, context: Context) -> Json:
    order, is_multiple = _sdtc(person, "multipleBirthOrderNumber", context), _sdtc(person, "multipleBirthInd", context)
    if order is not None and re.fullmatch(r"[1-9]\d?", order.get("value", "")):
        context.implied.update([is_multiple] if is_multiple is not None else [])
        return {"multipleBirthInteger": int(order.get("value", "1"))}
    value = boolean(is_multiple.get("value")) if is_multiple is not None else None
    return {"multipleBirthBoolean": value} if value is not None else {}


def _sdtc(person: Element, name: str, context: Context) -> Element | None:
    """Read an element of HL7's extension namespace, which older documents wrote in the CDA namespace."""
    found = person.find(SDTC + name)
    if found is None:
        return context.take(person, name)
    context.taken.add(found)
    return found


def _names(person: Element, context: Context) -> list[Json]:
    return [name for element in context.take_all(person, "name") for name in pn_to_patient_names(element)]


def pn_to_patient_names(element: Element) -> list[Json]:
    """Convert a patient's PN: BR is the birth name, CL or SP the name in use, bare given names are the birth list.

    Choice: without any qualifier the name is the official one, as the CI-SIS gave no other meaning before 2021.
    """
    plain = name_parts(element, "given", (None,))
    first = name_parts(element, "given", ("BR",))
    family = " ".join(name_parts(element, "family", ("BR",)) or name_parts(element, "family", (None,)))
    honours = {"prefix": name_parts(element, "prefix", (None,)), "suffix": name_parts(element, "suffix", (None,))}
    is_birth_name = bool(first or name_parts(element, "family", ("BR",)))
    birth_list = extension(BIRTH_LIST, valueString=" ".join(plain)) if plain and is_birth_name else None
    official = {"extension": [birth_list] if birth_list else None, "use": "official", "family": family}
    usual = {
        "use": "usual",
        "family": " ".join(name_parts(element, "family", ("CL", "SP"))),
        "given": name_parts(element, "given", ("CL", "SP")),
    }
    names = [compact({**official, "given": first or plain, **honours}), compact(usual)]
    found = [name for name in names if name.keys() & {"family", "given"}]
    if not found and (text := words(element)):
        found = [{"use": "official", "text": text}]
    return found


def _birth_place(person: Element, context: Context) -> list[Json]:
    birthplace = context.take(person, "birthplace")
    place = birthplace.find(f"{HL7}place") if birthplace is not None else None
    if place is None:
        return []
    found = addresses(children(place, "addr"), context)
    address: Json = found[0] if found else {}
    if name := words(child(place, "name")):
        address["text"] = name
    code = str(address.get("district", ""))
    if re.fullmatch(r"\d{5}|2[AB]\d{3}", code):
        del address["district"]
        insee = extension(INSEE_CODE, valueCoding={"system": COMMUNES, "code": code})
        address = {"extension": [insee], **address}
    return [extension(BIRTH_PLACE, valueAddress=address)] if address else []


def _guardian(element: Element, context: Context) -> Json:
    person = element.find(f"{HL7}guardianPerson/{HL7}name")
    names = pn_to_human_names(person) if person is not None else []
    relation = cd_to_codeable_concept(child(element, "code"), context)
    role = concept(INTERNAL + "v3-RoleClass", "GUARD", "guardian")
    found = addresses(children(element, "addr"), context)
    return compact(
        {
            "relationship": [role, relation] if relation else [role],
            "name": names[0] if names else None,
            "telecom": telecoms(children(element, "telecom"), context),
            "address": found[0] if found else None,
            "organization": organization(child(element, "guardianOrganization"), context),
        }
    )


def _languages(person: Element, context: Context) -> list[Json]:
    found: list[Json] = []
    for element in context.take_all(person, "languageCommunication"):
        language, preferred = child(element, "languageCode"), child(element, "preferenceInd")
        code = language.get("code") if language is not None else None
        if code:
            value = boolean(preferred.get("value")) if preferred is not None else None
            found.append(compact({"language": concept("urn:ietf:bcp:47", code), "preferred": value}))
    return found


def contact(related: Element, context: Context) -> Json:
    """Convert a relatedEntity that is a person to call or to trust to a Patient.contact."""
    roles = {"NOK": ("N", "Next-of-Kin"), "ECON": ("C", "Emergency Contact")}
    code, display = roles[related.get("classCode", "")]
    relation = cd_to_codeable_concept(child(related, "code"), context)
    role = concept(INTERNAL + "v2-0131", code, display)
    name = related.find(f"{HL7}relatedPerson/{HL7}name")
    names = pn_to_human_names(name) if name is not None else []
    found = addresses(children(related, "addr"), context)
    return compact(
        {
            "relationship": [role, relation] if relation else [role],
            "name": names[0] if names else None,
            "telecom": telecoms(children(related, "telecom"), context),
            "address": found[0] if found else None,
        }
    )
