"""Canonical resources: what a write of a definition, which others are judged by, sets off."""
