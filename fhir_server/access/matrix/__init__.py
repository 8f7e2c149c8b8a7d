"""The matrix: which profession may consult which type of document, as dated data."""
