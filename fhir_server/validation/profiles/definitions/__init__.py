"""What StructureDefinitions say, before it is compiled: trees of elements, snapshots, facts of extensions."""
