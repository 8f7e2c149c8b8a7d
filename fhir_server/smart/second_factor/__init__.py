"""The second factor of local users: codes of an authenticator app, and recovery codes."""
