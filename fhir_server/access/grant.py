"""Grant: who calls, for which patient, with which scopes and purpose of use.

Spec: security.html, https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html
"""

from datetime import datetime

import msgspec


class Scope(msgspec.Struct, frozen=True):
    """One SMART scope on resources: `patient/Observation.rs?category=laboratory`.

    `interactions` is a subset of "cruds"; `query` holds the search parameters of a granular scope.
    """

    context: str
    resource_type: str
    interactions: frozenset[str]
    query: tuple[tuple[str, str], ...] = ()


class App(msgspec.Struct, frozen=True):
    """An app of the catalogue, as its registration says.

    `reference` is its Device, which consents name; `purpose` a code of `rules.app.LAWFUL_PURPOSES`; `is_referenced`
    says that the authorities list it today.
    """

    reference: str
    purpose: str
    is_referenced: bool


class Grant(msgspec.Struct, frozen=True, cache_hash=True):
    """What a verified token says of the caller.

    `kind` is "patient", "representative" (of another patient), "professional", "system" (a client without a user) or
    "open" (no authorization at all).
    `actor` is a reference ("Practitioner/1", "Patient/1", "RelatedPerson/1", "Device/lab"); `organizations` are
    references that act too. `patient_id` is the launch context's patient (for a patient user: himself; for a
    representative: whom he represents). `profession` is a code of TRE_G15. `purpose_of_use` is a code of `modes`;
    `reason` what a professional gave for breaking the glass. `is_secret`: a professional's secret connection, for care
    that a minor asks to hide from his representatives. `is_regulator`: a professional who may open records for the
    emergency call centre. `app` is None for software that is in no catalogue: the
    patient's own pages, a professional's software. `is_operator`: a system client that the operator trusts with every
    record; other system clients see what they deposited.
    """

    kind: str
    actor: str
    client_id: str
    scopes: tuple[Scope, ...] = ()
    user_id: str = ""
    patient_id: str = ""
    organizations: tuple[str, ...] = ()
    profession: str = ""
    purpose_of_use: str = ""
    is_operator: bool = False
    expires_at: datetime | None = None
    display: str = ""
    reason: str = ""
    is_secret: bool = False
    is_regulator: bool = False
    app: App | None = None


OPEN = Grant(kind="open", actor="", client_id="", display="open server")
"""The grant of every caller of a server started with `--open`."""
