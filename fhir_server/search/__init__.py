"""Search: what was asked (Query), what it means (Condition), and how a resource answers it (index rows)."""
