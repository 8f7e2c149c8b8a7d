"""Header: who the document is about, who wrote it, keeps it and answers for it, and what act it tells of.

Source: CI-SIS, Structuration minimale; PDSm 3.1.1 (DocumentReference to XDS metadata), read from right to left.
"""

from collections.abc import Iterator

from mappings.clinical_document.datatypes import (
    PROFESSIONALS,
    STRUCTURES,
    addresses,
    concept_to_ce,
    date_time_to_ts,
    human_name_to_pn,
    identifier_to_ii,
    identifiers_to_ii,
    patient_names_to_pn,
    period_to_ivl_ts,
    telecoms,
)
from mappings.clinical_document.elements import Element, element, unknown
from mappings.clinical_document.source import Source
from mappings.fhir import Json

GENDERS = {"male": ("M", "Masculin"), "female": ("F", "Féminin"), "other": ("UN", "Indifférencié")}
_GENDER_SYSTEM = "2.16.840.1.113883.5.1"


def record_target(source: Source) -> Element:
    """Make the patient, with his INS first."""
    patient = source.patient
    ids = identifiers_to_ii(patient)
    ids.sort(key=lambda made: not made.get("root").startswith("1.2.250.1.213.1.4."))
    code, display = GENDERS.get(str(patient.get("gender", "")), ("", ""))
    gender = (
        element("administrativeGenderCode", code=code, displayName=display, codeSystem=_GENDER_SYSTEM)
        if code
        else unknown("administrativeGenderCode")
    )
    person = element(
        "patient",
        patient_names_to_pn(patient.get("name", [])),
        gender,
        date_time_to_ts("birthTime", patient.get("birthDate")),
        classCode="PSN",
    )
    role = element("patientRole", *ids, *addresses(patient), *telecoms(patient), person)
    return element("recordTarget", role)


def authors(source: Source) -> Iterator[Element]:
    """Make the authors; one who is unknown when there is none, for the schema wants one."""
    for reference in source.document.get("author", ()):
        yield element("author", date_time_to_ts("time", source.created), _assigned(source, reference, "assignedAuthor"))
    if not source.document.get("author"):
        yield element("author", date_time_to_ts("time", source.created), element("assignedAuthor", unknown("id")))


def custodian(source: Source) -> Element:
    """Make the organization that keeps the document: the custodian, else that of the first author, else unknown."""
    organization = source.resolve(source.document.get("custodian")) or _first_organization(source)
    kept = element(
        "representedCustodianOrganization",
        *(identifiers_to_ii(organization, STRUCTURES)[:1] or [unknown("id")]),
        element("name", str((organization or {}).get("name", ""))) if organization else unknown("name"),
        telecoms(organization)[0],
        addresses(organization)[0],
    )
    return element("custodian", element("assignedCustodian", kept))


def legal_authenticator(source: Source) -> Element | None:
    """Make who answers for the document: the authenticator, else the first author who is a person."""
    reference = source.document.get("authenticator") or next(iter(source.document.get("author", ())), None)
    if reference is None:
        return None
    signature = element("signatureCode", code="S")
    entity = _assigned(source, reference, "assignedEntity")
    if not entity.findall("{*}assignedPerson"):
        return None
    return element("legalAuthenticator", date_time_to_ts("time", source.created), signature, entity)


def documentation_of(source: Source) -> Iterator[Element]:
    """Make the acts: one a code, the first with the period and the setting."""
    context = source.document.get("context", {})
    codes: list[Json | None] = list(context.get("event", ())) or [None]
    for number, code in enumerate(codes):
        period = period_to_ivl_ts("effectiveTime", context.get("period", {})) if number == 0 else None
        performer = _performer(source) if number == 0 else None
        made = concept_to_ce("code", code)
        yield element("documentationOf", element("serviceEvent", made, period, performer))


def related_documents(source: Source) -> Iterator[Element]:
    """Make the documents that this one replaces, appends to or transforms."""
    kinds = {"replaces": "RPLC", "appends": "APND", "transforms": "XFRM"}
    for relation in source.document.get("relatesTo", ()):
        target = relation.get("target", {})
        old = source.resolve(target) or {}
        made = identifier_to_ii("id", old.get("masterIdentifier") or target.get("identifier") or {})
        if made is not None and relation.get("code") in kinds:
            parent = element("parentDocument", made)
            yield element("relatedDocument", parent, typeCode=kinds[relation["code"]])


def component_of(source: Source) -> Element:
    """Make the context of care, with the kind of facility."""
    context = source.document.get("context", {})
    facility = concept_to_ce("code", context.get("facilityType"))
    place = element("healthCareFacility", facility) if facility is not None else None
    time = period_to_ivl_ts("effectiveTime", context.get("period", {}))
    if not len(time):
        time = unknown("effectiveTime")
    location = element("location", place) if place is not None else None
    return element("componentOf", element("encompassingEncounter", time, location))


def _performer(source: Source) -> Element | None:
    setting = concept_to_ce("standardIndustryClassCode", source.document.get("context", {}).get("practiceSetting"))
    reference = next(iter(source.document.get("author", ())), None)
    if reference is None:
        return None
    entity = _assigned(source, reference, "assignedEntity")
    organization = entity.find("{*}representedOrganization")
    if organization is None:
        organization = element("representedOrganization")
        entity.append(organization)
    if setting is not None:
        organization.append(setting)
    return element("performer", entity, typeCode="PRF")


def _assigned(source: Source, reference: Json, name: str) -> Element:
    """Make an assigned author or entity of a person, in his role, a device or an organization."""
    who = source.resolve(reference) or {}
    organization = source.resolve(who.get("organization"))
    code = concept_to_ce("code", next(iter(who.get("code", ())), None)) if _is(who, "PractitionerRole") else None
    if _is(who, "PractitionerRole"):
        who = source.resolve(who.get("practitioner")) or who
    if _is(who, "Organization"):
        organization = who
    ids = identifiers_to_ii(who, PROFESSIONALS) or [unknown("id")]
    if name == "assignedEntity":
        ids = ids[:1]
    person = [] if _is(who, "Organization") else _person(who, reference, name)
    represented = [_organization(organization)] if organization else []
    return element(name, *ids, code, *addresses(who), *telecoms(who), *person, *represented)


def _person(who: Json, reference: Json, name: str) -> list[Element]:
    if _is(who, "Device"):
        names = [one.get("name", "") for one in who.get("deviceName", ())]
        software = element("softwareName", next(iter(names), reference.get("display", "")))
        return [element("assignedAuthoringDevice", software)] if name == "assignedAuthor" else []
    names = who.get("name", [])
    listed: list[Json] = names if isinstance(names, list) else []
    if not listed:
        listed = [{"text": reference.get("display", "")}]
    return [element("assignedPerson", human_name_to_pn(listed))]


def _organization(organization: Json) -> Element:
    return element(
        "representedOrganization",
        *identifiers_to_ii(organization, STRUCTURES)[:1],
        element("name", str(organization.get("name", ""))),
        *telecoms(organization),
        *addresses(organization),
    )


def _first_organization(source: Source) -> Json | None:
    for reference in source.document.get("author", ()):
        who = source.resolve(reference)
        found = who if _is(who, "Organization") else source.resolve((who or {}).get("organization"))
        if found is not None:
            return found
    return None


def _is(resource: Json | None, resource_type: str) -> bool:
    return (resource or {}).get("resourceType") == resource_type
