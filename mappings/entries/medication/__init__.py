"""Treatments: what is taken, prescribed, dispensed, administered, and the product."""
