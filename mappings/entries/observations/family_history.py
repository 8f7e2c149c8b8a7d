"""FR-Antecedents-familiaux to FamilyMemberHistory.

Source: FRFamilyMemberHistoryLMCDAFHIR. Spec: familymemberhistory.html.

Choice: the table sends the value of a family observation to condition.outcome; the documents put the disease there
and the kind of statement in the code, so the value becomes condition.code and the kind an extension that HL7 v3
names. Choice: what a relative did not have is no condition of theirs; R4 cannot deny one, so it is an Observation
about them.
"""

from mappings.cda.datatypes import cd_to_codeable_concept, concept_or_absent, identifiers, required_concept
from mappings.cda.dates import date_only, date_time, ivl_ts_to_period
from mappings.cda.names import words
from mappings.cda.vocabulary import absent_reason
from mappings.cda.xml import HL7, Element, child
from mappings.context import Context
from mappings.entries.clinical_statement import act_code, comments, has_template, inner_acts, is_negated, read, status
from mappings.entries.observation import observation
from mappings.entries.related import attach
from mappings.entries.subject import other_subject
from mappings.fhir import Json, absent, compact, concept, one

ORGANIZERS = frozenset(("1.2.250.1.213.1.1.3.59", "1.3.6.1.4.1.19376.1.5.3.1.4.15", "2.16.840.1.113883.10.20.22.4.45"))
OBSERVED = frozenset(("1.2.250.1.213.1.1.3.51", "1.3.6.1.4.1.19376.1.5.3.1.4.13.3", "2.16.840.1.113883.10.20.22.4.46"))
TEMPLATE_IDS = (*sorted(ORGANIZERS), *sorted(OBSERVED))
GENDER = "http://hl7.org/fhir/administrative-gender"

_SDTC = "{urn:hl7-org:sdtc}"


def convert(element: Element, context: Context) -> list[Json]:
    """Convert the history of one relative; an observation that stands alone names no relative."""
    if element.tag != HL7 + "organizer":
        return [context.add_at(_denied_or_alone(element, context), element)]
    read(element, context)
    subject = context.take(element, "subject")
    person = child(subject, "relatedSubject") if subject is not None else None
    observed = [act for _, act in inner_acts(element) if has_template(act, OBSERVED)]
    is_person = any(is_negated(act) for act in observed) or _is_more_than_a_relative(person)
    focus = other_subject(subject, context) if is_person else None
    with context.about(focus):
        denied = [context.add_at(_denied_or_alone(act, context), act) for act in observed if is_negated(act)]
    resource = {
        "resourceType": "FamilyMemberHistory",
        "identifier": identifiers(context.take_all(element, "id")),
        "status": status(element, "FamilyMemberHistory", context) or "health-unknown",
        "patient": context.patient,
        **_date(context.take(element, "effectiveTime"), context),
        **_relative(person, context),
        "note": comments(element, context),
        "condition": [_condition(act, context) for act in observed if not is_negated(act)],
    }
    converted = compact(resource)
    beside = attach(converted, element, context)
    return [context.add_at(converted, element), *denied, *beside, *one(focus)]


def _is_more_than_a_relative(person: Element | None) -> bool:
    """Tell whether the relative has a number, an address or a telecom, which FamilyMemberHistory cannot hold."""
    subject = child(person, "subject") if person is not None else None
    numbered = subject is not None and next(subject.iterchildren("{*}id"), None) is not None
    return numbered or (person is not None and any(child(person, name) is not None for name in ("addr", "telecom")))


def _date(time: Element | None, context: Context) -> Json:
    moment = date_time(time, context)
    flavor = time.get("nullFlavor") if time is not None else None
    return {"date": moment} if moment or not flavor else {"_date": absent(absent_reason(flavor))}


def _relative(person: Element | None, context: Context) -> Json:
    if person is None:
        return {"relationship": absent("unknown")}
    subject = child(person, "subject")
    if subject is None:
        return {"relationship": required_concept(child(person, "code"), context)}
    gender = child(subject, "administrativeGenderCode")
    code = {"M": "male", "F": "female"}.get(gender.get("code") or "") if gender is not None else None
    dead, died = subject.find(f"{_SDTC}deceasedInd"), subject.find(f"{_SDTC}deceasedTime")
    moment = date_only(died, context)
    is_dead = {"true": True, "false": False}.get(dead.get("value") or "") if dead is not None else None
    return {
        "name": words(child(subject, "name")),
        "relationship": required_concept(child(person, "code"), context),
        "sex": concept(GENDER, code) if code else cd_to_codeable_concept(gender, context),
        "bornDate": date_only(child(subject, "birthTime"), context),
        **({"deceasedDate": moment} if moment else {"deceasedBoolean": is_dead}),
    }


def _condition(act: Element, context: Context) -> Json:
    read(act, context)
    context.imply(act, "statusCode", "id")
    time = context.take(act, "effectiveTime")
    period = ivl_ts_to_period(time, context)
    onset = {"onsetPeriod": period} if len(period) == 2 else _onset(time, context)
    values = context.take_all(act, "value")
    code = cd_to_codeable_concept(values[0], context) if values else {}
    if values and not code and (text := context.referenced_text(values[0])):
        code = {"text": text}
    interpretations = [concept_or_absent(found, context) for found in context.take_all(act, "interpretationCode")]
    return compact(
        {
            "extension": act_code(act, context),
            "code": code or required_concept(values[0] if values else None, context),
            "outcome": interpretations[0] if interpretations else None,
            **onset,
            "note": comments(act, context),
        }
    )


def _onset(time: Element | None, context: Context) -> Json:
    moment = date_time(time, context)
    return {"onsetPeriod": {"start": moment}} if moment else {}


def _denied_or_alone(act: Element, context: Context) -> Json:
    return observation(act, context, None)
