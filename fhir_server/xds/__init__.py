"""The XDS.b face: software that speaks only the SOAP transactions of today's DMP reads and writes the same documents.

Each transaction is one or two FHIR interactions through `dispatch`, under the same Grant, decision and audit.
Spec: https://profiles.ihe.net/ITI/TF/Volume2 (ITI-18, ITI-41, ITI-43, ITI-57)
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from fhir_server.xds.call import Call, Reply, SenderFault
from fhir_server.xds.metadata_update import update_document_set
from fhir_server.xds.provide_and_register import provide_and_register
from fhir_server.xds.refusals import answered
from fhir_server.xds.retrieve import retrieve_document_set
from fhir_server.xds.stored_query import registry_stored_query

__all__ = ["TRANSACTIONS", "Call", "Reply", "answer"]

TRANSACTIONS: Final[Mapping[str, Callable[[Call], Awaitable[Reply]]]] = {
    "urn:ihe:iti:2007:ProvideAndRegisterDocumentSet-b": provide_and_register,
    "urn:ihe:iti:2007:RegistryStoredQuery": registry_stored_query,
    "urn:ihe:iti:2007:RetrieveDocumentSet": retrieve_document_set,
    "urn:ihe:iti:2010:UpdateDocumentSet": update_document_set,
}
"""What answers each SOAP action; the action of the answer is its name and `Response`."""


async def answer(call: Call) -> Reply:
    """Answer one call; what is refused is a registry response with XDS's own error codes. Raises SenderFault."""
    transaction = TRANSACTIONS.get(call.action)
    if transaction is None:
        raise SenderFault(f"The action {call.action[:100]} is none of {', '.join(TRANSACTIONS)}.", "ActionNotSupported")
    return await answered(transaction, call)
