"""Metadata update: what may change of a published document, and who may change it.

Spec: PDSm 3.1.1 (flux 03 and 04), DMP TD3.3a to TD3.3d; CSP R.1111-49, R.1111-50
"""

from typing import Any, Final

from fhir_server.access.decision import decide
from fhir_server.documents.sharing.submission import list_type
from fhir_server.foundation.operation_outcome import Forbidden, MethodNotAllowed, Unprocessable
from fhir_server.interactions.bundle.route import NoSuchMethod
from fhir_server.interactions.request import Request
from fhir_server.storage.store import Transaction

Resource = dict[str, Any]
IS_ARCHIVED: Final = "https://interop.esante.gouv.fr/ig/fhir/pdsm/StructureDefinition/pdsm-ext-is-archived"
SIMPLIFIED: Final = ("pdsm-simplified-publish", "IHE.MHD.SimplifiedPublish.DocumentReference")
_DOCUMENT: Final = frozenset({"status", "securityLabel"})
_SUBMISSION_SET: Final = frozenset({"status"})
_BESIDE: Final = frozenset({"meta", "text", "id"})
DELETED: Final = "entered-in-error"


class Fixed(NoSuchMethod):
    """Metadata that nobody changes once a document is published."""

    def __init__(self, resource_type: str, names: list[str]) -> None:
        MethodNotAllowed.__init__(
            self,
            f"Of a published {resource_type}, status, securityLabel and the extension {IS_ARCHIVED} change, and not "
            f"{', '.join(names)}. A new version of a document replaces it (relatesTo).",
            *(f"{resource_type}.{name}" for name in names),
        )
        self.allowed = ("GET", "PATCH", "DELETE")


async def check_document(request: Request, transaction: Transaction, before: Resource | None) -> None:
    """Refuse what may not become of a published DocumentReference.

    Published is what has a uniqueId (masterIdentifier); other DocumentReferences are plain resources. The operator, and
    everybody on an open server, mends what he likes. Labels have their own rules (interactions.labelling). Raises Fixed
    (405), Forbidden (403), Unprocessable (422).

    Choice: an update is held to what a patch may do. The DMP's guide deletes by `entered-in-error`, its overview by
    `superseded`: both are taken, the first only from who wrote or deposited the document, as the guide says.
    """
    grant, after = request.grant, request.resource or {}
    if before is None:
        _check_not_simplified(after)
        return
    if grant.kind == "open" or grant.is_operator or "masterIdentifier" not in before:
        return
    changed = _changed(before, after, _DOCUMENT)
    if changed:
        raise Fixed("DocumentReference", changed)
    if before["status"] != after.get("status"):
        await _check_status(request, transaction, before, after)


async def check_list(request: Request, transaction: Transaction, before: Resource | None) -> None:
    """Refuse what may not become of a submission set, which says what happened: only its status changes."""
    grant = request.grant
    if before is None or grant.kind == "open" or grant.is_operator or list_type(before) != "submissionset":
        return
    changed = _changed(before, request.resource or {}, _SUBMISSION_SET)
    if changed:
        raise Fixed("List", changed)


def _check_not_simplified(resource: Resource) -> None:
    profiles = resource.get("meta", {}).get("profile", ())
    has_data = any("data" in content.get("attachment", {}) for content in resource.get("content", ()))
    if has_data and any(str(profile).endswith(SIMPLIFIED) for profile in profiles):
        raise Unprocessable(
            "A simplified publish is a POST of its own: in a bundle, provide the document as a Binary (ITI-65).",
            "DocumentReference.content[0].attachment.data",
        )


def _changed(before: Resource, after: Resource, free: frozenset[str]) -> list[str]:
    """Return the names of elements that changed although they may not."""
    names = (before.keys() | after.keys()) - free - _BESIDE
    return sorted(name for name in names if _settled(name, before) != _settled(name, after))


def _settled(name: str, resource: Resource) -> Any:
    """Return the part of an element that does not change: of extensions all but whether it is archived."""
    value = resource.get(name)
    if name != "extension" or not isinstance(value, list):
        return value
    return [extension for extension in value if extension.get("url") != IS_ARCHIVED] or None


async def _check_status(request: Request, transaction: Transaction, before: Resource, after: Resource) -> None:
    """Deleting is for who wrote or deposited a document, and for good."""
    if before["status"] == DELETED:
        raise Forbidden("The document was deleted: it does not come back. Publish it again under a new uniqueId.")
    within = decide(request.grant, "delete", "DocumentReference")
    if await transaction.read("DocumentReference", before["id"], within=within) is None:
        raise Forbidden(
            f"Only who wrote or deposited a document makes it {after.get('status')}.", "DocumentReference.status"
        )
