"""Emergencies: break-glass and the call centre open a record without relation, unless the patient opposed it.

Spec: CSP L.1111-17, R.1111-48
"""

from collections.abc import Iterable
from typing import Final

from fhir_server.access.directory import DIRECTORY_TYPES
from fhir_server.access.grant import Grant
from fhir_server.access.modes import BREAK_GLASS, REGULATION, mode_of
from fhir_server.access.relations.ground import EVERYONE, NO_BREAK_GLASS, NO_REGULATION
from fhir_server.access.rows import in_record
from fhir_server.access.rule import CONSULTING, READING, Rule
from fhir_server.search.condition import Related

_DOCTOR: Final = "10"
_NOT_OPENED: Final = DIRECTORY_TYPES | {"AuditEvent"}


def rules(grant: Grant) -> Iterable[Rule]:
    """Allow reading one patient's record in an emergency; deny it when he opposed this kind of emergency.

    Choice: the care relation is all that an emergency lifts. A block, the closing of the record, the matrix and masking
    stand: L.1111-17 gives access, not the items that the patient took out of everybody's sight, and he is told that
    masking holds in emergencies too. Break-glass needs its reason, one patient and a token that ends; centre 15 a
    doctor whom the identity provider says to regulate. An opposition also ends what a relation would open in that mode:
    the professional returns to the normal one.
    """
    mode = mode_of(grant.purpose_of_use)
    if grant.kind != "professional" or not grant.patient_id or grant.expires_at is None:
        return
    record = in_record(grant.patient_id)
    if mode == BREAK_GLASS and grant.reason:
        yield Rule("break-glass", READING, record, except_types=_NOT_OPENED)
        yield _opposed("break-glass-opposed", NO_BREAK_GLASS)
    elif mode == REGULATION and grant.profession == _DOCTOR and grant.is_regulator:
        yield Rule("regulation", READING, record, except_types=_NOT_OPENED)
        yield _opposed("regulation-opposed", NO_REGULATION)


def _opposed(reason: str, ground: str) -> Rule:
    opposed = Related((EVERYONE,), (ground,))
    return Rule(reason, CONSULTING, opposed, except_types=DIRECTORY_TYPES, is_denial=True)
