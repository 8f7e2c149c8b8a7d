"""XDS metadata in ebRIM 3.0 to FHIR documents and back. Source: IHE ITI TF-3 section 4, IHE MHD 4.2, PDSm4DMP 0.1.0."""
