"""Reading: one version of one resource, in one statement.

Spec: http.html#read, http.html#vread
"""

# ruff: noqa: S608 - texts are put together from our own names; every value is bound.

from typing import Final

from fhir_server.foundation.resource import Version
from fhir_server.search.condition import Condition
from fhir_server.storage.sqlite.instants import instant
from fhir_server.storage.sqlite.printing.condition import holds
from fhir_server.storage.sqlite.printing.printer import Printer, Subject
from fhir_server.storage.sqlite.session import Printed, Session, Slot

_ID: Final = Slot("resource_id")
_VERSION: Final = Slot("version_id")


def read(session: Session, resource_type: str, resource_id: str, within: Condition) -> Version | None:
    """Return the current version, a deleted one too, or None when unknown or outside `within`."""
    printed = session.printed(("read", resource_type, within), lambda: _read(session, resource_type, within))
    rows = session.run(printed, resource_id=resource_id)
    if not rows:
        return None
    version_id, last_updated, is_deleted, depositor, content = rows[0]
    return Version(resource_type, resource_id, version_id, instant(last_updated), content, bool(is_deleted), depositor)


def vread(session: Session, reference: tuple[str, str], version_id: int, within: Condition) -> Version | None:
    """Return one version of a (type, id), or None when unknown or when the current one is outside `within`."""
    resource_type, resource_id = reference
    if not 0 < version_id < 2**63:
        return None
    printed = session.printed(("vread", resource_type, within), lambda: _vread(session, resource_type, within))
    rows = session.run(printed, resource_id=resource_id, version_id=version_id)
    if not rows:
        return None
    last_updated, is_deleted, depositor, content = rows[0]
    return Version(resource_type, resource_id, version_id, instant(last_updated), content, bool(is_deleted), depositor)


def _read(session: Session, resource_type: str, within: Condition) -> Printed:
    printer = Printer(session.names)
    return printer.printed(f"""
        SELECT r.version_id, r.last_updated, r.is_deleted, r.depositor, b.content
        FROM resource r INDEXED BY resource_by_id CROSS JOIN body b ON b.rid = r.rid
        WHERE {_found(printer, resource_type, within)}""")


def _vread(session: Session, resource_type: str, within: Condition) -> Printed:
    printer = Printer(session.names)
    found = _found(printer, resource_type, within)
    version = printer.bind(_VERSION)
    return printer.printed(f"""
        SELECT r.last_updated, r.is_deleted, r.depositor, b.content
        FROM resource r INDEXED BY resource_by_id CROSS JOIN body b ON b.rid = r.rid
        WHERE r.version_id = {version} AND {found}
        UNION ALL
        SELECT h.last_updated, h.is_deleted, r.depositor, h.content
        FROM resource r INDEXED BY resource_by_id CROSS JOIN history h ON h.rid = r.rid
        WHERE h.version_id = {version} AND {found}""")


def _found(printer: Printer, resource_type: str, within: Condition) -> str:
    number = printer.resource_type(resource_type)
    allowed = holds(printer, within, Subject("r", resource_type))
    return f"r.type = {number} AND r.id = {printer.bind(_ID)} AND ({allowed})"
