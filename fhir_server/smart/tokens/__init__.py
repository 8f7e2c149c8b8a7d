"""Tokens: the access token, the id_token, and the family of tokens that one authorization brought about."""
