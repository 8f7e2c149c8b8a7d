"""Server: the FHIR API as one ASGI function; what is outside its base goes to the fallback.

Spec: http.html
"""

import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

import msgspec

from fhir_server.access.grant import OPEN, Grant
from fhir_server.asgi.answer import Answer, Manner, allow, answer, finish, refuse
from fhir_server.asgi.body import Disconnected, Receive, read_body
from fhir_server.asgi.cors import Origins, OriginsOf
from fhir_server.asgi.deadline import Deadline
from fhir_server.asgi.encoding import compress, decompress
from fhir_server.asgi.headers import by_name
from fhir_server.asgi.health import Health
from fhir_server.asgi.lifespan import Beside, Life, Pulse, lifespan
from fhir_server.asgi.router import Call, accept_refusal, choose_form, decode_parameters, needs_body, understand
from fhir_server.foundation.operation_outcome import FhirError, NotFound, Unavailable
from fhir_server.interactions.bundle.route import NoSuchMethod, methods_of, route
from fhir_server.interactions.dispatch import dispatch, journal_refusal
from fhir_server.interactions.request import Request, Response, Runtime

Scope = MutableMapping[str, Any]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
GrantOf = Callable[[str], Awaitable[Grant]]

ANONYMOUS: Final = Grant(kind="unknown", actor="", client_id="")
"""Who is written into the audit of a request whose token does not hold."""
LOG: Final = logging.getLogger("fhir_server")
REQUEST_ID_CHARACTERS: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._:")
SMART_CONFIGURATION: Final = ".well-known/smart-configuration"
PUBLIC: Final = frozenset({SMART_CONFIGURATION, "metadata"})


class Broken(FhirError):
    """A fault of ours: the caller gets the request's id, the log gets the rest."""

    status, code = 500, "exception"


class Api(msgspec.Struct, frozen=True):
    """What the FHIR API is made of.

    `base_url` is the absolute FHIR base (`https://fhir.example.fr/fhir`); the API is served at its path.
    `grant_of` turns an Authorization header ("" when there is none) into a Grant, or raises Unauthenticated.
    `smart_configuration` gives the JSON of `.well-known/smart-configuration`; None on an open server.
    `origins` are the web origins that may call from a browser; ("*",) for any. `origins_of` gives further ones, which
    change while the server runs: those of registered clients.
    `fallback` serves what is outside the base; None answers 404. `on_open` runs once the store is open,
    `beside` from then until the end.
    """

    runtime: Runtime
    grant_of: GrantOf
    base_url: str
    smart_configuration: Callable[[], bytes] | None = None
    origins: tuple[str, ...] = ()
    fallback: App | None = None
    on_open: Callable[[], Awaitable[None]] | None = None
    beside: tuple[Beside, ...] = ()
    origins_of: OriginsOf | None = None


class Served(msgspec.Struct, frozen=True):
    """The API while it is served."""

    api: Api
    origins: Origins
    deadline: Deadline


def fhir_api(api: Api) -> App:
    """Return the ASGI application; its lifespan opens and closes the store."""
    mount = path_of(api.base_url)
    start = len(mount)
    served = Served(api, Origins(api.origins, api.origins_of), Deadline(api.runtime.limits.request_seconds))
    pulse, health = Pulse(), Health(api.runtime)

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        kind = scope["type"]
        if kind == "lifespan":
            await lifespan(Life(api.runtime, pulse, api.on_open, api.beside), receive, send)
            return
        path: str = scope["path"]
        if kind == "http" and path.startswith(mount) and path[start : start + 1] in ("/", ""):
            pulse.requests += 1
            exchange = Exchange(served, scope, receive, path[start + 1 :])
            try:
                reply = await exchange.reply()
            except Disconnected:
                return
            await _send(reply, scope, send)
        elif kind == "http" and (told := await health.answer(path, scope["method"])) is not None:
            await _send(told, scope, send)
        elif api.fallback is not None:
            await api.fallback(scope, receive, send)
        elif kind == "http":
            manner = Manner(api.runtime.new_id(), api.base_url)
            await _send(refuse(NotFound(f"The FHIR base is {api.base_url}."), manner), scope, send)
        else:
            await send({"type": "websocket.close", "code": 1000})

    return serve


def path_of(base_url: str) -> str:
    """Return the path of an absolute URL, without a slash at the end: "" for a bare host."""
    _, _, path = base_url.partition("://")[2].partition("/")
    return f"/{path}".rstrip("/")


async def _send(reply: Answer, scope: Scope, send: Send) -> None:
    await send({"type": "http.response.start", "status": reply.status, "headers": reply.headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else reply.body})


class Exchange:
    """One HTTP request and its answer; `path` is below the base, without a leading slash."""

    __slots__ = ("api", "deadline", "headers", "manner", "origins", "path", "receive", "scope")

    def __init__(self, served: "Served", scope: Scope, receive: Receive, path: str) -> None:
        api = self.api = served.api
        self.origins = served.origins
        self.deadline = served.deadline
        self.scope = scope
        self.receive = receive
        self.path = path
        self.headers = by_name(scope["headers"])
        self.manner = Manner(request_id(self.headers, api.runtime), api.base_url)

    async def reply(self) -> Answer:
        """Return the answer, whatever happens; raises Disconnected only."""
        origin = self.headers.get(b"origin")
        try:
            reply = await self._answer(origin)
        except FhirError as refusal:
            accept_refusal(self.manner, self.headers, self.scope["query_string"], self.api.runtime.limits)
            reply = refuse(refusal, self.manner)
        except Disconnected:
            raise
        except Exception:
            LOG.exception("request %s failed", self.manner.request_id)
            text = f"The server failed. Quote request {self.manner.request_id} to its operator."
            reply = refuse(Broken(text), self.manner)
        accepted = self.headers.get(b"accept-encoding")
        if accepted is not None:
            await compress(reply, accepted)
        if origin is not None:
            reply.headers.extend(await self.origins.headers(origin, is_public=self.path in PUBLIC))
        correlation = self.headers.get(b"x-correlation-id")
        if correlation is not None and is_harmless(correlation.decode("latin-1")):
            reply.headers.append((b"x-correlation-id", correlation))
        return reply

    async def _answer(self, origin: bytes | None) -> Answer:
        method: str = self.scope["method"]
        if method == "OPTIONS" and origin is not None:
            return finish(self.origins.preflight(), self.manner)
        if method == "OPTIONS":
            return finish(Answer(204, [(b"allow", allow(methods_of(self.path), "OPTIONS"))]), self.manner)
        if method == "HEAD":
            method = "GET"
        if self.path == SMART_CONFIGURATION:
            return self._smart_configuration(method)
        parameters = decode_parameters(self.scope["query_string"], self.api.runtime.limits)
        call = Call(method, route(method, self.path), parameters, self.headers)
        choose_form(self.manner, call)
        request = await self._request(call)
        return answer(await self._dispatch(request), self.manner)

    async def _dispatch(self, request: Request) -> Response:
        runtime = self.api.runtime
        try:
            return await self.deadline.run(dispatch(request, runtime))
        except TimeoutError:
            refusal = Unavailable(
                f"The request was not answered within {self.deadline.seconds:g} seconds: ask for less at once. "
                "If it writes, look whether that was done before you send it again.",
                code="timeout",
            )
            journal_refusal(request, refusal, runtime)
            raise refusal from None

    async def _request(self, call: Call) -> Request:
        limits = self.api.runtime.limits
        if call.route.interaction == "capabilities":
            return understand(call, OPEN, self.manner, limits)
        grant = await self._grant(call)
        if needs_body(call):
            call.body = await read_body(self.receive, self.headers, limits)
            encoding = self.headers.get(b"content-encoding")
            if encoding is not None and call.body:
                call.body = await decompress(call.body, encoding, limits)
        return understand(call, grant, self.manner, limits)

    async def _grant(self, call: Call) -> Grant:
        try:
            return await self.api.grant_of(self.headers.get(b"authorization", b"").decode("latin-1"))
        except FhirError as refusal:
            route = call.route
            asked = Request(route.interaction, ANONYMOUS, route.resource_type, route.resource_id, route.version_id)
            journal_refusal(asked, refusal, self.api.runtime)
            raise

    def _smart_configuration(self, method: str) -> Answer:
        if self.api.smart_configuration is None:
            raise NotFound("This server runs open: it has no SMART configuration.")
        if method != "GET":
            raise NoSuchMethod(method, ("GET",))
        content = self.api.smart_configuration()
        return answer(Response(200, content, "application/json"), self.manner)


def request_id(headers: dict[bytes, bytes], runtime: Runtime) -> str:
    """Return the client's X-Request-Id when it is harmless, else a new one."""
    text = headers.get(b"x-request-id", b"").decode("latin-1")
    return text if is_harmless(text) else runtime.new_id()


def is_harmless(request_id: str) -> bool:
    """Say whether a client's id can go into headers and logs as it is."""
    return 0 < len(request_id) <= 64 and REQUEST_ID_CHARACTERS.issuperset(request_id)
