"""Patching: the three formats that say how a resource changes. Spec: http.html#patch."""
