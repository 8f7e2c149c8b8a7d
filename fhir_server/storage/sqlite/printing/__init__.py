"""Printing: Conditions, sorts and includes as SQL text and arguments. Nothing here runs a statement."""
