"""Apps of the catalogue: referenced, for a lawful purpose, and within what each patient consented to, part by part.

Spec: CSP L.1111-13-1; arrêté of 23 June 2022 (catalogue); Mon espace santé, API d'appariement and Mesures
"""

from collections.abc import Iterable, Iterator
from typing import Final

from fhir_server.access.directory import DIRECTORY_TYPES
from fhir_server.access.grant import App, Grant
from fhir_server.access.relations.codes import AGENDA, DOCUMENTS, MEASUREMENTS, READ, WRITE, app_ground
from fhir_server.access.relations.ground import BLOCK
from fhir_server.access.rows import DOCUMENT
from fhir_server.access.rule import ALL, CREATE, READING, WRITING, Rule
from fhir_server.search.condition import ALWAYS, Compare, Condition, Related, all_of, none_of
from fhir_server.search.index_row import REFERENCE

LAWFUL_PURPOSES: Final = frozenset({"prevention", "diagnosis", "care", "social-follow-up"})
"""Prévention, diagnostic, soins, suivi social et médico-social: the law knows no other purpose."""

BRICK_TYPES: Final = {
    MEASUREMENTS: frozenset({"Device", "Observation"}),
    DOCUMENTS: frozenset({"Binary", "Bundle", "DocumentManifest", "DocumentReference", "List", "Provenance"}),
    AGENDA: frozenset({"Appointment", "AppointmentResponse"}),
}
_ALL_BRICKS: Final = frozenset().union(*BRICK_TYPES.values())
_BEFORE_RECORD: Final = frozenset({"Binary", "Bundle", "Device", "Provenance"})
"""They enter a record through what refers to them: who creates them is not asked for a record."""


def rules(grant: Grant) -> Iterable[Rule]:
    """Deny an app of the catalogue what is outside its parts of the record, or not consented to by the patient.

    Choice: an app knows its users by pseudonym, so that Patient is in no part. What was converted from a document is
    no measurement but part of that document. Types that are filed before they are in a record ask for no consent when
    they are created; nobody sees them before they are in one.
    """
    app = grant.app
    if app is None:
        return
    if not app.is_referenced:
        yield Rule("app-not-referenced", ALL, ALWAYS, is_denial=True)
    if app.purpose not in LAWFUL_PURPOSES:
        yield Rule("app-purpose", ALL, ALWAYS, is_denial=True)
    blocked = Related((app.reference,), (BLOCK,))
    yield Rule("blocked", ALL, blocked, except_types=DIRECTORY_TYPES, is_denial=True)
    yield Rule("app-outside-parts", ALL, ALWAYS, except_types=_ALL_BRICKS | DIRECTORY_TYPES, is_denial=True)
    for brick, types in BRICK_TYPES.items():
        yield from _consents(app, brick, types)


def _consents(app: App, brick: str, types: frozenset[str]) -> Iterator[Rule]:
    reading, writing = f"app-read-{brick}", f"app-write-{brick}"
    may_not_read, may_not_write = _unconsented(app, READ, brick), _unconsented(app, WRITE, brick)
    converted = Compare(REFERENCE, DOCUMENT)
    if brick == MEASUREMENTS:
        may_not_read, may_not_write = (
            all_of(none_of(converted), may_not_read),
            all_of(none_of(converted), may_not_write),
        )
    elif brick == DOCUMENTS:
        of_document = BRICK_TYPES[MEASUREMENTS]
        yield Rule(reading, READING, all_of(converted, may_not_read), of_document, is_denial=True)
        yield Rule(writing, WRITING, all_of(converted, may_not_write), of_document, is_denial=True)
    yield Rule(reading, READING, may_not_read, types, is_denial=True)
    yield Rule(writing, CREATE, may_not_write, types - _BEFORE_RECORD, is_denial=True)
    yield Rule(writing, WRITING - CREATE, may_not_write, types, is_denial=True)


def _unconsented(app: App, operation: str, brick: str) -> Condition:
    return none_of(Related((app.reference,), (app_ground(operation, brick),)))
