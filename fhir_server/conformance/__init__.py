"""Conformance: what the server promises, and the definitions that take effect in it."""
