"""FHIR to CDA R2: the CI-SIS level 1 document of what was born in FHIR: header, and a file or words.

Source: CI-SIS, Volet Structuration minimale de documents médicaux; the tables of the header, read from right to left.
"""

from mappings.clinical_document.generate import NotDescribed, clinical_document
from mappings.clinical_document.source import Source

__all__ = ["NotDescribed", "Source", "clinical_document"]
