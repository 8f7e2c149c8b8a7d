"""What proves that access holds: the audit trail, and the search for leaks."""
