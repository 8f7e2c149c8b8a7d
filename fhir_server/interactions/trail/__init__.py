"""Trail: every answer leaves a journal entry, and the journal becomes AuditEvents before anybody looks at them."""

from fhir_server.interactions.trail.draining import BACKLOG, drain, drain_all

__all__ = ["BACKLOG", "drain", "drain_all"]
