"""Source: what a CDA is made of, already read: the DocumentReference, its patient, and the document itself."""

from collections.abc import Callable
from dataclasses import dataclass

from mappings.fhir import Json


@dataclass(frozen=True, slots=True)
class Source:
    """Hold a DocumentReference, its Patient, and what it describes: bytes of a media type, or a Composition.

    `resolve` gives the resource that a reference leads to (contained or stored), None when it leads nowhere.
    """

    document: Json
    patient: Json
    resolve: Callable[[Json | None], Json | None]
    content: bytes = b""
    media_type: str = ""
    composition: Json | None = None

    @property
    def created(self) -> str | None:
        """Return when the document was written."""
        attachment = self.document["content"][0]["attachment"]
        found: str | None = attachment.get("creation") or self.document.get("date")
        return found

    @property
    def title(self) -> str:
        """Return the title of the document."""
        attachment = self.document["content"][0]["attachment"]
        concept = self.document.get("type", {})
        names = (one.get("display", "") for one in concept.get("coding", ()))
        found: str = attachment.get("title") or self.document.get("description") or next(names, "") or "Document"
        return found
