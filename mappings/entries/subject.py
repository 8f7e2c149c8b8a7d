"""Who a statement is about, when it is not the patient.

Source: FR-Sujet (1.2.250.1.213.1.1.3.60). Spec: observation-definitions.html#Observation.focus.
"""

from mappings.cda.xml import HL7, Element, child
from mappings.context import Context
from mappings.fhir import Json
from mappings.header.parties import related_person


def other_subject(subject: Element | None, context: Context) -> Json | None:
    """Convert a relatedSubject to a RelatedPerson; None when the statement is about the patient."""
    related = child(subject, "relatedSubject") if subject is not None else None
    if related is None:
        return None
    person = related_person(related, context, "subject")
    context.origins[related] = person["reference"]
    return person


def is_about_other(element: Element, context: Context) -> bool:
    """Tell, and report, that an act is about someone else than the patient: only an Observation can say that in FHIR.

    A Condition, an allergy or a vaccination of a relative must never become one of the patient.
    """
    if context.focus or element.find(f"{HL7}subject/{HL7}relatedSubject") is not None:
        note = "A statement about a relative was not made a statement about the patient."
        context.report("warning", "business-rule", note, element)
        return True
    return False
