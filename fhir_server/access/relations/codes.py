"""Codes: how a Consent says what a patient decides about his whole record, and what he lets an app do.

A Consent is read by its `category`, coded in RECORD_CONSENT_SYSTEM:

| category | means | read from |
|---|---|---|
| closing, opposition | the record is closed, or was never wanted: nobody consults, nobody feeds | `provision.period` |
| no-break-glass | no access by break-glass | `provision.period` |
| no-regulation | no access by the emergency call centre (centre 15) | `provision.period` |
| mask-all | every item is masked from professionals who did not write or deposit it | `provision.period` |
| app-access | the app in `provision.actor` (a Device) is paired | nested provisions of type permit, one an operation: |
| | | `action` read or write, `class` measurements, documents or agenda |

Anything else is a consent about professionals: see `relations.consent`. Spec: consent.html, CSP L.1111-17, L.1111-13-1
"""

from typing import Final

from fhir_server.access.relations.ground import CLOSED, MASK_ALL, NO_BREAK_GLASS, NO_REGULATION

RECORD_CONSENT_SYSTEM: Final = "https://fhir-server.example.fr/fhir/CodeSystem/record-consent"

GROUNDS: Final = {
    "closing": CLOSED,
    "opposition": CLOSED,
    "no-break-glass": NO_BREAK_GLASS,
    "no-regulation": NO_REGULATION,
    "mask-all": MASK_ALL,
}
"""The ground on which EVERYONE loses something, by category."""

APP_ACCESS: Final = "app-access"

MEASUREMENTS: Final = "measurements"
DOCUMENTS: Final = "documents"
AGENDA: Final = "agenda"
BRICKS: Final = (MEASUREMENTS, DOCUMENTS, AGENDA)
"""The parts of the record that a catalogue app may ask for, each apart."""

READ: Final = "read"
WRITE: Final = "write"
OPERATIONS: Final = (READ, WRITE)


def app_ground(operation: str, brick: str) -> str:
    """Return the ground on which an app reads or writes a brick: `app-read-documents`."""
    return f"app-{operation}-{brick}"
