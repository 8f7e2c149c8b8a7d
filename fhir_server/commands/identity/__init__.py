"""Who may ask for tokens, and who signs in: the verbs `client`, `user` and `keys`."""
