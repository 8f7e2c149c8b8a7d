"""Simple observations, groups of observations and family history."""
