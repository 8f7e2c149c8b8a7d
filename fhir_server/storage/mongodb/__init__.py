"""MongoDB, for more than one machine: `printing/` says conditions as pipelines, `writing/` makes transactions."""

from fhir_server.storage.mongodb.store import MongoStore

__all__ = ["MongoStore"]
