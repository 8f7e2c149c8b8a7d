"""Twin worlds: servers whose stores differ only in what the caller must not see, asked over the whole HTTP surface.

They are called in this process, as an ASGI server would call them. Spec: http.html, https://asgi.readthedocs.io/
"""

import re
from base64 import urlsafe_b64decode
from collections.abc import Callable, Iterable, MutableMapping
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from fhir_server.access.grant import Grant
from fhir_server.access.scopes import parse_scopes
from fhir_server.app import Deployment, runtime_of, search_parameters_of
from fhir_server.asgi.server import Api, fhir_api
from fhir_server.commands.proving.records import Resource
from fhir_server.commands.proving.sides import Make
from fhir_server.conformance.canonicals import Canonicals
from fhir_server.foundation import fhir_json
from fhir_server.interactions.dispatch import dispatch
from fhir_server.interactions.request import Request
from fhir_server.interactions.trail import drain_all
from fhir_server.settings import Settings
from fhir_server.storage.store import Store

ORIGIN: Final = "http://fhir.example.fr"
STARTED: Final = datetime(2026, 1, 1, tzinfo=UTC)
ASKED: Final = datetime(2026, 6, 1, tzinfo=UTC)
FEEDER: Final = Grant("system", "Device/hospital", "hospital", parse_scopes("system/*.cruds"), is_operator=True)
_PAGES: Final = 5
_DRAWN = re.compile(r"new-\d{8}")
NUMBERED: Final = re.compile(r"drawn-\d+")
"""A drawn id as answers are compared: by the order in which it shows."""

_CURSOR = re.compile(r"(?<=_cursor=)[\w-]+")
_ORDER = re.compile(r"\b\d{19}\b", re.ASCII)
_NEXT = re.compile(r'"relation":"next","url":"([^"]*)"')


class Call(msgspec.Struct, frozen=True):
    """One HTTP request: path and query below the base, extra headers by lower-case name."""

    method: str
    path: str
    query: str = ""
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        """Return the request on one line, as a person reads it."""
        more = "".join(f"  {name}: {value}" for name, value in self.headers)
        query = f"?{self.query}" if self.query else ""
        return f"{self.method} /{self.path}{query}{more}  {self.body.decode()}".rstrip()


class Answer(msgspec.Struct, frozen=True):
    """What came back: ids that the server drew are numbered, cursors opened."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: str


class World:
    """One server with its clock, its ids and its store, filled through the interactions themselves.

    `make` gives its store, which must be empty (see `sides`); `wrapped` may put something before it.
    """

    def __init__(self, make: Make, wrapped: Callable[[Store], Store] = lambda store: store) -> None:
        self.instant = STARTED
        self.opened = make(lambda: self.instant)
        self._grant = FEEDER
        ids = count()
        deployment = Deployment(Settings(), ORIGIN)
        search_parameters = search_parameters_of(deployment, self.opened)
        runtime = runtime_of(deployment, self.opened, Canonicals(self.opened), search_parameters)
        self.runtime = replace(
            runtime, store=wrapped(self.opened), now=lambda: self.instant, new_id=lambda: f"new-{next(ids):08}"
        )
        self._app = fhir_api(Api(self.runtime, self._granted, f"{ORIGIN}/fhir"))

    async def fill(self, resources: Iterable[tuple[int, Resource]]) -> None:
        """Store resources, each at the second it is given with, as the hospital's system."""
        for second, resource in resources:
            self.instant = STARTED + timedelta(seconds=second)
            content = fhir_json.format(resource)
            await dispatch(
                Request("update", FEEDER, resource["resourceType"], resource["id"], content=content), self.runtime
            )
        await drain_all(self.runtime)
        self.instant = ASKED

    async def answers(self, grant: Grant, call: Call) -> list[Answer]:
        """Return what the caller is answered, and the pages after it."""
        found = [await self._answer(grant, call)]
        while len(found) < _PAGES and call.method == "GET" and (link := _NEXT.search(found[-1][1])):
            url = msgspec.json.decode(f'"{link[1]}"')
            path, _, query = url.removeprefix(f"{ORIGIN}/fhir/").partition("?")
            found.append(await self._answer(grant, replace(call, path=path, query=query)))
        return [_normal(answer) for answer, _ in found]

    async def _granted(self, header: str) -> Grant:
        return self._grant

    async def _answer(self, grant: Grant, call: Call) -> tuple[Answer, str]:
        self._grant = grant
        sent: list[MutableMapping[str, Any]] = []

        async def receive() -> MutableMapping[str, Any]:
            return {"type": "http.request", "body": call.body, "more_body": False}

        async def send(message: MutableMapping[str, Any]) -> None:
            sent.append(message)

        await self._app(_scope(call), receive, send)
        headers = tuple(sorted((name.decode(), value.decode("latin-1")) for name, value in sent[0]["headers"]))
        body = sent[1]["body"].decode("latin-1")
        return Answer(sent[0]["status"], headers, body), body


def _scope(call: Call) -> dict[str, Any]:
    headers = {"host": "fhir.example.fr", "x-request-id": "proof", **dict(call.headers)}
    if call.body:
        headers = {"content-type": "application/fhir+json", "content-length": str(len(call.body)), **headers}
    return {
        "type": "http",
        "method": call.method,
        "path": f"/fhir/{call.path}".rstrip("/"),
        "query_string": call.query.encode(),
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in headers.items()],
        "client": ("127.0.0.1", 1),
        "scheme": "http",
    }


def _normal(answer: Answer) -> Answer:
    """Number the drawn ids in the order they show, and open the cursors.

    The traces of others, and of what they did to the hidden items, draw ids from the same source.
    """
    order: dict[str, str] = {}

    def plain(text: str) -> str:
        text = _CURSOR.sub(lambda found: _place(found[0]), text)
        return _DRAWN.sub(lambda found: order.setdefault(found[0], f"drawn-{len(order)}"), text)

    headers = tuple((name, plain(value)) for name, value in answer.headers)
    return Answer(answer.status, headers, plain(answer.body))


def _place(cursor: str) -> str:
    """Return what a cursor says, without its seal, and without the order of creation that MongoDB drew by its clock."""
    said = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))[12:].decode("latin-1")
    return _ORDER.sub("order", said)
