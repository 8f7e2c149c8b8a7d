"""Gathering: whole records, put together from what the caller may see.

Spec: patient-operation-everything.html, composition-operation-document.html
"""
