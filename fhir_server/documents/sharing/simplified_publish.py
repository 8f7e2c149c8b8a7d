"""Simplified Publish (ITI-105): one DocumentReference with its document inline.

Spec: https://profiles.ihe.net/ITI/MHD/4.2.3/ITI-105.html, PDSm 3.1.1 (flux 09 and 10), DMP TD2
"""

from typing import Any

from fhir_server.documents.sharing.content import decode
from fhir_server.documents.sharing.levels import DOCUMENTS, claimed_level
from fhir_server.documents.sharing.publishing import publish
from fhir_server.documents.sharing.submission import Document, Part, Problems, Submission, values_at
from fhir_server.foundation.operation_outcome import Unprocessable
from fhir_server.interactions.request import Request, Response, Runtime
from fhir_server.interactions.write import aside

PLACE = "DocumentReference"


async def simplified_publish(request: Request, runtime: Runtime) -> Response:
    """Split the document from its DocumentReference, make the submission set, and return what was stored: 201.

    Raises what `publish` raises; Unprocessable when there is no document in it.
    """
    if request.if_none_exist is not None:
        raise Unprocessable("A simplified publish is not conditional: a uniqueId that is known is refused.")
    published = await publish(request, runtime, await aside(_submission, request, runtime))
    response = published.responses[PLACE]
    assert response.version is not None
    is_minimal = request.prefer_return == "minimal"
    return Response(
        201,
        b"" if is_minimal else response.version.content,
        version_id=response.version_id,
        last_updated=response.last_updated,
        location=response.location,
        version=response.version,
    )


def _submission(request: Request, runtime: Runtime) -> Submission:
    """Return the submission of one document that the DocumentReference is."""
    resource: dict[str, Any] = request.resource or {}
    problems = Problems()
    attachment: dict[str, Any] = next(iter(values_at(resource, "content.attachment")), {})
    place = f"{PLACE}.content[0].attachment"
    if "url" in attachment:
        problems.add(
            f"{place}.url", "a simplified publish carries the document in data, and has no url.", "XDSRepositoryError"
        )
    if "data" not in attachment:
        problems.add(f"{place}.data", "the document is missing.", "XDSMissingDocument", "required")
    content = decode(attachment.get("data"), f"{place}.data", problems)
    problems.check()
    document = Document(Part(resource, PLACE), content, str(attachment.get("contentType", "")))
    level = claimed_level(resource["meta"]["profile"], DOCUMENTS)
    return Submission(level, Part({}, "List"), (document,))
