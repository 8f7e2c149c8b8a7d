"""Writing: what a transaction gathers, how it is sent, and how it is tried again."""
