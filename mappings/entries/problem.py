"""FR-Liste-des-problemes and FR-Probleme to Condition. Source: FRConditionLMCDAFHIR. Spec: condition.html."""

from mappings.cda.datatypes import cd_to_codeable_concept, identifiers, required_concept
from mappings.cda.dates import date_time
from mappings.cda.values import further_values
from mappings.cda.vocabulary import INTERNAL, act_status
from mappings.cda.xml import HL7, Element, child, children
from mappings.context import Context
from mappings.entries.clinical_statement import asserter, comments, has_template, inner_acts, is_negated, read
from mappings.entries.observation import observation
from mappings.entries.problem_status import certainty, clinical_status, severity, stage
from mappings.entries.related import attach, loose
from mappings.entries.subject import is_about_other
from mappings.fhir import Json, compact, concept, extension, one

LISTS = frozenset(
    (
        "1.2.250.1.213.1.1.3.39",
        "1.3.6.1.4.1.19376.1.5.3.1.4.5.2",
        "2.16.840.1.113883.10.20.1.27",
        "2.16.840.1.113883.10.20.22.4.3",
    )
)
PROBLEMS = frozenset(
    (
        "1.2.250.1.213.1.1.3.37",
        "1.3.6.1.4.1.19376.1.5.3.1.4.5",
        "2.16.840.1.113883.10.20.1.28",
        "2.16.840.1.113883.10.20.22.4.4",
    )
)
TEMPLATE_IDS = (*sorted(LISTS), *sorted(PROBLEMS))
CLINICAL = INTERNAL + "condition-clinical"
VERIFICATION = INTERNAL + "condition-ver-status"
DUE_TO = "http://hl7.org/fhir/StructureDefinition/condition-dueTo"

_ENDED = ("inactive", "resolved", "remission")


def convert(element: Element, context: Context) -> list[Json]:
    """Convert a list act to the Conditions in it, or a problem that stands alone."""
    if is_about_other(element, context):
        return []
    if element.tag != HL7 + "act":
        return [condition(element, None, context)]
    code = context.take(element, "statusCode")
    concern = act_status("Concern", code.get("code") if code is not None else None)
    inner = [act for _, act in inner_acts(element) if has_template(act, PROBLEMS)]
    found = [condition(act, concern, context) for act in inner]
    if found:
        # The list act only groups; its own id and dates say when the list was kept, and its problems have their own.
        read(element, context)
        context.imply(element, "id", "code", "statusCode", "effectiveTime")
    return [*found, *loose(element, context)]


def condition(element: Element, concern: str | None, context: Context) -> Json:
    """Convert a problem observation; concern is the clinical status that its list gives when it has none itself."""
    read(element, context)
    context.take(element, "statusCode")
    category = cd_to_codeable_concept(context.take(element, "code"), context)
    values = context.take_all(element, "value")
    stated, is_refuted = certainty(element, context), is_negated(element)
    verification = "refuted" if is_refuted else stated
    cause = [condition(act, None, context) for kind, act in inner_acts(element) if kind == "CAUS" and _is_problem(act)]
    resource = {
        "resourceType": "Condition",
        "extension": [
            *(extension(DUE_TO, valueReference=reference) for reference in cause),
            *further_values(values, context),
        ],
        "identifier": identifiers(context.take_all(element, "id")),
        "verificationStatus": concept(VERIFICATION, verification) if verification else None,
        "category": one(category),
        "severity": severity(element, context),
        "code": required_concept(values[0] if values else None, context),
        "bodySite": _body_sites(element, context),
        "subject": context.patient,
        "stage": stage(element, context),
        "evidence": _evidence(element, context),
        "note": comments(element, context),
        **_course(element, concern, context),
        **asserter(element, context),
    }
    converted = compact(resource)
    attach(converted, element, context)
    return context.add_at(converted, element)


def problem_observation(element: Element, context: Context) -> tuple[Json, str | None]:
    """Convert a problem to an Observation, where FHIR asks for one (a reaction to a vaccine), and give its date."""
    resource = observation(element, context, "exam")
    moment = resource.get("effectiveDateTime") or resource.get("effectivePeriod", {}).get("start")
    return context.add_at(resource, element), moment


def _is_problem(act: Element) -> bool:
    return has_template(act, PROBLEMS)


def _body_sites(element: Element, context: Context) -> list[Json]:
    sites = context.take_all(element, "targetSiteCode")
    return [site for found in sites if (site := cd_to_codeable_concept(found, context))]


def _course(element: Element, concern: str | None, context: Context) -> Json:
    """Convert when the problem began and ended, and whether it goes on; an end never contradicts the status (con-4)."""
    time = context.take(element, "effectiveTime")
    low = child(time, "low") if time is not None else None
    high = child(time, "high") if time is not None else None
    onset = date_time(low if low is not None else time, context) if low is not None or high is None else None
    end = date_time(high, context)
    status = clinical_status(element, context) or ("resolved" if end else concern)
    if end and status not in _ENDED:
        context.report(
            "warning", "business-rule", "A problem has an end but is said to go on: the end is left out.", high
        )
        end = None
    return {
        "clinicalStatus": concept(CLINICAL, status) if status else None,
        "onsetDateTime": onset,
        "abatementDateTime": end,
    }


def _evidence(element: Element, context: Context) -> list[Json]:
    found: list[Json] = []
    for reference in children(element, "reference"):
        text = reference.find(f"{HL7}externalDocument/{HL7}text")
        link = child(text, "reference") if text is not None else None
        url = (link.get("value") or "").strip() if link is not None else ""
        if not url or " " in url:
            continue
        context.taken.add(reference)
        media_type = text.get("mediaType") if text is not None else None
        file = compact({"contentType": media_type, "url": url})
        resource = {"resourceType": "DocumentReference", "status": "current", "subject": context.patient}
        found.append({"detail": [context.add_at(resource | {"content": [{"attachment": file}]}, reference)]})
    return found
