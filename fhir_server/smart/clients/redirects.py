"""Redirect URIs: which are safe to register, and which an app may ask for; the web origins that follow from them.

Spec: https://www.rfc-editor.org/rfc/rfc9700#section-4.1.3, https://www.rfc-editor.org/rfc/rfc8252#section-7.3

They are compared character for character, but for the port of an app on the person's own machine, which is free when it
starts: that of a loopback IP address always, as RFC 8252 requires, and that of `localhost` when none was registered.
"""

import re
from collections.abc import Iterable, Iterator, Set
from urllib.parse import SplitResult, urlsplit

from fhir_server.foundation.operation_outcome import Unprocessable

LOOPBACK = ("127.0.0.1", "[::1]", "::1", "localhost")
_UNSAFE_SCHEMES = frozenset({"javascript", "data", "vbscript", "file", "blob", "about"})
_LOOPBACK_IP = re.compile(r"(http://(?:127\.0\.0\.1|\[::1\]))(?::\d{1,5})?(?=/|\?|\Z)", re.ASCII)
_LOCALHOST = re.compile(r"(http://localhost)(?::\d{1,5})?(?=/|\?|\Z)", re.ASCII)


def is_accepted(asked: str, registered: Iterable[str]) -> bool:
    """Say whether an app that registered these may be answered at the address that it asks for."""
    portless = _LOOPBACK_IP.sub(r"\1", asked, count=1), _LOCALHOST.sub(r"\1", asked, count=1)
    for uri in registered:
        if asked == uri or portless[1] == uri:
            return True
        if portless[0] == _LOOPBACK_IP.sub(r"\1", uri, count=1):
            return True
    return False


class Origins(Set[str]):
    """The web origins of redirect URIs; one without a port stands for every port of this machine."""

    def __init__(self, redirect_uris: Iterable[str] = ()) -> None:
        self._known = frozenset(_origins(redirect_uris))

    def __contains__(self, origin: object) -> bool:
        return isinstance(origin, str) and (origin in self._known or _portless(origin) in self._known)

    def __iter__(self) -> Iterator[str]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)


def _origins(redirect_uris: Iterable[str]) -> Iterator[str]:
    for uri in redirect_uris:
        parts = urlsplit(uri)
        if parts.scheme in ("http", "https"):
            origin = f"{parts.scheme}://{parts.netloc}"
            yield _LOOPBACK_IP.sub(r"\1", origin, count=1)


def _portless(origin: str) -> str:
    return _LOCALHOST.sub(r"\1", _LOOPBACK_IP.sub(r"\1", origin, count=1), count=1)


def parts_of(uri: str) -> SplitResult:
    """Return the parts of an address, all of them empty for what is none: `https://[`, a port beyond 65535."""
    try:
        parts = urlsplit(uri)
        return parts if parts.port is None or parts.port else urlsplit("")
    except ValueError:
        return urlsplit("")


def is_safe_web_address(uri: str) -> bool:
    """Say whether an address is https, or http to this very machine."""
    parts = parts_of(uri)
    if parts.username or parts.password or not parts.hostname:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK)


def check_redirect_uri(uri: str) -> None:
    """Raise Unprocessable (422) for an address that is unsafe to send a person to."""
    parts = parts_of(uri)
    if not parts.scheme or "#" in uri or "*" in uri or not uri.isascii() or not uri.isprintable() or " " in uri:
        raise Unprocessable(f"The redirect URI {uri!r} must be absolute, ASCII, without fragment or wildcard.")
    if parts.scheme in _UNSAFE_SCHEMES or (parts.scheme in ("http", "https") and not is_safe_web_address(uri)):
        raise Unprocessable(f"The redirect URI {uri!r} must be https, http on this machine, or an app's own scheme.")
