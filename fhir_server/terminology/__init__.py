"""Terminology: code systems, value sets and concept maps; what nobody knows is said, never passed as checked.

Spec: terminology-module.html, terminology-service.html
"""
