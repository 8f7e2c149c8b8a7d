"""Validation: what a resource must be before it is stored. Knows no store and no HTTP."""
