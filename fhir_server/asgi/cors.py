"""CORS: which web origins may call the API from a browser.

Spec: security.html#cors, https://fetch.spec.whatwg.org/#http-cors-protocol
"""

from collections.abc import Awaitable, Callable, Set
from typing import Final

from fhir_server.asgi.answer import Answer, Headers

OriginsOf = Callable[[], Awaitable[Set[str]]]
METHODS: Final = b"GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
ASKED: Final = (
    b"accept, authorization, content-encoding, content-type, if-match, if-modified-since, if-none-exist, "
    b"if-none-match, prefer, x-request-id, x-security-context"
)
EXPOSED: Final = (
    b"accept-patch, allow, content-location, etag, last-modified, location, retry-after, www-authenticate, "
    b"x-request-id, x-security-context"
)
DAY_SECONDS: Final = b"86400"


class Origins:
    """The origins that may call: fixed ones (`*` for any), and those of registered clients (`origins_of`).

    Credentials are tokens, never cookies.
    """

    def __init__(self, origins: tuple[str, ...], origins_of: OriginsOf | None = None) -> None:
        self._is_any = "*" in origins
        self._known = frozenset(origin.rstrip("/").encode() for origin in origins)
        self._origins_of = origins_of

    async def headers(self, origin: bytes, *, is_public: bool = False) -> Headers:
        """Return what lets a browser's script read the answer; nothing for an unknown origin.

        `is_public`: the answer is the same for everybody, and any origin reads it (SMART: discovery and metadata).
        """
        if self._is_any or is_public:
            return [(b"access-control-allow-origin", b"*"), (b"access-control-expose-headers", EXPOSED)]
        if origin in self._known or await self._is_registered(origin):
            return [(b"access-control-allow-origin", origin), (b"access-control-expose-headers", EXPOSED)]
        return []

    async def _is_registered(self, origin: bytes) -> bool:
        return self._origins_of is not None and origin.decode("latin-1") in await self._origins_of()

    def preflight(self) -> Answer:
        """Return the answer to a browser that asks before it calls; `headers` says whether its origin may."""
        return Answer(
            204,
            [
                (b"access-control-allow-methods", METHODS),
                (b"access-control-allow-headers", ASKED),
                (b"access-control-max-age", DAY_SECONDS),
            ],
        )
