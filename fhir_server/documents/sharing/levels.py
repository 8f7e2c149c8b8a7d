"""Levels of metadata: what a submission must say of itself, by the profile that it claims.

Spec: https://profiles.ihe.net/ITI/MHD/4.2.3/ (Minimal, UnContained, Comprehensive), PDSm 3.1.1
"""

from typing import Final

import msgspec

IHE: Final = "https://profiles.ihe.net/ITI/MHD/StructureDefinition"
PDSM: Final = "https://interop.esante.gouv.fr/ig/fhir/pdsm/StructureDefinition"


class Level(msgspec.Struct, frozen=True):
    """Elements that a document, a submission set and a folder must have, as paths; extensions by URL.

    `is_contained`: author, authenticator and source patient are contained. `is_simplified`: one document, its content
    inline, and its submission set made here.
    """

    name: str
    document: tuple[str, ...]
    submission_set: tuple[str, ...] = ("status", "mode", "code", "date")
    extensions: tuple[str, ...] = (f"{IHE}/ihe-sourceId",)
    folder: tuple[str, ...] = ("status", "mode", "code")
    folder_extensions: tuple[str, ...] = ()
    is_contained: bool = False
    is_simplified: bool = False


_MINIMAL: Final = ("masterIdentifier", "status", "content.attachment.contentType", "subject")
_COMPREHENSIVE: Final = (
    *_MINIMAL,
    "type",
    "category",
    "securityLabel",
    "content.attachment.language",
    "content.attachment.creation",
    "content.format",
    "context.facilityType",
    "context.practiceSetting",
    "context.sourcePatientInfo",
)
_DESIGNATED: Final = (f"{IHE}/ihe-designationType",)
_SET: Final = ("status", "mode", "code", "date")
_ALL: Final = (f"{IHE}/ihe-sourceId", *_DESIGNATED)
_FOLDER: Final = ("status", "mode", "code", "subject", "title")

MINIMAL: Final = Level("IHE MHD minimal", _MINIMAL)
UNCONTAINED: Final = Level(
    "IHE MHD uncontained", _COMPREHENSIVE, (*_SET, "subject"), _ALL, _FOLDER, folder_extensions=_DESIGNATED
)
COMPREHENSIVE: Final = Level(
    "IHE MHD comprehensive",
    _COMPREHENSIVE,
    (*_SET, "subject"),
    _ALL,
    _FOLDER,
    folder_extensions=_DESIGNATED,
    is_contained=True,
)
PDSM_COMPREHENSIVE: Final = Level(
    "PDSm",
    (*_COMPREHENSIVE, "author", "content.attachment.title", "context.period.start"),
    (*_SET, "subject", "source"),
    _ALL,
    ("status", "mode", "code", "subject", "date", "entry"),
    folder_extensions=_DESIGNATED,
)
"""Choice: the profile also asks for a custodian, which is no metadata of XDS and which the examples of the DMP's own
guide leave out: it is kept when it is given. Author and source patient may be contained or stored, as the guide's own
example does. What can be known here is made here when it is absent: category, format, date, size and hash."""
SIMPLIFIED: Final = Level("IHE MHD simplified publish", _MINIMAL, is_simplified=True)
PDSM_SIMPLIFIED: Final = Level(
    "PDSm simplified publish", (*_MINIMAL, "author", "content.attachment.title"), is_simplified=True
)

BUNDLES: Final[dict[str, Level]] = {
    f"{IHE}/IHE.MHD.Minimal.ProvideBundle": MINIMAL,
    f"{IHE}/IHE.MHD.UnContained.Comprehensive.ProvideBundle": UNCONTAINED,
    f"{IHE}/IHE.MHD.Comprehensive.ProvideBundle": COMPREHENSIVE,
    f"{PDSM}/pdsm-comprehensive-provide-document-bundle": PDSM_COMPREHENSIVE,
}
DOCUMENTS: Final[dict[str, Level]] = {
    f"{IHE}/IHE.MHD.SimplifiedPublish.DocumentReference": SIMPLIFIED,
    f"{PDSM}/pdsm-simplified-publish": PDSM_SIMPLIFIED,
}
OTHER_PROFILES: Final = (
    ("DocumentReference", f"{PDSM}/pdsm-comprehensive-document-reference"),
    ("DocumentReference", f"{IHE}/IHE.MHD.Minimal.DocumentReference"),
    ("DocumentReference", f"{IHE}/IHE.MHD.UnContained.Comprehensive.DocumentReference"),
    ("List", f"{PDSM}/pdsm-submissionset-comprehensive"),
    ("List", f"{PDSM}/pdsm-folder-comprehensive"),
    ("List", f"{IHE}/IHE.MHD.Minimal.SubmissionSet"),
    ("List", f"{IHE}/IHE.MHD.Minimal.Folder"),
)


def claimed_level(profiles: list[str], known: dict[str, Level]) -> Level:
    """Return the most demanding level among the profiles that a body claims; at least one is known."""
    levels = [known[name] for name in (claim.partition("|")[0] for claim in profiles) if name in known]
    return max(levels, key=lambda level: len(level.document))
