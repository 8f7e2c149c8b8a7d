"""Content: is a document what its metadata say; size, hash, media type.

Spec: https://profiles.ihe.net/ITI/MHD/4.2.3/ITI-65.html (hash and size), datatypes.html#attachment
"""

import hashlib
import zipfile
from base64 import b64decode, b64encode
from io import BytesIO
from typing import Any, Final

from fhir_server.documents.cda.original import CDA_TYPES
from fhir_server.documents.sharing.submission import Document, Problems

_ZIP: Final = b"PK\x03\x04"
_INFLATION_MAXIMUM: Final = 100
"""Text shrinks to a tenth: what grows a hundredfold was made to fill a disk."""


def decode(data: Any, place: str, problems: Problems) -> bytes:
    """Return the bytes of base64 text; b"" after a problem was noted."""
    try:
        return b64decode("".join(str(data or "").split()), validate=True)
    except ValueError:
        problems.add(place, "this is no base64.", "XDSRepositoryMetadataError", "value")
        return b""


def sha1(content: bytes) -> str:
    """Return the SHA-1 of a document in base64, which is what Attachment.hash holds."""
    return b64encode(hashlib.sha1(content, usedforsecurity=False).digest()).decode()


def check_content(document: Document, problems: Problems) -> None:
    """Note what size, hash and contentType say that the content does not."""
    attachment = document.entry.resource["content"][0]["attachment"]
    place = f"{document.entry.place}.content[0].attachment"
    if document.bundle is not None:
        for name in ("size", "hash"):
            if name in attachment:
                problems.add(
                    f"{place}.{name}", f"a FHIR document has no {name}: leave it out.", "XDSRepositoryMetadataError"
                )
        return
    content = document.content
    if not content:
        problems.add(place, "the document is empty.", "InvalidDocumentContent", "required")
        return
    size, digest = attachment.get("size"), attachment.get("hash")
    if size is not None and size != len(content):
        problems.add(
            f"{place}.size", f"size is {size}, and the document has {len(content)} bytes.", "XDSRepositoryMetadataError"
        )
    if digest is not None and digest != sha1(content):
        problems.add(
            f"{place}.hash",
            f"the hash is not that of the document: its SHA-1 in base64 is {sha1(content)}.",
            "XDSRepositoryMetadataError",
        )
    _check_media_type(document, f"{place}.contentType", problems)
    _check_archive(content, place, problems)


def _check_media_type(document: Document, place: str, problems: Problems) -> None:
    said = _plain(document.entry.resource["content"][0]["attachment"].get("contentType"))
    held = _plain(document.media_type)
    if held and said != held and not {said, held} <= CDA_TYPES:
        problems.add(
            place, f"contentType is {said[:80]}, and the Binary's is {held[:80]}.", "XDSRepositoryMetadataError"
        )
    if said == "application/pdf" and document.content.lstrip()[:1] == b"<":
        # Choice: XML under this name is a CDA that nobody would find as one; other text is what examples hold.
        problems.add(place, "the document is XML, not a PDF.", "InvalidDocumentContent")


def _check_archive(content: bytes, place: str, problems: Problems) -> None:
    """Note an archive that unpacks to far more than it holds; nothing is unpacked here."""
    if not content.startswith(_ZIP):
        return
    try:
        with zipfile.ZipFile(BytesIO(content)) as archive:
            size = sum(info.file_size for info in archive.infolist())
    except (zipfile.BadZipFile, ValueError, OverflowError):
        problems.add(place, "the archive is broken.", "InvalidDocumentContent")
        return
    if size > _INFLATION_MAXIMUM * len(content):
        problems.add(
            place,
            f"the archive of {len(content)} bytes unpacks to {size}: more than {_INFLATION_MAXIMUM} times as much.",
            "InvalidDocumentContent",
            "too-costly",
        )


def is_cda(document: Document) -> bool:
    """Say whether a document is a CDA R2 by its media type and its first bytes."""
    said = _plain(document.entry.resource["content"][0]["attachment"].get("contentType"))
    return said in CDA_TYPES and b"ClinicalDocument" in document.content[:4096]


def _plain(media_type: Any) -> str:
    return str(media_type or "").partition(";")[0].strip().lower()
