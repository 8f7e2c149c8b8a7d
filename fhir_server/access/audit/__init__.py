"""Audit: what was done by whom, as a journal entry at once and as chained AuditEvents later."""
