"""`fhir-server terminology VERB`."""
