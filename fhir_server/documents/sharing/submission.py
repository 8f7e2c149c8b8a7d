"""Submission: what a source hands over in one go, however it came (MHD today, XDS.b beside it).

Spec: https://profiles.ihe.net/ITI/TF/Volume3/ch-4.1.html (SubmissionSet, DocumentEntry, Folder)
"""

from typing import Any, Final

import msgspec

from fhir_server.documents.sharing.levels import Level
from fhir_server.foundation.operation_outcome import FhirError, Issue, Unprocessable
from fhir_server.interactions.bundle.links import root_of

Resource = dict[str, Any]

LIST_TYPES: Final = "https://profiles.ihe.net/ITI/MHD/CodeSystem/MHDlistTypes"
IDENTIFIER_TYPES: Final = "https://profiles.ihe.net/ITI/MHD/CodeSystem/IHE.MHD.MHDIdentifierType"
URI_SYSTEM: Final = "urn:ietf:rfc:3986"


class Part(msgspec.Struct, frozen=True):
    """One resource of a submission, and where it stands in the request (an expression, for refusals).

    `reference` is `Type/id` of what is updated, "" for what is created.
    """

    resource: Resource
    place: str = ""
    full_url: str = ""
    reference: str = ""


class Document(msgspec.Struct, frozen=True):
    """A DocumentReference and what it refers to: bytes of a media type, or a FHIR document (`bundle`)."""

    entry: Part
    content: bytes = b""
    media_type: str = ""
    holder: Part | None = None
    """The Binary or Bundle as it came; None when the content was inline."""
    bundle: Resource | None = None


class Submission(msgspec.Struct, frozen=True):
    """A submission set with its documents and folders.

    `superseded` are patches that say that stored documents are replaced; their reference is as it was given.
    """

    level: Level
    submission_set: Part
    documents: tuple[Document, ...]
    folders: tuple[Part, ...] = ()
    patient: Part | None = None
    superseded: tuple[Part, ...] = ()


class Problems:
    """Gathers everything that is wrong with a submission, so that its author hears of it at once."""

    def __init__(self) -> None:
        self.issues: list[Issue] = []

    def add(self, place: str, diagnostics: str, details: str, code: str = "invalid") -> None:
        """Note a problem; `details` is the error code of IHE, `place` an expression."""
        self.issues.append(Issue("error", code, f"{place}: {diagnostics}", (place,), details))

    def check(self) -> None:
        """Raise Unprocessable when something was noted."""
        if self.issues:
            raise Unprocessable(self.issues[0].diagnostics, issues=self.issues)


def placed(refusal: FhirError, place: str) -> FhirError:
    """Return a refusal whose issues stand at a place of the request, as far as they said no other."""
    refusal.issues = tuple(_at(issue, place) for issue in refusal.issues)
    return refusal


def _at(issue: Issue, place: str) -> Issue:
    below = (expression.partition(".")[2] for expression in issue.expression)
    expressions = tuple(f"{place}.{rest}" if rest else place for rest in below)
    return msgspec.structs.replace(issue, expression=expressions or (place,))


def list_type(resource: Resource) -> str:
    """Return what a List is to MHD: `submissionset`, `folder`, or "" for another List."""
    code = resource.get("code")
    codings = code.get("coding", ()) if isinstance(code, dict) else ()
    found = (coding.get("code") for coding in codings if str(coding.get("system", "")).endswith("/MHDlistTypes"))
    return next((code for code in found if code in ("submissionset", "folder")), "")


def resolved(reference: str, full_url: str) -> str:
    """Return a reference as the fullUrl that it means, below the root of the fullUrl it stands in (bundle.html)."""
    root = root_of(full_url)
    is_relative = root and reference and "://" not in reference and not reference.startswith(("urn:", "#"))
    return f"{root}/{reference}" if is_relative else reference


def bare_id(identifier: Resource) -> str:
    """Return an identifier as an OID with its extension, whichever of FHIR's two ways it is written in."""
    system, value = str(identifier.get("system", "")), str(identifier.get("value", ""))
    value = value.removeprefix("urn:oid:").removeprefix("urn:uuid:")
    return value if system in ("", URI_SYSTEM) else f"{system.removeprefix('urn:oid:')}^{value}"


def values_at(resource: Any, path: str) -> list[Any]:
    """Return all that is at a path of element names; [] when nothing is."""
    found = [resource]
    for name in path.split("."):
        below = [one[name] for one in found if isinstance(one, dict) and name in one]
        found = [item for value in below for item in (value if isinstance(value, list) else [value])]
    return found


def identifier_of(code: str, value: str, use: str) -> Resource:
    """Return an Identifier of an IHE type: `entryUUID` or `uniqueId`."""
    coding = {"system": IDENTIFIER_TYPES, "code": code}
    return {"use": use, "type": {"coding": [coding]}, "system": URI_SYSTEM, "value": value}


def typed_identifiers(resource: Resource, code: str) -> list[Resource]:
    """Return the identifiers of an IHE type."""
    return [
        identifier
        for identifier in resource.get("identifier", ())
        if any(coding.get("code") == code for coding in identifier.get("type", {}).get("coding", ()))
    ]
