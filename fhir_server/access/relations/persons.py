"""Persons: since when and until when a patient is a minor, whether his record is closed, and who represents him.

Spec: patient.html, relatedperson.html; CSP R.1111-33, R.1111-50 (minors), Code civil 388 and 425 (majority, guardians)
"""

from typing import Any, Final

from fhir_server.access.relations.ground import (
    ALWAYS_IN_FORCE,
    CLOSED,
    EVERYONE,
    GUARDIAN,
    MINOR,
    PARENT,
    Interval,
    in_force,
    relation_rows,
)
from fhir_server.access.rows import local_reference, references_of
from fhir_server.foundation.dates import interval
from fhir_server.foundation.operation_outcome import BadRequest
from fhir_server.search.index_row import IndexRow

MAJORITY_YEARS: Final = 18
_ROLE_SYSTEM: Final = "http://terminology.hl7.org/CodeSystem/v3-RoleCode"
_PARENTS: Final = frozenset({"PRN", "FTH", "MTH", "NFTH", "NMTH", "ADOPTP", "ADOPTF", "ADOPTM"})
_GUARDIANS: Final = frozenset({"GUARD"})
_LEAP_DAY: Final = "-02-29"
_NO_TIME: Final[Interval] = (0, 0)


def patient_rows(resource: dict[str, Any]) -> list[IndexRow]:
    """Return that the record is closed, and the time for which the patient is a minor.

    Choice: a birth date that is missing or unreadable says of nobody that he is a minor: parents see nothing then.
    """
    if "id" not in resource:
        return []
    own = f"Patient/{resource['id']}"
    rows = relation_rows(MINOR, [own], [own], minority(resource.get("birthDate")))
    if resource.get("active") is False:
        rows += relation_rows(CLOSED, [EVERYONE], [own], ALWAYS_IN_FORCE)
    return rows


def minority(birth_date: Any) -> Interval:
    """Return the half-open interval from birth to the eighteenth birthday; an empty one for what is no date.

    Choice: of a year or a month alone the first day counts, so that nobody represents an adult. Born on 29 February,
    one is of age on 1 March.
    """
    if not isinstance(birth_date, str):
        return _NO_TIME
    try:
        low = interval(birth_date)[0]
    except BadRequest:
        return _NO_TIME
    year, rest = int(birth_date[:4]) + MAJORITY_YEARS, birth_date[4:10]
    # No year of birth and of majority are both leap years: 18 is no multiple of 4.
    return low, interval(f"{year:04}{'-03-01' if rest == _LEAP_DAY else rest}")[0]


def related_person_rows(resource: dict[str, Any], depositor: str) -> list[IndexRow]:
    """Return whom an active RelatedPerson represents: as a parent (of a minor) or as a guardian (whatever the age).

    Choice: only what a system deposited counts (or an open server), and nothing that was converted from a document,
    which only tells who came along: who represents a patient is checked by whoever keeps the identities.
    """
    is_converted = local_reference(resource.get("meta", {}).get("source")).startswith("DocumentReference/")
    if "id" not in resource or resource.get("active") is False or is_converted:
        return []
    if depositor and not depositor.startswith("Device/"):
        return []
    codes = {
        coding.get("code")
        for concept in resource.get("relationship", ())
        for coding in concept.get("coding", ())
        if coding.get("system") == _ROLE_SYSTEM
    }
    own, patients = f"RelatedPerson/{resource['id']}", references_of(resource.get("patient"))
    force = in_force(resource.get("period"))
    grounds = [ground for ground, known in ((PARENT, _PARENTS), (GUARDIAN, _GUARDIANS)) if codes & known]
    return [row for ground in grounds for row in relation_rows(ground, [own], patients, force)]
