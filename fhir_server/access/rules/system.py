"""Programs without a user: laboratories and hospitals that feed, and the operator's own.

Spec: https://hl7.org/fhir/smart-app-launch/STU2.2/backend-services.html
"""

from collections.abc import Iterable

from fhir_server.access.callers import is_his
from fhir_server.access.directory import DEFINITION_TYPES, DIRECTORY_TYPES
from fhir_server.access.grant import Grant
from fhir_server.access.rule import ALL, CONSULTING, CREATE, DELETE, READING, UPDATE, WRITING, Rule
from fhir_server.access.rules.professional import AUTHORISING_TYPES, representation
from fhir_server.search.condition import ALWAYS


def rules(grant: Grant) -> Iterable[Rule]:
    """Allow the operator everything, another program what it feeds and fed; an open server allows everybody.

    Choice: a program feeds no CareTeam or Consent unless the operator trusts it with every record: they open records;
    nor who represents a patient.
    It feeds no definitions, which change what the server does, and deletes no Patient.
    A trace is never changed or deleted, not even by the operator. An open server has no such walls.
    """
    if grant.kind == "open":
        yield Rule("open", ALL, ALWAYS)
    elif grant.kind == "system":
        yield from _operator() if grant.is_operator else _feeder(grant)
        yield Rule("trace", UPDATE | DELETE, ALWAYS, frozenset({"AuditEvent"}), is_denial=True)


def _operator() -> Iterable[Rule]:
    yield Rule("operator", ALL, ALWAYS)


def _feeder(grant: Grant) -> Iterable[Rule]:
    yield Rule("directory", READING, ALWAYS, DIRECTORY_TYPES)
    yield Rule("feeding", CREATE, ALWAYS, except_types=DEFINITION_TYPES)
    yield Rule("own-work", CONSULTING, is_his(grant))
    yield representation()
    yield Rule("authorisation", WRITING, ALWAYS, AUTHORISING_TYPES, is_denial=True)
    yield Rule("identity", DELETE, ALWAYS, frozenset({"Patient"}), is_denial=True)
