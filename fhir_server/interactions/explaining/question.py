"""The question: the resource, and the relations that bear on it, as far as the one who asks may see them.

Spec: security.html#authorization
"""

from collections.abc import Iterable
from typing import Final

from fhir_server.access.callers import PERSONAL_KINDS
from fhir_server.access.decision import decide
from fhir_server.access.explain import Fact, facts_of
from fhir_server.access.grant import Grant
from fhir_server.access.rows import in_record
from fhir_server.foundation import fhir_json
from fhir_server.foundation.dates import microseconds
from fhir_server.foundation.operation_outcome import Forbidden
from fhir_server.foundation.resource import Version
from fhir_server.interactions.governance import index_rows
from fhir_server.interactions.request import Runtime
from fhir_server.search.index_row import COMPARTMENT
from fhir_server.search.match import Subject
from fhir_server.storage.store import Search

_SAYING: Final = ("CareTeam", "Consent", "Encounter", "Patient", "RelatedPerson")
"""The types whose resources relate somebody to a record."""
_PAGE: Final = 500


def check_asker(grant: Grant) -> None:
    """Raise Forbidden unless a patient, who represents him, or the operator asks.

    An explanation tells what the patient decided about others; to a professional it would tell that something is
    hidden from him.
    """
    if grant.kind not in PERSONAL_KINDS and grant.kind != "open" and not grant.is_operator:
        raise Forbidden("Who may see what is told to the patient, to who represents him, and to the operator.")


async def subject_of(version: Version, runtime: Runtime) -> Subject:
    """Return a stored resource with all its rows, those that its governors give it too."""
    resource = fhir_json.parse(version.content)
    rows = await runtime.store.transact(
        lambda transaction: index_rows(transaction, resource, version.depositor, runtime.indexing)
    )
    return Subject(version.resource_type, version.resource_id, microseconds(version.last_updated), rows)


def patients_of(subject: Subject) -> tuple[str, ...]:
    """Return the ids of the patients whose record a resource is in."""
    return tuple(sorted({row[3] for row in subject.rows if row[0] == COMPARTMENT and row[1] == "Patient"}))


async def facts_about(patient_ids: Iterable[str], grant: Grant, runtime: Runtime) -> tuple[Fact, ...]:
    """Return the relations to these patients that the one who asks may see. Raises Forbidden when he may see no kind.

    Choice: what is hidden from him does not enter his explanation, although it may decide: to show its effect would
    tell that it exists.
    """
    found: list[Fact] = []
    for patient_id in patient_ids:
        for resource_type in _SAYING:
            within = decide(grant, "search", resource_type)
            cursor = ""
            while True:
                asked = Search(resource_type, in_record(patient_id), within, limit=_PAGE, cursor=cursor)
                page = await runtime.store.search(asked)
                found += facts_of((fhir_json.parse(one.content), one.depositor) for one in page.versions)
                cursor = page.cursor
                if not cursor:
                    break
    return tuple(fact for fact in dict.fromkeys(found) if fact.row[4] in patient_ids)
