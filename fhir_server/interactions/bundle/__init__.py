"""Bundles as requests: addresses of entries, batch and transaction. Spec: http.html#transaction."""
