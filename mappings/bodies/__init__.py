"""The two bodies of a CDA document: structured, and a single embedded file."""
