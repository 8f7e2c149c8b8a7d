"""Writing: the one writer thread, the groups of works it commits together, and their transactions."""
