"""SQLite, embedded: the default backend; `schema/` holds the tables, `printing/` the conditions as SQL."""

from fhir_server.storage.sqlite.store import SqliteStore

__all__ = ["SqliteStore"]
