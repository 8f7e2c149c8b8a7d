"""App state: small settings that an app keeps here, of a patient, of its user, or of the whole place."""

STATE_PATH = "/appstate"
"""The FHIR base of app states, below the issuer."""
