"""Notices: what the server tells the patient of an emergency access stays as it was told, and in his sight.

Spec: CSP R.1111-48 (the holder and his attending doctor are told), communication.html
"""

from collections.abc import Iterable
from typing import Final

from fhir_server.access.callers import acts_as
from fhir_server.access.grant import Grant
from fhir_server.access.rows import refers_to
from fhir_server.access.rule import READING, WRITING, Rule
from fhir_server.search.condition import Compare, all_of
from fhir_server.search.index_row import TOKEN

NOTICE_SYSTEM: Final = "https://fhir-server.example.fr/fhir/CodeSystem/notice"
EMERGENCY_ACCESS: Final = "emergency-access"

IS_NOTICE: Final = Compare(TOKEN, "category", (("system", "eq", NOTICE_SYSTEM), ("code", "eq", EMERGENCY_ACCESS)))
"""The condition that a Communication is a notice of this server."""


def rules(grant: Grant) -> Iterable[Rule]:
    """Let the attending doctor read the notice that is sent to him, whatever his relation.

    Deny everybody but the operator writing, changing or deleting a notice: it could be forged, or hidden by a label.

    The patient keeps it when he closes his record: see `record.rules`.
    """
    if grant.kind == "professional":
        told = all_of(IS_NOTICE, refers_to("recipient", acts_as(grant)))
        yield Rule("told", READING, told, frozenset({"Communication"}))
    if grant.kind != "open" and not grant.is_operator:
        yield Rule("notice", WRITING, IS_NOTICE, frozenset({"Communication"}), is_denial=True)
