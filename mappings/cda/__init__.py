"""Reading CDA R2: bytes to a bounded tree, datatypes to FHIR datatypes, narrative to XHTML."""
