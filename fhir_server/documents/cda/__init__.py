"""CDA R2 in: converted, imported, and kept byte for byte. Spec: documents.html."""
