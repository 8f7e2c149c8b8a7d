"""Interactions: one interaction, one file, one function of the same name. Spec: http.html."""
