"""What the XDS transactions ask of the FHIR interactions: searches and reads under the caller's grant.

Spec: search.html; https://profiles.ihe.net/ITI/MHD (XDS on FHIR option)
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from fhir_server.access.grant import OPEN
from fhir_server.foundation import fhir_json
from fhir_server.foundation.operation_outcome import TooCostly
from fhir_server.interactions.dispatch import dispatch
from fhir_server.interactions.request import Request, Response
from fhir_server.xds.call import Call
from mappings.xds import hl7v2
from mappings.xds.authors import Resolve
from mappings.xds.document_entry import URI
from mappings.xds.ebrim import MetadataRefused

Resource = dict[str, Any]
Criteria = Sequence[tuple[str, str]]
INSIDE: Final = replace(OPEN, client_id="server", display="this server, for a submission")
INS: Final = tuple(f"urn:oid:1.2.250.1.213.1.4.{arc}" for arc in (8, 9, 10, 11))
RESULTS_MAXIMUM: Final = 1000
"""Most objects that one stored query finds: ITI-18 has no pages."""
_DOCUMENT_INCLUDES: Final = (
    ("_include", "DocumentReference:author"),
    ("_include", "DocumentReference:authenticator"),
    ("_include", "DocumentReference:subject"),
    ("_include:iterate", "PractitionerRole:practitioner"),
    ("_include:iterate", "PractitionerRole:organization"),
)
_LIST_INCLUDES: Final = (
    ("_include", "List:source"),
    ("_include", "List:subject"),
    ("_include:iterate", "PractitionerRole:practitioner"),
    ("_include:iterate", "PractitionerRole:organization"),
)
INCLUDES: Final[Mapping[str, Criteria]] = {"DocumentReference": _DOCUMENT_INCLUDES, "List": _LIST_INCLUDES}


class Found(msgspec.Struct, frozen=True):
    """Resources that match, and those that they refer to, by relative reference."""

    matches: list[Resource]
    others: Mapping[str, Resource]

    def resolve_for(self, resource: Resource) -> Resolve:
        """Return what gives the resource of a reference that stands in `resource`; empty when it is not here."""
        contained = {f"#{one['id']}": one for one in resource.get("contained", ()) if "id" in one}

        def resolve(reference: str) -> Resource:
            return contained.get(reference) or self.others.get(reference, {})

        return resolve

    def patient_of(self, resource: Resource) -> Resource:
        """Return the INS Identifier of the subject; empty when the caller may not see it."""
        subject = self.others.get(resource.get("subject", {}).get("reference", ""), {})
        identifiers = [one for one in subject.get("identifier", ()) if one.get("system") in INS]
        return identifiers[0] if identifiers else {}


class Finding:
    """The interactions of one call."""

    def __init__(self, call: Call) -> None:
        self._call = call

    async def all(self, resource_type: str, searches: Iterable[Criteria]) -> Found:
        """Return what any of the searches finds, with what it refers to; raises TooCostly beyond the bound."""
        matches: dict[str, Resource] = {}
        others: dict[str, Resource] = {}
        for criteria in searches:
            asked = (*criteria, *INCLUDES[resource_type], ("_count", str(RESULTS_MAXIMUM)))
            bundle = fhir_json.parse((await self.ask("search", resource_type, parameters=asked)).content)
            if any(link["relation"] == "next" for link in bundle.get("link", ())):
                raise TooCostly(f"More than {RESULTS_MAXIMUM} objects were found: ask for less, such as by dates.")
            for entry in bundle.get("entry", ()):
                resource = entry["resource"]
                place = matches if entry["search"]["mode"] == "match" else others
                place[f"{resource['resourceType']}/{resource.get('id', '')}"] = resource
        return Found(list(matches.values()), others)

    async def by_entry_uuid(self, resource_type: str, uuids: Iterable[str]) -> Found:
        """Return the resources that have these entryUUIDs: as their official identifier, or as their id."""
        asked = [uuid for uuid in dict.fromkeys(uuids) if uuid.startswith("urn:uuid:")]
        if not asked:
            return Found([], {})
        tokens = ",".join(f"{URI}|{uuid}" for uuid in asked)
        ids = ",".join(uuid.removeprefix("urn:uuid:") for uuid in asked)
        return await self.all(resource_type, [[("identifier", tokens)], [("_id", ids)]])

    async def by_unique_id(self, unique_ids: Iterable[str]) -> Found:
        """Return the documents that have these uniqueIds."""
        identifiers = [hl7v2.unique_identifier(unique_id) for unique_id in dict.fromkeys(unique_ids)]
        tokens = ",".join(f"{one.get('system', '')}|{one['value']}" for one in identifiers)
        return await self.all("DocumentReference", [[("identifier", tokens)]]) if tokens else Found([], {})

    async def patient(self, patient_id: str) -> str:
        """Return the reference of the patient whom a CX names, whoever asks: feeding a record needs no reading right.

        Raises MetadataRefused (XDSUnknownPatientId) when there is none, or no INS was given.
        """
        identifier = hl7v2.cx_to_identifier(patient_id)
        system, value = identifier.get("system", ""), identifier.get("value", "")
        if system in INS and value.isalnum():
            found = await self._inside("Patient", f"{system}|{value}")
            if len(found) == 1:
                return f"Patient/{found[0]['id']}"
        text = f"The patient {patient_id[:80]} is not known here: give the INS as number^^^&OID&ISO^NH."
        raise MetadataRefused(text, code="XDSUnknownPatientId")

    async def organization(self, identifiers: Iterable[Resource]) -> str:
        """Return the reference of the one stored organization that has an identifier; "" when there is none."""
        for identifier in identifiers:
            found = await self._inside("Organization", f"{identifier.get('system', '')}|{identifier.get('value', '')}")
            if len(found) == 1:
                return f"Organization/{found[0]['id']}"
        return ""

    async def _inside(self, resource_type: str, token: str) -> list[Resource]:
        parameters = (("identifier", token), ("_count", "2"))
        asked = Request("search", INSIDE, resource_type, parameters=parameters, request_id=self._call.request_id)
        bundle = fhir_json.parse((await dispatch(asked, self._call.runtime)).content)
        return [entry["resource"] for entry in bundle.get("entry", ())]

    async def ask(
        self,
        interaction: str,
        resource_type: str = "",
        resource_id: str = "",
        parameters: Criteria = (),
        change: Request | None = None,
    ) -> Response:
        """Dispatch one interaction under the caller's grant; `change` holds what else the request says."""
        asked = replace(
            change or Request(interaction, self._call.grant),
            interaction=interaction,
            grant=self._call.grant,
            resource_type=resource_type,
            resource_id=resource_id,
            parameters=tuple(parameters),
            base_url=self._call.base_url,
            request_id=self._call.request_id,
        )
        return await dispatch(asked, self._call.runtime)
