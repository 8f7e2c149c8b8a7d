"""Find what is stored, inside the transaction that writes.

Spec: search.html, documentreference.html (masterIdentifier)
"""

from typing import Any

import msgspec
from msgspec.structs import replace

from fhir_server.interactions.request import Request, Runtime
from fhir_server.interactions.search import search
from fhir_server.storage.store import Transaction

Resource = dict[str, Any]


class Finding:
    """Searches under one request's grant, within one transaction."""

    def __init__(self, request: Request, runtime: Runtime, transaction: Transaction) -> None:
        self.request = request
        self.runtime = runtime
        self.transaction = transaction

    async def all(self, resource_type: str, *criteria: tuple[str, str]) -> list[Resource]:
        """Return the resources that meet the criteria; "" searches all types. At most the largest page."""
        count = str(self.runtime.limits.count_maximum)
        asked = replace(
            self.request,
            interaction="search",
            resource_type=resource_type,
            resource_id="",
            parameters=(*criteria, ("_count", count)),
            content=b"",
            resource=None,
        )
        response = await search(asked, self.transaction, self.runtime)
        entries = msgspec.json.decode(response.content).get("entry", ())
        return [entry["resource"] for entry in entries if entry["search"]["mode"] == "match"]

    async def document(self, identifier: Resource) -> Resource | None:
        """Return the DocumentReference with this masterIdentifier, or None.

        The identifier of a document's set may equal the id of one of its versions: it does not count.
        """
        token = f"{identifier.get('system', '')}|{identifier['value']}"
        found = await self.all("DocumentReference", ("identifier", token))
        return next(
            (resource for resource in found if _is_same(resource.get("masterIdentifier", {}), identifier)), None
        )

    async def identified(self, resource_type: str, identifier: Resource) -> list[Resource]:
        """Return the resources of a type that have this business identifier, system and value."""
        return await self.all(resource_type, ("identifier", f"{identifier.get('system', '')}|{identifier['value']}"))


def _is_same(one: Resource, other: Resource) -> bool:
    return one.get("system") == other.get("system") and one.get("value") == other.get("value")


def reference_of(resource: Resource) -> str:
    """Return the relative reference of a stored resource."""
    return f"{resource['resourceType']}/{resource['id']}"
