"""`fhir-server demo`: a server to try, on a fresh store of fictive people."""
