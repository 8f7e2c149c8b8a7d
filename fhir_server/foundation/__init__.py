"""FHIR facts: formats, data types, structures. Pure: no I/O, no clock, nothing of ours imported."""
