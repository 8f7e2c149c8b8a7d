"""Limits: how often an address may call, and how often a login may fail."""
