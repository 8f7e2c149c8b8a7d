"""Publish a submission: everything checked, then everything stored, in one transaction, or nothing.

Spec: https://profiles.ihe.net/ITI/MHD/4.2.3/ITI-65.html (Expected Actions), ITI TF-2: 3.41 and 3.42
"""

import asyncio
from base64 import b64encode
from typing import Any, Final

import msgspec
from msgspec.structs import replace

import mappings
from fhir_server.documents.cda.replacing import Replacing
from fhir_server.documents.feeding import Feeding
from fhir_server.documents.record.opening import is_closed
from fhir_server.documents.sharing.completing import identified, submission_set_of, with_unique_id
from fhir_server.documents.sharing.metadata import check_metadata
from fhir_server.documents.sharing.people import People, stored_of
from fhir_server.documents.sharing.ready import Ready, check_cda, read_document
from fhir_server.documents.sharing.relations import Relations
from fhir_server.documents.sharing.signature import Attestation, check_signatures, provenance_of
from fhir_server.documents.sharing.submission import (
    Document,
    Part,
    Problems,
    Submission,
    placed,
    typed_identifiers,
)
from fhir_server.foundation.operation_outcome import Duplicate, FhirError, Forbidden, Issue
from fhir_server.interactions.bundle.links import Links
from fhir_server.interactions.dispatch import perform
from fhir_server.interactions.request import Request, Response, Runtime
from fhir_server.interactions.write import prepare
from fhir_server.storage.store import Transaction

Resource = dict[str, Any]
_MISMATCH: Final = "XDSPatientIdDoesNotMatch"


class Published(msgspec.Struct, frozen=True):
    """What became of each part, by its place in the request; `warnings` likewise. `documents` are references."""

    responses: dict[str, Response]
    documents: tuple[str, ...]
    submission_set: str
    patient: str
    warnings: dict[str, tuple[Issue, ...]] = {}


async def publish(request: Request, runtime: Runtime, submission: Submission) -> Published:
    """Store a submission for the caller of a request.

    A CDA is converted too, as an import does; one that cannot be is kept as it is, with a warning. Raises Unprocessable
    (422) with all problems at once, Duplicate (409), Conflict (409), Forbidden (403).
    """
    is_simplified = submission.level.is_simplified
    ready = [await read_document(document, request, runtime, is_simplified) for document in submission.documents]
    submission = replace(submission, documents=tuple(one.document for one in ready))
    problems = Problems()
    await asyncio.to_thread(check_metadata, submission, problems)
    for one in ready:
        check_cda(one, problems)
    attestations = await asyncio.to_thread(check_signatures, submission, problems)
    problems.check()

    async def work(transaction: Transaction) -> Published:
        return await Publishing(request, runtime, transaction).publish(submission, ready, attestations)

    return await runtime.store.transact(work)


class Publishing(Feeding):
    """One submission within one transaction."""

    def __init__(self, request: Request, runtime: Runtime, transaction: Transaction) -> None:
        super().__init__(request, runtime, transaction)
        self._problems = Problems()
        self._responses: dict[str, Response] = {}
        self._warnings: dict[str, tuple[Issue, ...]] = {}
        self._authors: list[Resource] = []

    async def publish(
        self, submission: Submission, ready: list[Ready], attestations: tuple[Attestation, ...]
    ) -> Published:
        """Check against what is stored, and store."""
        people = People(self, self._problems)
        patient = await people.patient_of(submission)
        await self._check_open(patient)
        for part in (submission.submission_set, *submission.folders, *(one.document.entry for one in ready)):
            await people.resolve(part)
        for one in ready:
            await self._check_new(one, patient)
        relations = Relations(self, self._problems, patient)
        await relations.follow(submission)
        self._problems.check()
        self._name(submission, patient)
        documents = [await self._store(one, people, relations, patient) for one in ready]
        await self._end(submission, relations)
        for folder in submission.folders:
            await self._file(folder, people)
        reference = await self._close(submission, people, documents)
        stored = {one.document.entry.place: document for one, document in zip(ready, documents, strict=True)}
        for attestation in attestations:
            targets = [stored[place] for place in attestation.places]
            await self.create(provenance_of(attestation, targets, self.runtime.now()), self.new("Provenance"))
        return Published(self._responses, tuple(documents), reference, patient, self._warnings)

    async def _check_open(self, patient: str) -> None:
        """Say why nothing is fed to a closed record; the decision would refuse it without a reason."""
        grant = self.request.grant
        if patient and grant.kind != "open" and not grant.is_operator and await is_closed(self.transaction, patient):
            raise Forbidden("The record is closed, and nothing is fed to it: $record-status tells since when, and why.")

    async def _check_new(self, ready: Ready, patient: str) -> None:
        """Refuse a document that is here already. Raises Duplicate."""
        entry = ready.document.entry
        for identifier in (entry.resource["masterIdentifier"], *typed_identifiers(entry.resource, "entryUUID")):
            if await self.finding.identified("DocumentReference", identifier):
                reason = f"{entry.place}: {identifier['value']} identifies a document that is here already."
                place = (f"{entry.place}.masterIdentifier",)
                issue = Issue("error", "duplicate", reason, place, "XDSDuplicateUniqueIdInRegistry")
                raise Duplicate(reason, issues=(issue,))
        if ready.conversion is not None and patient:
            await self._check_patient(ready, ready.conversion, patient)

    async def _check_patient(self, ready: Ready, conversion: mappings.Conversion, patient: str) -> None:
        """Note a CDA about somebody else than the patient in whose record it is to be filed."""
        resources = {entry["fullUrl"]: entry["resource"] for entry in conversion.bundle["entry"]}
        full_url = conversion.document.patient_full_url
        stored = await self.transaction.read("Patient", patient.partition("/")[2])
        said = national_values(resources[full_url])
        known = national_values(msgspec.json.decode(stored.content)) if stored is not None else set()
        if said and known and not said & known:
            place = f"{ready.document.entry.place}.subject"
            self._problems.add(place, "the CDA is about another patient (identitovigilance).", _MISMATCH)

    def _name(self, submission: Submission, patient: str) -> None:
        """Give every part its reference, so that the parts can refer to each other."""
        parts = [(document.entry, "DocumentReference") for document in submission.documents]
        parts += [(folder, "List") for folder in submission.folders]
        for part, resource_type in parts:
            self.links[_key(part)] = part.reference or self.new(resource_type)
        for document in submission.documents:
            holder = document.holder
            self.links[_holder_key(document)] = self.new("Binary" if document.bundle is None else "Bundle")
            if holder is not None and holder.full_url:
                self.links[holder.full_url] = self.links[_holder_key(document)]
        if submission.patient is not None:
            self.links.setdefault(submission.patient.full_url, patient)

    async def _store(self, ready: Ready, people: People, relations: Relations, patient: str) -> str:
        document = ready.document
        entry = document.entry
        reference, holder = self.links[_key(entry)], self.links[_holder_key(document)]
        resource = await people.adopt(identified(entry.resource, reference.partition("/")[2]))
        self._authors += [plain for author in resource.get("author", ()) if (plain := stored_of(author))]
        resource = {**resource, "subject": {**resource.get("subject", {}), "reference": patient}}
        resource["relatesTo"] = _related(entry, relations)
        resource["content"] = [_pointing(resource["content"][0], holder)]
        if not resource["relatesTo"]:
            del resource["relatesTo"]
        own: dict[str, Resource] = {}
        if ready.conversion is not None:
            self.links[ready.conversion.document.patient_full_url] = patient
            own = await self.link(ready.conversion)
        self._responses[entry.place] = await self._create_part(entry, resource, reference)
        held = await self._hold(document, reference, holder)
        if document.holder is not None:
            self._responses[document.holder.place] = held
        await self.spread(own, reference)
        self._warn(entry.place, ready)
        return reference

    async def _create_part(self, part: Part, resource: Resource, reference: str) -> Response:
        """Create a part under the caller's own grant; a refusal names its place in the request."""
        try:
            return await self.create(resource, reference, self.request, part.full_url)
        except FhirError as refusal:
            raise placed(refusal, part.place) from None

    async def _hold(self, document: Document, reference: str, holder: str) -> Response:
        """Create the Binary, or the FHIR document, that a DocumentReference describes and governs."""
        if document.bundle is not None:
            bundle = {name: value for name, value in document.bundle.items() if name != "id"}
            # The references of a document lead to its own entries: nothing of it is replaced.
            return await self._as_it_is({**bundle, "meta": {**bundle.get("meta", {}), "source": reference}}, holder)
        attachment = document.entry.resource["content"][0]["attachment"]
        binary = {
            "resourceType": "Binary",
            "contentType": document.media_type or attachment["contentType"],
            "securityContext": {"reference": reference},
            # The text of the client's own Binary is kept as it came: large ones are not encoded again in here.
            "data": document.holder.resource["data"] if document.holder else b64encode(document.content).decode(),
        }
        return await self._as_it_is(binary, holder)

    async def _as_it_is(self, resource: Resource, reference: str) -> Response:
        links, self.links = self.links, {}
        try:
            return await self.create(resource, reference)
        finally:
            self.links = links

    def _warn(self, place: str, ready: Ready) -> None:
        if ready.refusal:
            text = f"The CDA is kept as it is; nothing of it was converted: {ready.refusal}"
            self._warnings[place] = (Issue("warning", "incomplete", text, (place,)),)
        elif ready.conversion is not None:
            self._warnings[place] = tuple(
                Issue("information", issue.code, issue.diagnostics, (place,))
                for issue in ready.conversion.issues
                if issue.severity == "warning"
            )

    async def _end(self, submission: Submission, relations: Relations) -> None:
        """Supersede what is replaced; a patch of the bundle that says so is answered by it."""
        ended = {
            reference: await Replacing(self.finding).supersede(old) for reference, old in relations.replaced.items()
        }
        for part in submission.superseded:
            self._responses[part.place] = ended[relations.targets[part.place]]

    async def _file(self, folder: Part, people: People) -> None:
        resource = await people.adopt(folder.resource)
        if not folder.reference:
            reference = self.links[_key(folder)]
            self._responses[folder.place] = await self._create_part(folder, resource, reference)
            return
        resource_type, _, resource_id = folder.reference.partition("/")
        asked = replace(
            self.request,
            interaction="update",
            resource_type=resource_type,
            resource_id=resource_id,
            resource={**Links(self.links).relink(resource, folder.full_url), "id": resource_id},
        )
        self._responses[folder.place] = await perform(prepare(asked, self.runtime), self.transaction, self.runtime)

    async def _close(self, submission: Submission, people: People, documents: list[str]) -> str:
        """Create the submission set, which names what was submitted, and the Provenance of it all."""
        part = submission.submission_set
        resource = part.resource
        if submission.level.is_simplified:
            entry = submission.documents[0].entry.resource
            resource = submission_set_of(entry, self.request.grant.client_id, self.runtime)
            resource |= {"entry": [{"item": {"reference": documents[0]}}]}
            resource |= await _source(entry, people)
        reference = self.new("List")
        resource = identified(with_unique_id(resource, self.runtime), reference.partition("/")[2])
        adopted = await people.adopt(resource)
        self._responses[part.place] = await self._create_part(part, adopted, reference)
        governed_by = documents[0] if len(documents) == 1 else ""
        await self.trace(governed_by, Links(self.links).relink({"author": self._authors})["author"], ())
        return reference


def national_values(resource: Resource) -> set[str]:
    """Return the values of the INS of a patient, whatever kind of INS it is."""
    return {
        str(identifier.get("value"))
        for identifier in resource.get("identifier", ())
        if str(identifier.get("system", "")).startswith("urn:oid:1.2.250.1.213.1.4.")
    }


async def _source(entry: Resource, people: People) -> Resource:
    """Return the `source` of a submission set of one document: its first author, when he is more than contained."""
    authors = (await people.adopt(entry)).get("author", ())
    plain = stored_of(authors[0]) if authors else {}
    return {"source": plain} if plain else {}


def _related(entry: Part, relations: Relations) -> list[Resource]:
    found = []
    for index, relation in enumerate(entry.resource.get("relatesTo", ())):
        target = relations.targets.get(f"{entry.place}.relatesTo[{index}]")
        found.append({**relation, "target": {**relation["target"], "reference": target}} if target else relation)
    return found


def _pointing(content: Resource, url: str) -> Resource:
    return {**content, "attachment": {**content["attachment"], "url": url}}


def _key(part: Part) -> str:
    """Return what a part is called among the links: by a text that nothing in a resource equals, without fullUrl."""
    return part.full_url or f"part {part.place}"


def _holder_key(document: Document) -> str:
    return f"content of {_key(document.entry)}"
