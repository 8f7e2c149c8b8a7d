"""Terminology operations: one operation, one module.

Spec: codesystem-operations.html, valueset-operations.html, conceptmap-operations.html
"""
