"""Refusals of the authorization server, in the words of OAuth.

Spec: https://www.rfc-editor.org/rfc/rfc6749#section-5.2, https://www.rfc-editor.org/rfc/rfc6749#section-4.1.2.1

    OAuthRefusal             answered as JSON {"error", "error_description"}
    ├── RedirectRefusal      told to the client by sending the browser back to its redirect URI
    └── PageRefusal          told to the person: the client or its redirect URI cannot be trusted
"""

from collections.abc import Iterable, Mapping
from urllib.parse import urlencode, urlsplit, urlunsplit


class OAuthRefusal(Exception):
    """Refuse a request: `error` is the wire code, `description` says how to mend it, `status` is HTTP's."""

    def __init__(self, error: str, description: str, status: int = 400) -> None:
        super().__init__(f"{error}: {description}")
        self.error = error
        self.description = description
        self.status = status

    def content(self) -> dict[str, str]:
        """Return the JSON object of RFC 6749, section 5.2."""
        return {"error": self.error, "error_description": self.description}


class RedirectRefusal(OAuthRefusal):
    """Send the browser back to the client with the error: `location` is the whole address."""

    def __init__(self, error: str, description: str, redirect_uri: str, parameters: Mapping[str, str]) -> None:
        super().__init__(error, description, 303)
        self.location = add_query(redirect_uri, {**self.content(), **parameters})


class PageRefusal(OAuthRefusal):
    """Tell the person, and never the unknown redirect URI, what is wrong with the link that he followed."""


def invalid_client(description: str) -> OAuthRefusal:
    """Make the refusal of a client that did not prove who it is."""
    return OAuthRefusal("invalid_client", description, 401)


def add_query(uri: str, parameters: Mapping[str, str]) -> str:
    """Add parameters to the query that a URI may already have."""
    parts = urlsplit(uri)
    query = "&".join(text for text in (parts.query, urlencode(parameters)) if text)
    return urlunsplit(parts._replace(query=query))


def single_values(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Turn request parameters into a dict; empty ones count as absent, repeated ones are refused.

    Spec: https://www.rfc-editor.org/rfc/rfc6749#section-3.2
    """
    values: dict[str, str] = {}
    for name, value in pairs:
        if name in values:
            raise OAuthRefusal("invalid_request", f"The parameter {name[:64]} is repeated.")
        if value:
            values[name] = value
    return values
