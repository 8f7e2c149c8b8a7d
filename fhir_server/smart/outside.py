"""What the authorization server asks of the rest of the product: whom a person may pick, who a professional is.

Spec: https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html#requesting-context-with-scopes
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import msgspec

from fhir_server.access.grant import Grant
from fhir_server.smart.launch.emergencies import Emergency
from fhir_server.smart.providers.directory_entry import DirectoryEntry

Choice = tuple[str, str]
"""An id, and the words by which a person recognises what it names."""


class Kept(msgspec.Struct, frozen=True):
    """References of a professional in the directory: `actor` "Practitioner/1", "" when several claim to be he.

    `places` are his organizations, `roles` the PractitionerRoles that he has today.
    """

    actor: str
    places: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()


class Outside(msgspec.Struct, frozen=True):
    """Hold what the composition root lends; what is None is not offered.

    `patients_of(grant, text)` lists the patients that a caller may see and whose name, birth date or identifier holds
    the text. `encounters_of(grant, patient_id, text)` lists encounters of one patient. `practitioner_of(national_id)`
    and `organization_of(identifier)` return a reference ("Practitioner/1", "Organization/1") or "";
    `patient_of(claims)` returns that of the patient whom the claims of an OpenID provider name, or "".
    `tell_emergency` tells the patient and his attending doctor that a record was opened; when it fails there is no
    token. `keep_professional` adds a professional with his places to the stored directory, or brings them up to date.
    """

    patients_of: Callable[[Grant, str], Awaitable[Sequence[Choice]]] | None = None
    encounters_of: Callable[[Grant, str, str], Awaitable[Sequence[Choice]]] | None = None
    practitioner_of: Callable[[str], Awaitable[str]] | None = None
    organization_of: Callable[[str], Awaitable[str]] | None = None
    patient_of: Callable[[Mapping[str, Any]], Awaitable[str]] | None = None
    tell_emergency: Callable[[Emergency], Awaitable[None]] | None = None
    keep_professional: Callable[[DirectoryEntry], Awaitable[Kept]] | None = None


NOTHING_OUTSIDE = Outside()
