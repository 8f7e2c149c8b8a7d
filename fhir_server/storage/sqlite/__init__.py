"""SQLite, embedded: the default backend. `store.SqliteStore` is the door; `schema/` holds the tables."""
