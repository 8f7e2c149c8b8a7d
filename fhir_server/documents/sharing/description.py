"""Describe a FHIR document: the DocumentReference that its Composition gives.

Spec: documents.html; https://profiles.ihe.net/ITI/MHD/4.2.3/ITI-106.html (Generate Metadata)
"""

from typing import Any, Final

from fhir_server.documents.identities import national_identifiers
from fhir_server.foundation.operation_outcome import Unprocessable

Resource = dict[str, Any]
CONFIDENTIALITY: Final = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
_AUTHORS: Final = ("Practitioner", "Organization", "Device", "Patient", "RelatedPerson")
_KEPT: Final = ("resourceType", "identifier", "name", "telecom", "gender", "birthDate", "qualification", "deviceName")


class Description:
    """What a document Bundle says of itself. Raises Unprocessable when it says no id or no patient."""

    def __init__(self, bundle: Resource) -> None:
        self._resources = {entry.get("fullUrl", ""): entry["resource"] for entry in bundle["entry"]}
        self._bundle = bundle
        self._composition: Resource = bundle["entry"][0]["resource"]
        self._contained: list[Resource] = []
        if self._composition["resourceType"] != "Composition":
            raise Unprocessable("The first entry of a document is its Composition.", "Bundle.entry[0].resource")
        if not bundle.get("identifier", {}).get("value"):
            raise Unprocessable("A document has an identifier, under which it is known.", "Bundle.identifier")

    def patient(self) -> tuple[str, Resource]:
        """Return fullUrl and resource of the patient, who has an INS."""
        full_url = str(self._composition.get("subject", {}).get("reference", ""))
        resource = self._resolve(full_url)
        if resource is None or resource["resourceType"] != "Patient" or not national_identifiers(resource):
            raise Unprocessable(
                "Composition.subject leads to a Patient of the bundle who has an INS.",
                "Bundle.entry[0].resource.subject",
            )
        return full_url, resource

    def document_reference(self) -> Resource:
        """Return the DocumentReference; its authors are contained, its attachment has no url yet."""
        composition = self._composition
        authors = [self._author(number, one) for number, one in enumerate(composition.get("author", ()))]
        attachment = {
            "contentType": "application/fhir+json",
            "language": composition.get("language") or self._bundle.get("language"),
            "title": composition["title"],
            "creation": composition.get("date"),
        }
        made = {
            "resourceType": "DocumentReference",
            "contained": self._contained,
            "masterIdentifier": self._bundle["identifier"],
            "status": "current",
            "type": composition["type"],
            "category": composition.get("category", [])[:1],
            "subject": composition["subject"],
            "date": self._bundle.get("timestamp"),
            "author": authors,
            "description": composition["title"],
            "securityLabel": self._labels(),
            "content": [{"attachment": {name: value for name, value in attachment.items() if value}}],
            "context": self._context(),
        }
        return {name: value for name, value in made.items() if value}

    def _labels(self) -> list[Resource]:
        code = self._composition.get("confidentiality", "N")
        return [{"coding": [{"system": CONFIDENTIALITY, "code": code}]}]

    def _context(self) -> Resource:
        events = self._composition.get("event", [])
        codes = [code for event in events for code in event.get("code", ())]
        period = next((event["period"] for event in events if "period" in event), None)
        context = {"event": codes, "period": period}
        return {name: value for name, value in context.items() if value}

    def _author(self, number: int, author: Resource) -> Resource:
        resource = self._resolve(str(author.get("reference", "")))
        if resource is not None and resource["resourceType"] == "PractitionerRole":
            resource = self._resolve(str(resource.get("practitioner", {}).get("reference", "")))
        if resource is None or resource["resourceType"] not in _AUTHORS:
            return {name: author[name] for name in ("display", "identifier") if name in author} or {"display": "?"}
        own_id = f"author-{number}"
        self._contained.append({name: resource[name] for name in _KEPT if name in resource} | {"id": own_id})
        return {"reference": f"#{own_id}"}

    def _resolve(self, reference: str) -> Resource | None:
        found = self._resources.get(reference)
        if found is None and "/" in reference and "://" not in reference:
            found = next((one for url, one in self._resources.items() if url.endswith(f"/{reference}")), None)
        return found
