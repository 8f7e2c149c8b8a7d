"""Store a converted document: the original, its DocumentReference, the people, what it says, and the Provenance.

What was converted carries `meta.source = "DocumentReference/<id>"`: it is masked and shown with the document.
Spec: documents.html, provenance.html
"""

import base64
from typing import Any

import msgspec

import mappings
from fhir_server.documents.cda.replacing import Replacing
from fhir_server.documents.feeding import Feeding
from fhir_server.documents.finding import reference_of
from fhir_server.documents.sharing.completing import identified, submission_set_of, with_unique_id
from fhir_server.foundation.operation_outcome import Duplicate, Issue
from fhir_server.interactions.bundle.links import Links

Resource = dict[str, Any]


class Stored(msgspec.Struct, frozen=True):
    """What an import did; references are relative. `references` is empty when the document was there already."""

    document: str
    patient: str
    is_created: bool
    references: tuple[str, ...] = ()
    issues: tuple[Issue, ...] = ()


class Storing(Feeding):
    """One import within one transaction."""

    async def store(self, conversion: mappings.Conversion, content: bytes) -> Stored:
        """Store everything, or find that the document is there already."""
        known = await self._known(conversion)
        if known is not None:
            return known
        own = await self.link(conversion)
        document, original = self.new("DocumentReference"), self.new("Binary")
        await self._keep(conversion, content, document, original)
        await self.spread(own, document)
        await self._submit(conversion, document)
        await self._trace(conversion, document, original)
        patient = self.links[conversion.document.patient_full_url]
        return Stored(document, patient, True, tuple(self.created), tuple(self.issues))

    async def _known(self, conversion: mappings.Conversion) -> Stored | None:
        stored = await self.finding.document(conversion.document.identifier)
        if stored is None:
            return None
        if stored["content"][0]["attachment"].get("hash") != conversion.document.source.sha1_base64:
            raise Duplicate(
                f"Another document was imported under the id {conversion.document.document_id}. "
                "Give a changed document a new id, and name the old one in relatedDocument (RPLC)."
            )
        return Stored(reference_of(stored), stored["subject"]["reference"], False)

    async def _keep(self, conversion: mappings.Conversion, content: bytes, document: str, original: str) -> None:
        """Create the DocumentReference under the caller's own grant, then the Binary that it governs."""
        resource = mappings.document_reference(conversion)
        resource["content"][0]["attachment"]["url"] = original
        replacing = Replacing(self.finding)
        await self.create(await replacing.follow(resource), document, self.request)
        self.issues += replacing.issues
        binary = {
            "resourceType": "Binary",
            "contentType": conversion.document.source.media_type,
            "securityContext": {"reference": document},
            "data": base64.b64encode(content).decode(),
        }
        await self.create(binary, original)

    async def _submit(self, conversion: mappings.Conversion, document: str) -> None:
        """Create the submission set of the document, so that who asks for what is new finds it (ITI-66)."""
        described = mappings.document_reference(conversion)
        submission_set = submission_set_of(described, self.request.grant.client_id, self.runtime)
        submission_set |= {"entry": [{"item": {"reference": document}}]}
        submission_set |= {"source": described["author"][0]} if described.get("author") else {}
        reference = self.new("List")
        made = identified(with_unique_id(submission_set, self.runtime), reference.partition("/")[2])
        await self.create(made, reference)

    async def _trace(self, conversion: mappings.Conversion, document: str, original: str) -> None:
        composition = Links(self.links).relink(conversion.bundle["entry"][0]["resource"])
        await self.trace(document, composition["author"], [original])
