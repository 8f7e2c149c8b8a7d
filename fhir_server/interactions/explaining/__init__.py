"""Explaining: why somebody reaches a resource or not, told to the patient, and what a consent would change."""
