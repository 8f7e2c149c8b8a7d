"""Authors: who wrote, performed, asked for or attested a resource.

Spec: fivews.html#who
"""

from typing import Any, Final

from fhir_server.access.rows import AUTHOR, reference_row, references_of
from fhir_server.search.index_row import IndexRow

_ELEMENTS: Final = (
    "asserter",
    "assigner",
    "authenticator",
    "author",
    "creator",
    "enterer",
    "informationSource",
    "operator",
    "performer",
    "prescriber",
    "recorder",
    "requester",
    "resultsInterpreter",
    "sender",
    "source",
)
"""Elements that are a Reference, a list of them, or backbone elements that hold one in `actor`."""

_PARTY_ELEMENTS: Final = ("attester", "agent")
_PARTIES: Final = ("party", "who")
_ORDERS: Final = frozenset({"CommunicationRequest", "DeviceRequest", "MedicationRequest", "ServiceRequest"})
"""Their performer is asked to act, and has written nothing yet."""

_NOT_AUTHORED: Final = frozenset({"AuditEvent", "CareTeam", "Consent"})
"""Agents of a trace, members of a team and parties of a consent did not write it."""

IDENTITY: Final = "https://fhir-server.example.fr/fhir/StructureDefinition/stored-identity"
"""An extension on a reference to a contained person: the stored one with the same national number."""

AUTHOR_TYPES: Final = frozenset({"Device", "Organization", "Patient", "Practitioner", "PractitionerRole"})


def author_rows(resource: dict[str, Any]) -> list[IndexRow]:
    """Return the local references to those who answer for the content of a resource, each once."""
    resource_type = resource.get("resourceType")
    if resource_type in _NOT_AUTHORED:
        return []
    found: dict[str, None] = {}
    for name in _ELEMENTS:
        if name in resource and not (name == "performer" and resource_type in _ORDERS):
            found.update(dict.fromkeys(_actors(resource[name])))
    for name in _PARTY_ELEMENTS:
        for element in resource.get(name, ()):
            found.update(dict.fromkeys(_parties(element)))
    return [reference_row(AUTHOR, one) for one in found if one.partition("/")[0] in AUTHOR_TYPES]


def _actors(element: Any) -> list[str]:
    listed = element if isinstance(element, list) else [element]
    actors = [one.get("actor", one) for one in listed if isinstance(one, dict)]
    identities = [
        extension.get("valueReference")
        for actor in actors
        for extension in actor.get("extension", ())
        if extension.get("url") == IDENTITY
    ]
    return references_of([*actors, *identities])


def _parties(element: Any) -> list[str]:
    if not isinstance(element, dict):
        return []
    return [reference for name in _PARTIES if name in element for reference in references_of(element[name])]
