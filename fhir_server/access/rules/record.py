"""The record: when it is closed, or was never wanted, nobody consults it and nobody feeds it.

Spec: CSP L.1111-14, R.1111-34; Mon espace santé (opposition and closing)
"""

from collections.abc import Iterable
from typing import Final

from fhir_server.access.callers import PERSONAL_KINDS, acts_as
from fhir_server.access.directory import DIRECTORY_TYPES
from fhir_server.access.grant import Grant
from fhir_server.access.relations.ground import CLOSED, EVERYONE
from fhir_server.access.rule import ALL, READING, WRITING, Rule
from fhir_server.access.rules.notice import IS_NOTICE
from fhir_server.search.condition import Related

_IDENTITY: Final = frozenset({"Patient"})
_KEPT: Final = frozenset({"AuditEvent", "Consent", "Patient"})
_NOTICES: Final = frozenset({"Communication"})


def rules(grant: Grant) -> Iterable[Rule]:
    """Deny everything of a closed record, to feed it included.

    Choice: who holds it keeps his identity, his decisions, the traces and the notices of emergencies, so that he can
    open it again; the operator keeps what the law makes him keep. Nobody closes a record by writing `Patient.active`
    but the operator: the holder closes it by a Consent, which he can withdraw. A program still reads the identity that
    it deposited, to find that there is one: it would file a second record of the same person otherwise.
    """
    if grant.kind in PERSONAL_KINDS:
        closed = Related((EVERYONE,), (CLOSED,))
        yield Rule("record-closed", ALL, closed, except_types=DIRECTORY_TYPES | _KEPT | _NOTICES, is_denial=True)
        yield Rule("record-closed", ALL, closed, _NOTICES, is_denial=True, unless=IS_NOTICE)
    elif grant.kind == "professional":
        closed = Related((*acts_as(grant), EVERYONE), (CLOSED,))
        yield Rule("record-closed", ALL, closed, except_types=DIRECTORY_TYPES, is_denial=True)
    elif grant.kind == "system" and not grant.is_operator:
        closed = Related((EVERYONE,), (CLOSED,))
        yield Rule("record-closed", READING, closed, except_types=DIRECTORY_TYPES | _IDENTITY, is_denial=True)
        yield Rule("record-closed", WRITING, closed, except_types=DIRECTORY_TYPES, is_denial=True)
