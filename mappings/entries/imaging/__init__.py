"""DICOM studies that a document refers to."""
