"""People: whose record a submission feeds, and which stored professionals its contained authors are.

Spec: https://profiles.ihe.net/ITI/MHD/4.2.3/ITI-65.html (Patient Identity), references.html
"""

from typing import Any, Final

import msgspec

from fhir_server.access.authors import IDENTITY
from fhir_server.access.callers import PERSONAL_KINDS
from fhir_server.access.decision import decide
from fhir_server.access.directory import PROFESSIONAL_TYPES
from fhir_server.documents.feeding import Feeding
from fhir_server.documents.identities import INS_ROOTS, find_known, national_identifiers
from fhir_server.documents.sharing.submission import Part, Problems, Submission, placed, values_at
from fhir_server.foundation.operation_outcome import FhirError, Forbidden
from fhir_server.foundation.references import parse_reference
from fhir_server.foundation.resource import Version
from fhir_server.interactions.bundle.links import Links
from fhir_server.interactions.conditional import criteria_of, find_match

Resource = dict[str, Any]
_UNKNOWN: Final = "XDSUnknownPatientId"
_MISMATCH: Final = "XDSPatientIdDoesNotMatch"


def stored_of(reference: Resource) -> Resource:
    """Return a reference to what is stored: the identity that `adopt` found for a contained one; else its words."""
    for extension in reference.get("extension", ()):
        if extension.get("url") == IDENTITY:
            return dict(extension["valueReference"])
    plain = {name: reference[name] for name in ("reference", "identifier", "display") if name in reference}
    return {name: value for name, value in plain.items() if not str(value).startswith("#")}


def _names_ins(name: str, value: str) -> bool:
    return name == "identifier" and value.partition("|")[0] in INS_ROOTS


class People:
    """Finds them through a feeding, in its transaction; notes what is wrong."""

    def __init__(self, feeding: Feeding, problems: Problems) -> None:
        self._feeding = feeding
        self._problems = problems

    async def patient_of(self, submission: Submission) -> str:
        """Return the reference of the one patient whom every part names, "" after a problem was noted."""
        await self._bring(submission.patient)
        parts = [submission.submission_set, *(document.entry for document in submission.documents)]
        parts += submission.folders
        named: dict[str, str] = {}
        for part in parts:
            subject = part.resource.get("subject")
            if subject is None:
                continue
            try:
                found = self._told(await self._find(subject))
            except FhirError as refusal:
                raise placed(refusal, f"{part.place}.subject") from None
            if found is None:
                self._problems.add(
                    f"{part.place}.subject",
                    "this patient has no record here. Name him by INS, or by the id that a search for his INS gives.",
                    _UNKNOWN,
                    "not-found",
                )
                continue
            named.setdefault(found.reference, f"{part.place}.subject")
            self._compare_source(part, found)
        for place in list(named.values())[1:]:
            self._problems.add(place, "the parts of one submission are about one patient.", _MISMATCH)
        return next(iter(named), "")

    async def adopt(self, resource: Resource) -> Resource:
        """Return a document or list whose contained authors are linked to the stored professionals they are.

        Choice: the reference to what is contained stays, as the profiles want it, and an extension on it names the
        stored identity of the same national number: so the author is known as such, and may delete his document.
        """
        contained = {f"#{one['id']}": one for one in resource.get("contained", ()) if "id" in one}
        if not contained:
            return resource
        changed = dict(resource)
        for name in ("author", "authenticator", "source"):
            if name not in changed:
                continue
            listed = changed[name] if isinstance(changed[name], list) else [changed[name]]
            linked = [await self._adopted(reference, contained) for reference in listed]
            changed[name] = linked if isinstance(changed[name], list) else linked[0]
        return changed

    async def resolve(self, part: Part) -> None:
        """Link the conditional references of a part (`Organization?identifier=...`), or note what matches nothing.

        Subjects and related documents are found elsewhere.
        """
        links = Links(self._feeding.links)
        links.relink({name: value for name, value in part.resource.items() if name not in ("subject", "relatesTo")})
        for reference in sorted(links.conditional):
            if reference in self._feeding.links:
                continue
            match = await self._match(reference)
            if match is None:
                self._problems.add(part.place, f"{reference[:200]} matches nothing.", "UnresolvedReferenceException")
            else:
                self._feeding.links[reference] = match.reference

    async def _bring(self, part: Part | None) -> None:
        if part is None or part.reference:
            return
        if not national_identifiers(part.resource):
            self._problems.add(
                part.place,
                "a Patient of a submission has an INS: no other number names a record.",
                _UNKNOWN,
                "required",
            )
            return
        if self._told(await find_known(self._feeding.finding, part.resource)) is None:
            decide(self._feeding.request.grant, "create", "Patient")
        await self._feeding.share(part.full_url, part.resource)

    async def _find(self, subject: Resource) -> Version | None:
        text = str(subject.get("reference", ""))
        text = self._feeding.links.get(text, text)
        named = parse_reference(text, (self._feeding.request.base_url,))
        if named.kind == "relative" and named.target_type == "Patient":
            version = await self._feeding.transaction.read("Patient", named.target_id)
            return None if version is None or version.is_deleted else version
        if named.kind == "conditional" and named.target_type == "Patient" and not named.base_url:
            match = await self._match(text)
            if match is not None:
                self._feeding.links[text] = match.reference
            return match
        identifier = subject.get("identifier", {})
        if text or not identifier.get("value"):
            return None
        return await find_known(self._feeding.finding, {"resourceType": "Patient", "identifier": [identifier]})

    def _told(self, patient: Version | None) -> Version | None:
        """Return a Patient that was found, or None when the caller may not learn that there is one.

        Feeding needs no right to read, and `$record-status` tells professionals and programs that there is a record. A
        patient, and who represents him, feeds his own: an INS or an id of others is answered as if nobody had it.
        """
        grant = self._feeding.request.grant
        is_own = patient is not None and patient.resource_id == grant.patient_id
        return None if grant.kind in PERSONAL_KINDS and not is_own else patient

    async def _match(self, reference: str) -> Version | None:
        """Return what a conditional reference names.

        Identities are matched beyond the caller's decision, as feeding does; anything else only within it, or a search
        in a reference would tell what the caller may not know.
        """
        named = parse_reference(reference, (self._feeding.request.base_url,))
        if named.base_url:
            return None
        feeding, criteria = self._feeding, criteria_of(named.query)
        is_identity = named.target_type in PROFESSIONAL_TYPES or (
            named.target_type == "Patient" and all(_names_ins(name, value) for name, value in criteria)
        )
        asker = feeding.finding.request if is_identity else feeding.request
        asked = msgspec.structs.replace(asker, resource_type=named.target_type)
        try:
            return await find_match(asked, feeding.transaction, feeding.runtime, criteria)
        except Forbidden:
            return None

    def _compare_source(self, part: Part, patient: Version) -> None:
        """Note a contained source patient whose INS is not that of the record: one of the two is somebody else."""
        stored = set(national_identifiers(msgspec.json.decode(patient.content)))
        for reference in values_at(part.resource, "context.sourcePatientInfo"):
            name = str(reference.get("reference", ""))
            for one in part.resource.get("contained", ()):
                given = set(national_identifiers(one)) if f"#{one.get('id')}" == name else set()
                if given and stored and not given & stored:
                    place = f"{part.place}.context.sourcePatientInfo"
                    self._problems.add(place, "its INS is not that of the record (identitovigilance).", _MISMATCH)

    async def _adopted(self, reference: Resource, contained: dict[str, Resource]) -> Resource:
        name = str(reference.get("reference", ""))
        known = await self._identity(contained.get(name), contained)
        if not known:
            return reference
        others = [one for one in reference.get("extension", ()) if one.get("url") != IDENTITY]
        return {**reference, "extension": [*others, {"url": IDENTITY, "valueReference": {"reference": known}}]}

    async def _identity(self, one: Resource | None, contained: dict[str, Resource]) -> str:
        """Return the stored identity of a contained person or organization, made when it is nationally known."""
        if one is None:
            return ""
        resource_type = one["resourceType"]
        if resource_type == "PractitionerRole":
            practitioner = contained.get(str(one.get("practitioner", {}).get("reference", "")))
            named = {"resourceType": "Practitioner", "identifier": one.get("identifier", [])}
            return await self._identity(practitioner or named, contained)
        if resource_type not in ("Practitioner", "Organization") or not national_identifiers(one):
            return ""
        known = await find_known(self._feeding.finding, one)
        if known is not None:
            return known.reference
        made = self._feeding.new(resource_type)
        plain = {name: value for name, value in one.items() if name not in ("id", "meta", "text")}
        await self._feeding.create(plain, made)
        return made
