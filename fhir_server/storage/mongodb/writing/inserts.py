"""Inserts: first versions that wait at the same moment go out in one command, and each is stored or refused by itself.

A command costs the server more than what is in it. One is under way at a time: whoever comes meanwhile shares the next.
"""

import asyncio
import contextvars
from typing import Final

from pymongo.errors import BulkWriteError, DuplicateKeyError

from fhir_server.foundation.operation_outcome import FhirError, Unavailable
from fhir_server.storage.mongodb.connection import Connection, Document, within

_TOGETHER_MAXIMUM: Final = 100
Waiting = list[tuple[Document, "asyncio.Future[None]"]]


class Inserts:
    """Inserts documents into `resource`; `seconds` bounds each command."""

    def __init__(self, connection: Connection, seconds: float) -> None:
        self._resource = connection.resource
        self._seconds = seconds
        self._is_sending = False
        self._waiting: Waiting = []
        self._sender: asyncio.Task[None] | None = None

    async def insert(self, document: Document) -> None:
        """Insert one document. Raises DuplicateKeyError, FhirError, and what the driver raises."""
        if self._is_sending:
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append((document, future))
            await future
            return
        self._is_sending = True
        try:
            await self._resource.insert_one(document)
        finally:
            self._go_on()

    def _go_on(self) -> None:
        self._is_sending = bool(self._waiting)
        if self._waiting:
            # In a context of its own: the deadline of whoever came first is not that of the others.
            self._sender = asyncio.create_task(self._send(), context=contextvars.Context())

    async def _send(self) -> None:
        sent, self._waiting = self._waiting[:_TOGETHER_MAXIMUM], self._waiting[_TOGETHER_MAXIMUM:]
        try:
            refused = await self._insert_many([document for document, _ in sent])
            _settle(sent, refused)
        except FhirError as error:
            _settle(sent, {position: _again(error) for position in range(len(sent))})
        finally:
            # Nobody waits for ever, whatever happened.
            lost = Unavailable("The database did not answer: try again later.")
            _settle(sent, {position: _again(lost) for position in range(len(sent))})
            self._go_on()

    async def _insert_many(self, documents: list[Document]) -> dict[int, BaseException]:
        """Insert what can be; return by position why others cannot."""
        with within(self._seconds):
            try:
                await self._resource.insert_many(documents, ordered=False)
            except BulkWriteError as error:
                if error.details.get("writeConcernErrors"):
                    raise
                return {one["index"]: _refusal(one) for one in error.details["writeErrors"]}
        return {}


def _refusal(error: Document) -> BaseException:
    return DuplicateKeyError(error["errmsg"], error["code"], error) if error["code"] == 11000 else _failure(error)


def _again(error: FhirError) -> BaseException:
    """Return a refusal of its own for each that waits: they are raised in several tasks."""
    refused = type(error)(str(error))
    refused.__cause__ = error
    return refused


def _failure(error: Document) -> BaseException:
    return BulkWriteError({"writeErrors": [error]})


def _settle(sent: Waiting, refused: dict[int, BaseException]) -> None:
    for position, (_, future) in enumerate(sent):
        if future.done():
            continue
        if position in refused:
            future.set_exception(refused[position])
        else:
            future.set_result(None)
