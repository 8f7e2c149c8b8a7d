"""Provide Document Bundle (ITI-65): a transaction Bundle that is one submission.

Spec: https://profiles.ihe.net/ITI/MHD/4.2.3/ITI-65.html, PDSm 3.1.1 (flux 01 and 02), DMP TD2 and TD2.1
"""

from typing import Any, Final

from fhir_server.documents.sharing.content import decode
from fhir_server.documents.sharing.levels import BUNDLES, claimed_level
from fhir_server.documents.sharing.publishing import Published, publish
from fhir_server.documents.sharing.submission import (
    Document,
    Part,
    Problems,
    Submission,
    list_type,
    resolved,
    values_at,
)
from fhir_server.foundation import fhir_json
from fhir_server.foundation.dates import format_instant
from fhir_server.foundation.operation_outcome import FhirError, Issue, Unprocessable, outcome
from fhir_server.interactions.bundle.entries import Entry, elements_of, in_entry, read_entry
from fhir_server.interactions.bundle.envelope import STATUS_TEXTS
from fhir_server.interactions.read import read
from fhir_server.interactions.request import Request, Response, Runtime
from fhir_server.interactions.write import aside
from fhir_server.validation.validate import validate

Resource = dict[str, Any]
_CLOSED: Final = (
    "An entry of a submission creates a List (submission set or folder), a DocumentReference, a Binary or a Bundle of "
    "type document; updates a folder; patches a DocumentReference; or brings, or reads, the Patient."
)


async def provide_document_bundle(request: Request, runtime: Runtime) -> Response:
    """Publish the submission in a transaction Bundle: 200, a transaction-response in the order of its entries.

    Raises Unprocessable with every problem, each at its `Bundle.entry[n]`, and what `publish` raises.
    """
    entries, submission = await aside(_gathered, request, runtime)
    published = await publish(request, runtime, submission)
    answered = [await _answer(request, runtime, entry, published) for entry in entries]
    content = {"resourceType": "Bundle", "type": "transaction-response", "entry": answered}
    return Response(200, fhir_json.format(content))


def _gathered(request: Request, runtime: Runtime) -> tuple[list[Entry], Submission]:
    gathering = Gathering(request)
    for index, element in enumerate(elements_of(request)):
        gathering.take(read_entry(index, element, request))
    return gathering.entries, gathering.submission(request.resource or {})


class Gathering:
    """Sorts the entries of a bundle into the parts of a submission, and notes what does not belong."""

    def __init__(self, request: Request) -> None:
        self.entries: list[Entry] = []
        self._request = request
        self._problems = Problems()
        self._sets: list[Part] = []
        self._folders: list[Part] = []
        self._documents: list[Part] = []
        self._holders: dict[str, Part] = {}
        self._patients: list[Part] = []
        self._patches: list[Part] = []

    def take(self, entry: Entry) -> None:
        """Put an entry where it belongs. Raises Unprocessable, which names it, when its resource is no valid FHIR."""
        self.entries.append(entry)
        asked, place = entry.request, place_of(entry)
        kind = f"{asked.interaction} {asked.resource_type}"
        reference = f"{asked.resource_type}/{asked.resource_id}" if asked.resource_id else ""
        if kind == "read Patient":
            self._patients.append(Part({}, place, entry.full_url, reference))
            return
        resource = self._valid(entry)
        part = Part(resource, place, entry.full_url, reference)
        if asked.if_none_exist is not None and asked.resource_type != "Patient":
            self._refuse(place, "ifNoneExist has no place in a submission: a document is new, or refused.")
        elif kind == "patch DocumentReference":
            criteria = "&".join(f"{name}={value}" for name, value in asked.parameters)
            self._patches.append(Part(resource, place, entry.full_url, reference or f"DocumentReference?{criteria}"))
        else:
            self._sort(kind, part)

    def _sort(self, kind: str, part: Part) -> None:
        if kind in ("create List", "update List"):
            kind = f"{kind} {list_type(part.resource)}"
        elif kind == "create Bundle":
            kind = f"{kind} {part.resource.get('type')}"
        match kind:
            case "create List submissionset":
                self._sets.append(part)
            case "create List folder" | "update List folder":
                self._folders.append(part)
            case "create DocumentReference":
                self._documents.append(part)
            case "create Binary" | "create Bundle document":
                self._hold(part)
            case "create Patient":
                self._patients.append(part)
            case _:
                self._refuse(part.place, _CLOSED)

    def submission(self, bundle: Resource) -> Submission:
        """Return the submission. Raises Unprocessable with every problem so far."""
        if len(self._sets) != 1:
            places = ", ".join(part.place for part in self._sets) or "none"
            self._refuse("Bundle.entry", f"one submission set (a List) is in the bundle; there is {places}.")
        if len(self._patients) > 1:
            self._refuse(self._patients[1].place, "a submission is about one patient.")
        documents = tuple(self._document(part) for part in self._documents)
        used = {document.holder.full_url for document in documents if document.holder is not None}
        for full_url, part in self._holders.items():
            if full_url not in used:
                self._problems.add(part.place, "no DocumentReference points at it.", "XDSMissingDocumentMetadata")
        self._problems.check()
        return Submission(
            claimed_level(bundle["meta"]["profile"], BUNDLES),
            self._sets[0],
            documents,
            tuple(self._folders),
            next(iter(self._patients), None),
            tuple(self._patches),
        )

    def _valid(self, entry: Entry) -> Resource:
        asked = entry.request
        resource = asked.resource
        expected = "Parameters" if asked.interaction == "patch" else asked.resource_type
        try:
            if resource is None:
                raise Unprocessable("The entry has no resource.", code="required")
            validate(resource, expected_type=expected)
        except FhirError as refusal:
            raise in_entry(refusal, entry.index) from None
        return resource

    def _hold(self, part: Part) -> None:
        if not part.full_url:
            self._refuse(part.place, "it has a fullUrl (urn:uuid:...), by which attachment.url points at it.")
        elif part.full_url in self._holders:
            self._refuse(part.place, "its fullUrl is that of an earlier entry.")
        else:
            self._holders[part.full_url] = part

    def _document(self, part: Part) -> Document:
        attachment: Resource = next(iter(values_at(part.resource, "content.attachment")), {})
        url, place = resolved(str(attachment.get("url", "")), part.full_url), f"{part.place}.content[0].attachment"
        if "data" in attachment:
            self._refuse(f"{place}.data", "the document of a submission is in a Binary of its own, not inline (0..0).")
        holder = self._holders.get(url)
        if holder is None:
            self._problems.add(
                f"{place}.url",
                f"{url[:80] or 'an absent url'} is no Binary or document of the bundle: a document comes along.",
                "XDSMissingDocument",
                "not-found",
            )
            return Document(part)
        if holder.resource["resourceType"] == "Bundle":
            return Document(part, media_type="application/fhir+json", holder=holder, bundle=holder.resource)
        content = decode(holder.resource.get("data"), f"{holder.place}.data", self._problems)
        return Document(part, content, holder.resource.get("contentType", ""), holder)

    def _refuse(self, place: str, diagnostics: str) -> None:
        self._problems.add(place, diagnostics, "XDSRepositoryMetadataError", "structure")


def place_of(entry: Entry) -> str:
    """Return the expression of the resource of an entry."""
    return f"Bundle.entry[{entry.index}].resource"


async def _answer(request: Request, runtime: Runtime, entry: Entry, published: Published) -> Resource:
    response = published.responses.get(place_of(entry))
    if response is None:
        return await _patient_answer(request, runtime, entry, published)
    return _entry(request, response, published.warnings.get(place_of(entry), ()))


async def _patient_answer(request: Request, runtime: Runtime, entry: Entry, published: Published) -> Resource:
    """Answer the entry of the Patient: what it stands for; shown only to who may read it."""
    if entry.request.interaction != "read":
        return {"response": {"status": "200 OK", "location": f"{request.base_url}/{published.patient}"}}
    try:
        shown = await read(entry.request, runtime.store, runtime)
    except FhirError as refusal:
        return {"response": {"status": str(refusal.status), "outcome": refusal.outcome()}}
    return {"resource": fhir_json.parse(shown.content), "response": {"status": "200 OK"}}


def _entry(request: Request, response: Response, warnings: tuple[Issue, ...]) -> Resource:
    about: Resource = {
        "status": STATUS_TEXTS.get(response.status, str(response.status)),
        "location": f"{request.base_url}/{response.location}",
        "etag": f'W/"{response.version_id}"',
    }
    if response.last_updated is not None:
        about["lastModified"] = format_instant(response.last_updated)
    if warnings:
        about["outcome"] = outcome(warnings)
    shown = request.prefer_return == "representation" and response.version is not None
    resource = fhir_json.parse(response.version.content) if shown and response.version is not None else None
    return {"resource": resource, "response": about} if resource is not None else {"response": about}
