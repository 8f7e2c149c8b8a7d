"""Match the people and organizations of a document with those already known, by their national identifiers.

A patient is matched by INS, a professional by RPPS (or another number of the national list of professionals), an
organization by FINESS, SIRET or the like. A local number (IPP) never matches: two hospitals may give the same one.
"""

from typing import Any, Final

from msgspec.structs import replace

from fhir_server.documents.finding import Finding, reference_of
from fhir_server.foundation.operation_outcome import Conflict, MultipleMatches
from fhir_server.foundation.resource import Version
from fhir_server.interactions.conditional import find_match

INS_ROOTS: Final = tuple(f"urn:oid:1.2.250.1.213.1.4.{arc}" for arc in (8, 9, 10, 11))
NATIONAL: Final[dict[str, tuple[str, ...]]] = {
    "Patient": INS_ROOTS,
    "Practitioner": ("urn:oid:1.2.250.1.71.4.2.1", "https://rpps.esante.gouv.fr"),
    "Organization": ("urn:oid:1.2.250.1.71.4.2.2", "https://finess.esante.gouv.fr", "https://sirene.fr"),
}


def national_identifiers(resource: dict[str, Any]) -> list[str]:
    """Return the national identifiers of a resource as token values `system|value`."""
    systems = NATIONAL.get(resource["resourceType"], ())
    return [
        f"{identifier['system']}|{identifier['value']}"
        for identifier in resource.get("identifier", ())
        if identifier.get("system") in systems and identifier.get("value")
    ]


async def find_known(finding: Finding, resource: dict[str, Any]) -> Version | None:
    """Return the stored resource with one of the national identifiers, or None.

    Raises Conflict (409) when the identifiers of one person name two stored ones.
    """
    found: dict[str, Version] = {}
    for token in national_identifiers(resource):
        version = await _find(finding, resource["resourceType"], token)
        if version is not None:
            found[version.resource_id] = version
    if len(found) > 1:
        raise Conflict(f"The identifiers of the document's {resource['resourceType']} name different stored ones.")
    return next(iter(found.values()), None)


async def find_role(finding: Finding, role: dict[str, Any]) -> str:
    """Return the reference of a stored PractitionerRole of the same professional, organization and codes, or ""."""
    if not all("reference" in role.get(name, {}) for name in ("practitioner", "organization")):
        return ""
    criteria = ((name, role[name]["reference"]) for name in ("practitioner", "organization"))
    found = await finding.all("PractitionerRole", *criteria)
    return next((reference_of(other) for other in found if other.get("code") == role.get("code")), "")


async def _find(finding: Finding, resource_type: str, token: str) -> Version | None:
    asked = replace(finding.request, resource_type=resource_type)
    try:
        return await find_match(asked, finding.transaction, finding.runtime, (("identifier", token),))
    except MultipleMatches as several:
        raise Conflict(f"{resource_type}: {several} The stored duplicates must be merged first.") from several
