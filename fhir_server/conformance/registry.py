"""The package registry: a package by name and version, downloaded within bounds.

Spec: https://hl7.org/fhir/packages.html, https://registry.fhir.org/learn
"""

import hashlib
import http.client
import json
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import urljoin, urlsplit

from fhir_server.foundation.canonical_index import version_order
from fhir_server.foundation.operation_outcome import NotFound, Unavailable, Unprocessable
from fhir_server.foundation.packages import fulfils

DOWNLOAD_BYTES: Final = 256 * 1024 * 1024
LISTING_BYTES: Final = 8 * 1024 * 1024
TIMEOUT_SECONDS: Final = 30.0
REDIRECTS: Final = 3
_BLOCK: Final = 1 << 16
_LOCAL: Final = frozenset({"localhost", "127.0.0.1", "::1"})
Tell = Callable[[int, int], None]
"""Told how many bytes of how many have come; 0 for a total that nobody said."""


def download(registry: str, name: str, version: str, folder: Path, tell: Tell = lambda done, total: None) -> Path:
    """Download a package into a folder and return its file; `version` may be a range such as 4.0.x, or latest.

    The registry's own hash is compared when it gives one. Raises NotFound (404), Unavailable (503) or Unprocessable
    (422).
    """
    exact, digest = _resolve(registry, name, version)
    path = folder / f"{name}-{exact}.tgz"
    found = hashlib.sha1(usedforsecurity=False)
    with _answer(f"{registry.rstrip('/')}/{name}/{exact}", f"{name}#{exact}") as response, path.open("wb") as file:
        total, done = int(response.headers.get("Content-Length") or 0), 0
        while block := response.read(_BLOCK):
            done += len(block)
            if done > DOWNLOAD_BYTES:
                raise Unprocessable(f"{name}#{exact} is larger than {DOWNLOAD_BYTES} bytes: it is refused.")
            found.update(block)
            file.write(block)
            tell(done, total)
    if digest and digest != found.hexdigest():
        raise Unprocessable(f"{name}#{exact} is not the file that the registry describes (SHA-1): get it again.")
    return path


def _resolve(registry: str, name: str, version: str) -> tuple[str, str]:
    """Return the exact version that is asked for, the highest one of a range, and the registry's SHA-1 of it."""
    with _answer(f"{registry.rstrip('/')}/{name}", name) as response:
        content = response.read(LISTING_BYTES + 1)
    try:
        listing: Any = json.loads(content)
        versions: dict[str, Any] = listing["versions"]
        wanted = listing.get("dist-tags", {}).get(version, version)
        exact = max((one for one in versions if fulfils(one, wanted)), key=version_order, default="")
        digest = str(versions[exact].get("dist", {}).get("shasum", "")) if exact else ""
    except (ValueError, KeyError, AttributeError, TypeError):
        raise Unavailable(
            f"The registry's answer about {name} is no listing of a package: check the address."
        ) from None
    if not exact:
        offered = ", ".join(sorted(versions, key=version_order)) or "none"
        raise NotFound(f"The registry has no {name}#{version}. It has: {offered}.")
    return exact, digest


@contextmanager
def _answer(url: str, what: str) -> Iterator[http.client.HTTPResponse]:
    """Open an address and follow redirects; https only, but for this machine."""
    for _ in range(REDIRECTS + 1):
        parts = urlsplit(url)
        is_local = parts.scheme == "http" and parts.hostname in _LOCAL
        if not is_local and parts.scheme != "https":
            raise Unprocessable(f"{url[:200]} is no https address: packages come over https.")
        connection = _connection(parts.scheme, parts.netloc)
        try:
            connection.request("GET", parts.path + (f"?{parts.query}" if parts.query else ""))
            response = connection.getresponse()
            if response.status in (301, 302, 303, 307, 308):
                url = urljoin(url, response.headers.get("Location", ""))
                continue
            if response.status in (404, 410):
                raise NotFound(f"The registry {parts.netloc} does not know {what}: check name and version.")
            if response.status != 200:
                raise Unavailable(f"The registry {parts.netloc} answered {response.status} for {what}: try later.")
            yield response
            return
        except (OSError, http.client.HTTPException) as error:
            raise Unavailable(f"{parts.netloc} cannot be reached ({error}): give the package as a file.") from None
        finally:
            connection.close()
    raise Unavailable(f"The registry sends in circles for {what}: give the package as a file.")


def _connection(scheme: str, netloc: str) -> http.client.HTTPConnection:
    if scheme == "https":
        return http.client.HTTPSConnection(netloc, timeout=TIMEOUT_SECONDS, context=ssl.create_default_context())
    return http.client.HTTPConnection(netloc, timeout=TIMEOUT_SECONDS)
