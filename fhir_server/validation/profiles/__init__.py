"""The profile validator: what StructureDefinitions say of a resource, compiled to closures and explained in words."""
