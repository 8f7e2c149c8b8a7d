"""`$import-cda`: keep a CDA R2 document, and store what it says, in one transaction.

Spec: documents.html, provenance.html; https://profiles.ihe.net/ITI/TF/Volume3 (uniqueId and hash of a document)
"""

from typing import Any

import mappings
from fhir_server.documents.cda.conversion import convert, outcome
from fhir_server.documents.cda.posted import posted_cda
from fhir_server.documents.cda.storing import Stored, Storing
from fhir_server.foundation import fhir_json
from fhir_server.interactions.request import Request, Response, Runtime
from fhir_server.storage.store import Transaction


async def import_cda(request: Request, runtime: Runtime) -> Response:
    """Import the document in the request and answer Parameters: 201 when it was new, 200 when it was there.

    Raises Duplicate (409) when other content was imported under the same document id, and what `convert` raises.
    """
    stored, conversion = await store_cda(request, runtime, posted_cda(request))
    location = f"{stored.document}/_history/1" if stored.is_created else ""
    return Response(
        201 if stored.is_created else 200, fhir_json.format(_parameters(stored, conversion)), location=location
    )


async def store_cda(request: Request, runtime: Runtime, content: bytes) -> tuple[Stored, mappings.Conversion]:
    """Convert and store a CDA document, and return what was done. Raises as `import_cda` does."""
    conversion = await convert(content)

    async def work(transaction: Transaction) -> Stored:
        return await Storing(request, runtime, transaction).store(conversion, content)

    return await runtime.store.transact(work), conversion


def _parameters(stored: Stored, conversion: mappings.Conversion) -> dict[str, Any]:
    return {
        "resourceType": "Parameters",
        "parameter": [
            {"name": "document", "valueReference": {"reference": stored.document}},
            {"name": "patient", "valueReference": {"reference": stored.patient}},
            {"name": "created", "valueBoolean": stored.is_created},
            *({"name": "resource", "valueReference": {"reference": reference}} for reference in stored.references),
            {"name": "outcome", "resource": outcome(conversion, *stored.issues)},
        ],
    }
