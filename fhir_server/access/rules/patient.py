"""The patient: he consults his own record and writes into it, and into no other.

Spec: compartmentdefinition-patient.html, CSP R.1111-26 and following (Mon espace santé)
"""

from collections.abc import Iterable
from typing import Final

from fhir_server.access.callers import deposited, is_his
from fhir_server.access.directory import DIRECTORY_TYPES
from fhir_server.access.grant import Grant
from fhir_server.access.rows import in_another_record, in_record
from fhir_server.access.rule import ALL, CREATE, DELETE, READING, UPDATE, WRITING, Rule
from fhir_server.search.condition import ALWAYS, all_of

_OWN_DECISIONS: Final = frozenset({"CareTeam", "Consent"})
_WITHOUT_OWN_RECORD: Final = frozenset({"Binary", "Bundle", "Device", "Provenance"})
"""They enter a record through what refers to them, so he may create them before it does."""


def rules(grant: Grant) -> Iterable[Rule]:
    """Allow a patient his record; what he may not do is said by reason.

    Choice: he does not write his Patient resource, because documents are filed by the identity it holds (INS); he does
    not create traces; he deletes what he wrote or deposited and his own decisions, and masks the rest; a Group names
    other people, so that membership does not open it.
    """
    if grant.kind != "patient" or not grant.patient_id:
        return
    own = in_record(grant.patient_id)
    yield Rule("own-record", READING | CREATE | UPDATE, own, except_types=DIRECTORY_TYPES)
    yield Rule("own-deposit", ALL, deposited(grant), _WITHOUT_OWN_RECORD)
    yield Rule("own-work", DELETE, all_of(own, is_his(grant)), except_types=DIRECTORY_TYPES)
    yield Rule("own-decision", DELETE, own, _OWN_DECISIONS)
    yield Rule("directory", READING, ALWAYS, DIRECTORY_TYPES)
    others = in_another_record(grant.patient_id)
    yield Rule("another-record", WRITING, others, except_types=DIRECTORY_TYPES, is_denial=True)
    yield Rule("identity", WRITING, ALWAYS, frozenset({"Patient"}), is_denial=True)
    yield Rule("trace", WRITING, ALWAYS, frozenset({"AuditEvent"}), is_denial=True)
    yield Rule("names-others", ALL, ALWAYS, frozenset({"Group"}), is_denial=True)
