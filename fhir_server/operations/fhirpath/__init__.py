"""`$fhirpath`: an expression evaluated on a resource, in the form that the FHIRPath Lab asks for.

Spec: fhirpath.html, https://github.com/brianpos/fhirpath-lab/blob/develop/server-api.md
"""
