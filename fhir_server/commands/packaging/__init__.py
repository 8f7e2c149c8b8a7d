"""FHIR packages: the verbs that add, list and remove them."""
