"""The CDA document in a request: the body itself, as XML.

Spec: operations.html#request (a body that is no FHIR resource)
"""

from fhir_server.foundation.operation_outcome import BadRequest, UnsupportedMediaType
from fhir_server.interactions.request import Request

XML_TYPES = ("application/xml", "text/xml", "application/cda+xml", "application/hl7-cda+xml")


def posted_cda(request: Request) -> bytes:
    """Return the document; raises UnsupportedMediaType (415) for another type, BadRequest (400) for no body."""
    media_type = request.media_type.partition(";")[0].strip().lower()
    if media_type not in XML_TYPES:
        raise UnsupportedMediaType(
            f"The body must be the CDA document itself, sent as application/xml or text/xml, not as "
            f"{media_type or 'nothing'}."
        )
    if not request.content.strip():
        raise BadRequest("The body is empty: send the CDA document as application/xml.")
    return request.content
