"""Labelling: what a write does to the visibility labels of an item, judged where every version is written.

Spec: security-labels.html, CSP R.1111-49 (masking), R.1111-50 (secret connection)
"""

from typing import Any, Final

from msgspec.structs import replace

from fhir_server.access.callers import PERSONAL_KINDS, is_his
from fhir_server.access.decision import decide
from fhir_server.access.extract import replaced
from fhir_server.access.grant import Grant
from fhir_server.access.labels import HIDDEN_FROM_PROFESSIONALS, label_rows, with_label
from fhir_server.access.rows import at_home
from fhir_server.access.rules.relabelling import check_combination, check_taking, is_work_of, relabelling
from fhir_server.foundation import fhir_json
from fhir_server.foundation.operation_outcome import Forbidden
from fhir_server.foundation.resource import Version
from fhir_server.interactions.governance import last_content
from fhir_server.interactions.request import Request, Runtime
from fhir_server.search.condition import Condition, any_of
from fhir_server.storage.store import Transaction

_DOCUMENT: Final = "DocumentReference"
_MASKED: Final = "masked by the patient"
"""A server record, by reference: that it was the patient, or who represents him, who masked an item."""


async def check_labels(
    request: Request, transaction: Transaction, runtime: Runtime, before: dict[str, Any] | None, after: Version
) -> None:
    """Refuse labels that exclude each other, or taking one away that is not the caller's to take.

    `request.resource` is what is written as `after`. Who masked an item is kept in a record beside it: versions do not
    say who wrote them. Nothing is read unless a label is taken away. Raises Unprocessable, Forbidden.
    """
    assert request.resource is not None
    grant = request.grant
    change = relabelling(before, request.resource)
    if not change:
        return
    if not runtime.may_combine_labels:
        check_combination(change, after.resource_type)
    if change.taken and before is not None:
        is_his = is_work_of(grant, at_home(before, runtime.indexing.base_urls), after.depositor)
        is_patients = await transaction.record(_MASKED, after.reference) is not None
        check_taking(grant, change, is_his, is_patients)
    if grant.kind in PERSONAL_KINDS and HIDDEN_FROM_PROFESSIONALS in change.given:
        await transaction.put_record(_MASKED, after.reference, b"")
    elif HIDDEN_FROM_PROFESSIONALS in change.taken:
        await transaction.delete_record(_MASKED, after.reference)


async def take_labels(
    request: Request, transaction: Transaction, runtime: Runtime, before: dict[str, Any] | None, reference: str
) -> Request:
    """Return the request with the labels of what its DocumentReference newly replaces; itself when there are none.

    Who masked a document masked what it says, not one edition of it: so its replacement is masked as it was, by the
    same person, and shown by whoever may take the label away. Choice: not what the patient, or who represents him,
    replaces, because he says himself who may see it; and nothing is taken from a document that the caller does not see
    and did not write: he would learn that it is there.
    """
    assert request.resource is not None
    earlier = [] if before is None else replaced(at_home(before, runtime.indexing.base_urls))
    named = [name for name in replaced(at_home(request.resource, runtime.indexing.base_urls)) if name not in earlier]
    if not named or request.grant.kind in PERSONAL_KINDS:
        return request
    resource, within = request.resource, _known_to(request.grant)
    for name in named:
        if await transaction.read(_DOCUMENT, name.partition("/")[2], within=within) is None:
            continue
        last = await last_content(transaction, name)
        for row in label_rows(fhir_json.parse(last.content)) if last is not None else ():
            resource = with_label(resource, row[-1])
        if await transaction.record(_MASKED, name) is not None:
            await transaction.put_record(_MASKED, reference, b"")
    return request if resource is request.resource else replace(request, resource=resource, content=b"")


def _known_to(grant: Grant) -> Condition:
    try:
        return any_of(decide(grant, "read", _DOCUMENT), is_his(grant))
    except Forbidden:
        return is_his(grant)
