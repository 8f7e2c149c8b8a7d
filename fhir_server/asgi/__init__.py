"""The only code that knows HTTP: the FHIR API as one ASGI function, and the pages. Spec: http.html."""
