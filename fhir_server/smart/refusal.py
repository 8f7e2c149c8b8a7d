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
    values, repeated = split_values(pairs)
    if repeated:
        raise OAuthRefusal("invalid_request", told_repeated(repeated))
    return values


def split_values(pairs: Iterable[tuple[str, str]]) -> tuple[dict[str, str], frozenset[str]]:
    """Return the parameters that come once, without empty ones, and the names of those that come again."""
    values: dict[str, str] = {}
    repeated = set()
    for name, value in pairs:
        if not value:
            continue
        if name in values:
            repeated.add(name)
        values[name] = value
    return {name: value for name, value in values.items() if name not in repeated}, frozenset(repeated)


def told_repeated(names: Iterable[str]) -> str:
    """Return the sentence that refuses repeated parameters."""
    return f"The parameter {min(names)[:64]} is repeated."


def required(parameters: Mapping[str, str], name: str) -> str:
    """Return a parameter that a request cannot do without; raises OAuthRefusal `invalid_request`."""
    if name not in parameters:
        raise OAuthRefusal("invalid_request", f"{name} is required.")
    return parameters[name]
