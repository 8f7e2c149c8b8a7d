"""Labelling: what a write does to the visibility labels of an item, judged where every version is written.

Spec: security-labels.html, CSP R.1111-49 (masking), R.1111-50 (secret connection)
"""

from typing import Any, Final

from fhir_server.access.callers import PERSONAL_KINDS
from fhir_server.access.labels import HIDDEN_FROM_PROFESSIONALS
from fhir_server.access.rows import at_home
from fhir_server.access.rules.relabelling import check_combination, check_taking, is_work_of, relabelling
from fhir_server.foundation.resource import Version
from fhir_server.interactions.request import Request, Runtime
from fhir_server.storage.store import Transaction

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
