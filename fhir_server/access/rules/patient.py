"""The patient, and who represents him: they consult his record and write into it, and into no other.

Spec: compartmentdefinition-patient.html, CSP R.1111-26 and following (Mon espace santé)
"""

from collections.abc import Iterable
from typing import Final

from fhir_server.access.callers import PERSONAL_KINDS, deposited, is_his
from fhir_server.access.directory import DIRECTORY_TYPES
from fhir_server.access.grant import Grant
from fhir_server.access.relations.ground import BLOCK, GUARDIAN, MINOR, PARENT
from fhir_server.access.rows import in_another_record, in_record
from fhir_server.access.rule import ALL, CREATE, DELETE, READING, UPDATE, WRITING, Rule
from fhir_server.access.rules.professional import representation
from fhir_server.search.condition import ALWAYS, Compare, Condition, Related, all_of, any_of, none_of
from fhir_server.search.index_row import COMPARTMENT

_OWN_DECISIONS: Final = frozenset({"CareTeam", "Consent"})
_WITHOUT_OWN_RECORD: Final = frozenset({"Binary", "Bundle", "Device", "Provenance"})
"""They enter a record through what refers to them, so he may create them before it does."""


def rules(grant: Grant) -> Iterable[Rule]:
    """Allow a patient his record, and a representative that of the patient he acts for; say what they may not do.

    Choice: he does not write his Patient resource, because documents are filed by the identity it holds (INS), nor who
    represents him; he does not create traces; he deletes what he wrote or deposited and his own decisions, and masks
    the rest; a Group names other people, so that membership does not open it.
    """
    if grant.kind not in PERSONAL_KINDS or not grant.patient_id:
        return
    own = _record(grant)
    yield Rule("own-record", READING | CREATE | UPDATE, own, except_types=DIRECTORY_TYPES)
    yield Rule("own-deposit", ALL, _deposit(grant), _WITHOUT_OWN_RECORD)
    yield Rule("own-work", DELETE, all_of(own, is_his(grant)), except_types=DIRECTORY_TYPES)
    yield Rule("own-decision", DELETE, own, _OWN_DECISIONS)
    yield Rule("directory", READING, ALWAYS, DIRECTORY_TYPES)
    others = in_another_record(grant.patient_id)
    yield Rule("another-record", WRITING, others, except_types=DIRECTORY_TYPES, is_denial=True)
    yield Rule("identity", WRITING, ALWAYS, frozenset({"Patient"}), is_denial=True)
    yield representation()
    yield Rule("trace", WRITING, ALWAYS, frozenset({"AuditEvent"}), is_denial=True)
    yield Rule("names-others", ALL, ALWAYS, frozenset({"Group"}), is_denial=True)
    if grant.kind == "representative":
        blocked = Related((grant.actor,), (BLOCK,))
        yield Rule("blocked", ALL, blocked, except_types=DIRECTORY_TYPES, is_denial=True)


def _record(grant: Grant) -> Condition:
    """Return the caller's record; a representative's only while he represents: a parent until the child is of age."""
    record = in_record(grant.patient_id)
    if grant.kind == "patient":
        return record
    minor = Related((f"Patient/{grant.patient_id}",), (MINOR,))
    parent = all_of(Related((grant.actor,), (PARENT,)), minor)
    return all_of(record, any_of(parent, Related((grant.actor,), (GUARDIAN,))))


def _deposit(grant: Grant) -> Condition:
    """Return what the caller deposited; of a representative's only what is in no record yet."""
    in_no_record = none_of(Compare(COMPARTMENT, "Patient"))
    return deposited(grant) if grant.kind == "patient" else all_of(deposited(grant), in_no_record)
