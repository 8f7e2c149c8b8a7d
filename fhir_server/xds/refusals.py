"""Refusals in XDS's own codes: the RegistryResponse of what could not be done.

Source: IHE ITI TF-3, 4.2.4 (success and error reporting), table 4.2.4.1-2.
"""

import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import Final

import msgspec
from lxml import etree

from fhir_server.foundation.operation_outcome import (
    BadRequest,
    Duplicate,
    FhirError,
    NotFound,
    TooCostly,
    TooLarge,
    Unavailable,
    Unprocessable,
    VersionConflict,
)
from fhir_server.xds.call import Call, Element, Reply, SenderFault
from mappings.xds.ebrim import MetadataRefused
from mappings.xds.vocabulary import ERROR, FAILURE, QUERY, RIM, RS, SUCCESS

LOG: Final = logging.getLogger("fhir_server")
QUERY_ACTION: Final = "urn:ihe:iti:2007:RegistryStoredQuery"
_CODES: Final[tuple[tuple[type[FhirError], str], ...]] = (
    (Duplicate, "XDSDuplicateUniqueIdInRegistry"),
    (VersionConflict, "XDSMetadataVersionError"),
    (NotFound, "UnresolvedReferenceException"),
    (TooCostly, "XDSTooManyResults"),
    (TooLarge, "XDSRepositoryOutOfResources"),
    (Unavailable, "XDSRegistryBusy"),
    (Unprocessable, "XDSRegistryMetadataError"),
    (BadRequest, "XDSRegistryMetadataError"),
)


class RegistryError(msgspec.Struct, frozen=True):
    """One error: XDS's code, what is wrong and how to mend it, and the id of the object it is about."""

    code: str
    text: str
    location: str = ""


async def answered(transaction: Callable[[Call], Awaitable[Reply]], call: Call) -> Reply:
    """Return the answer of a transaction; a refusal becomes a RegistryResponse (or AdhocQueryResponse) of failure."""
    try:
        return await transaction(call)
    except MetadataRefused as refusal:
        errors = [RegistryError(refusal.code, str(refusal), refusal.object_id)]
    except FhirError as refusal:
        errors = list(errors_of(refusal))
    except SenderFault:
        raise
    except Exception:
        LOG.exception("XDS request %s failed", call.request_id)
        text = f"The server failed. Quote request {call.request_id} to its operator."
        errors = [RegistryError("XDSRegistryError", text)]
    if call.action == QUERY_ACTION:
        return Reply(query_response((), errors))
    return Reply(registry_response(errors))


def errors_of(refusal: FhirError) -> Iterable[RegistryError]:
    """Return the errors that a refusal of FHIR stands for."""
    general = next((code for kind, code in _CODES if isinstance(refusal, kind)), "XDSRegistryError")
    for issue in refusal.issues:
        code = issue.details if issue.details.startswith(("XDS", "Unresolved")) else general
        yield RegistryError(code, issue.diagnostics, ", ".join(issue.expression))


def registry_response(errors: Iterable[RegistryError] = (), status: str = "") -> Element:
    """Write a RegistryResponse; its status is Success without errors, unless one is given."""
    listed = list(errors)
    shown = status or (FAILURE if listed else SUCCESS)
    response = etree.Element(f"{RS}RegistryResponse", {"status": shown}, {"rs": RS[1:-1]})
    write_errors(response, listed)
    return response


def query_response(objects: Iterable[Element], errors: Iterable[RegistryError] = ()) -> Element:
    """Write an AdhocQueryResponse."""
    listed = list(errors)
    names = {"query": QUERY[1:-1], "rim": RIM[1:-1], "rs": RS[1:-1]}
    response = etree.Element(f"{QUERY}AdhocQueryResponse", {"status": FAILURE if listed else SUCCESS}, names)
    write_errors(response, listed)
    found = etree.SubElement(response, f"{RIM}RegistryObjectList")
    found.extend(objects)
    return response


def write_errors(response: Element, errors: Iterable[RegistryError]) -> None:
    """Add a RegistryErrorList when there are errors."""
    listed = list(errors)
    if not listed:
        return
    parent = etree.SubElement(response, f"{RS}RegistryErrorList", highestSeverity=ERROR)
    for error in listed:
        attributes = {"errorCode": error.code, "codeContext": error.text, "severity": ERROR}
        attributes |= {"location": error.location} if error.location else {}
        etree.SubElement(parent, f"{RS}RegistryError", attributes)
