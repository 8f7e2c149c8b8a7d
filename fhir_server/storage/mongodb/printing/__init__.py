"""Printing: Conditions, sorts and includes as queries and pipelines. Nothing here runs a command."""
