"""Store a converted document: the original, its DocumentReference, the people, what it says, and the Provenance.

What was converted carries `meta.source = "DocumentReference/<id>"`: it is masked and shown with the document.
Spec: documents.html, provenance.html
"""

import base64
from typing import Any, Final

import msgspec
from msgspec.structs import replace

import mappings
from fhir_server.documents.finding import Finding, reference_of
from fhir_server.documents.identities import find_known, find_role
from fhir_server.documents.replacing import Replacing
from fhir_server.foundation.dates import format_instant
from fhir_server.foundation.operation_outcome import Duplicate, Issue
from fhir_server.foundation.resource import Version
from fhir_server.interactions.bundle.links import Links
from fhir_server.interactions.dispatch import perform
from fhir_server.interactions.request import Request, Runtime
from fhir_server.interactions.write import prepare
from fhir_server.storage.store import Transaction

Resource = dict[str, Any]
SHARED: Final = ("Patient", "Practitioner", "Organization", "PractitionerRole")
"""Types that a document shares with others, in the order in which they refer to each other."""
TRAITS: Final = ("birthDate", "gender")


class Stored(msgspec.Struct, frozen=True):
    """What an import did; references are relative. `references` is empty when the document was there already."""

    document: str
    patient: str
    is_created: bool
    references: tuple[str, ...] = ()
    issues: tuple[Issue, ...] = ()


class Storing:
    """One import within one transaction."""

    def __init__(self, request: Request, runtime: Runtime, transaction: Transaction) -> None:
        # Choice: identities exist once, whoever asks, so they are matched beyond the caller's decision; and feeding a
        # record needs no reading right. The caller's own grant is judged where the document itself is created.
        plain = replace(request, parameters=(), content=b"", if_match="", if_none_exist=None, prefer_return="minimal")
        self._request = plain
        inner = replace(plain, grant=replace(request.grant, kind="open"))
        self._finding = Finding(inner, runtime, transaction)
        self._runtime = runtime
        self._links: dict[str, str] = {}
        self._created: list[str] = []
        self._issues: list[Issue] = []

    async def store(self, conversion: mappings.Conversion, content: bytes) -> Stored:
        """Store everything, or find that the document is there already."""
        known = await self._known(conversion)
        if known is not None:
            return known
        resources = {entry["fullUrl"]: entry["resource"] for entry in conversion.bundle["entry"]}
        for resource_type in SHARED:
            for full_url, resource in resources.items():
                if resource["resourceType"] == resource_type:
                    await self._share(full_url, resource)
        own = {url: resource for url, resource in resources.items() if url not in self._links}
        self._links |= {url: f"{resource['resourceType']}/{self._runtime.new_id()}" for url, resource in own.items()}
        document = await self._keep(conversion, content)
        for full_url, resource in own.items():
            await self._create(_converted(resource, document), self._links[full_url])
        await self._trace(conversion, document)
        patient = self._links[conversion.document.patient_full_url]
        return Stored(document, patient, True, tuple(self._created), tuple(self._issues))

    async def _known(self, conversion: mappings.Conversion) -> Stored | None:
        stored = await self._finding.document(conversion.document.identifier)
        if stored is None:
            return None
        if stored["content"][0]["attachment"].get("hash") != conversion.document.source.sha1_base64:
            raise Duplicate(
                f"Another document was imported under the id {conversion.document.document_id}. "
                "Give a changed document a new id, and name the old one in relatedDocument (RPLC)."
            )
        return Stored(reference_of(stored), stored["subject"]["reference"], False)

    async def _share(self, full_url: str, resource: Resource) -> None:
        """Use the stored resource of the same identity, or create one that other documents will use."""
        linked = Links(self._links).relink(resource)
        known = await self._find(linked)
        if known:
            self._links[full_url] = known
        elif resource["resourceType"] == "Patient" or _is_identified(resource):
            self._links[full_url] = f"{resource['resourceType']}/{self._runtime.new_id()}"
            await self._create(linked, self._links[full_url])

    async def _find(self, resource: Resource) -> str:
        if resource["resourceType"] == "PractitionerRole":
            return await find_role(self._finding, resource)
        known = await find_known(self._finding, resource)
        if known is not None and resource["resourceType"] == "Patient":
            self._compare(known, resource)
        return known.reference if known is not None else ""

    def _compare(self, known: Version, resource: Resource) -> None:
        """Warn when a patient known by INS has other identity traits than the document says."""
        stored = msgspec.json.decode(known.content)
        for trait in TRAITS:
            if trait in resource and trait in stored and resource[trait] != stored[trait]:
                self._issues.append(
                    Issue(
                        "warning",
                        "conflict",
                        f"The document says {trait} {resource[trait]}, the record says {stored[trait]}: the record was "
                        "kept; check the identity (identitovigilance).",
                        (f"Patient.{trait}",),
                    )
                )

    async def _keep(self, conversion: mappings.Conversion, content: bytes) -> str:
        """Create the DocumentReference under the caller's own grant, then the Binary that it governs."""
        document, binary = (f"{name}/{self._runtime.new_id()}" for name in ("DocumentReference", "Binary"))
        resource = mappings.document_reference(conversion)
        resource["content"][0]["attachment"]["url"] = binary
        replacing = Replacing(self._finding)
        await self._create(await replacing.follow(resource), document, self._request)
        self._issues += replacing.issues
        original = {
            "resourceType": "Binary",
            "contentType": conversion.document.source.media_type,
            "securityContext": {"reference": document},
            "data": base64.b64encode(content).decode(),
        }
        await self._create(original, binary)
        self._original = binary
        return document

    async def _trace(self, conversion: mappings.Conversion, document: str) -> None:
        composition = Links(self._links).relink(conversion.bundle["entry"][0]["resource"])
        agents = [{"type": _agent_type("author"), "who": _bare(author)} for author in composition["author"]]
        if self._request.grant.actor:
            agents.append({"type": _agent_type("transmitter"), "who": {"reference": self._request.grant.actor}})
        provenance = {
            "resourceType": "Provenance",
            "meta": {"source": document},
            "target": [{"reference": reference} for reference in self._created],
            "recorded": format_instant(self._runtime.now()),
            "agent": agents,
            "entity": [{"role": "source", "what": {"reference": self._original}}],
        }
        await self._create(provenance, f"Provenance/{self._runtime.new_id()}")

    async def _create(self, resource: Resource, reference: str, request: Request | None = None) -> None:
        resource_type, _, resource_id = reference.partition("/")
        asked = replace(
            request or self._finding.request,
            interaction="create",
            resource_type=resource_type,
            resource=Links(self._links).relink(resource),
            content=b"",
            assigned_id=resource_id,
        )
        await perform(prepare(asked, self._runtime), self._finding.transaction, self._runtime)
        self._created.append(reference)


def _converted(resource: Resource, document: str) -> Resource:
    """Return the resource with its governing document; a Binary is governed by its securityContext."""
    if resource["resourceType"] == "Binary":
        return {**resource, "securityContext": {"reference": document}}
    return {**resource, "meta": {**resource.get("meta", {}), "source": document}}


def _is_identified(resource: Resource) -> bool:
    if resource["resourceType"] == "PractitionerRole":
        return all("reference" in resource.get(name, {}) for name in ("practitioner", "organization"))
    return bool(resource.get("identifier"))


def _agent_type(code: str) -> Resource:
    return {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/provenance-participant-type", "code": code}]}


def _bare(reference: Resource) -> Resource:
    return {name: reference[name] for name in ("reference", "display") if name in reference}
