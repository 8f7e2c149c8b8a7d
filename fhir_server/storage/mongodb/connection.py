"""Connection: speaks to the engine within a deadline, and turns what the driver raises into refusals.

Source: https://pymongo.readthedocs.io/en/stable/api/pymongo/errors.html,
https://github.com/mongodb/mongo/blob/v6.0/src/mongo/base/error_codes.yml
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import pymongo
from bson.errors import BSONError
from pymongo import AsyncMongoClient, ReadPreference, WriteConcern
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.errors import (
    BulkWriteError,
    ConfigurationError,
    DocumentTooLarge,
    DuplicateKeyError,
    OperationFailure,
    PyMongoError,
    ServerSelectionTimeoutError,
)
from pymongo.monitoring import CommandListener
from pymongo.read_concern import ReadConcern

from fhir_server.foundation.operation_outcome import BadRequest, FhirError, TooCostly, TooLarge, Unavailable
from fhir_server.storage.mongodb.elections import Elections

Document = dict[str, Any]
Client = AsyncMongoClient[Document]
ClientSession = AsyncClientSession
Collection = AsyncCollection[Document]

DRIVER_ERRORS: Final = (PyMongoError, BSONError, OverflowError, UnicodeEncodeError)
_WRITE_CONFLICT: Final = 112
_DUPLICATE: Final = 11000
_EXPIRED: Final = frozenset((50, 262))
_DISK_FULL: Final = 14031
_REFUSED_CREDENTIALS: Final = frozenset((13, 18))

_log: Final = logging.getLogger(__name__)

MAJORITY: Final = WriteConcern("majority")
POINT_READS: Final = ReadConcern("majority")
SNAPSHOT_READS: Final = ReadConcern("snapshot")


def refusal(error: Exception) -> FhirError:
    """Return the refusal that says what an error of the driver means to the caller."""
    if isinstance(error, OperationFailure):
        return _of_code(error)
    if isinstance(error, DocumentTooLarge):
        return _too_large()
    if isinstance(error, BSONError | OverflowError | UnicodeEncodeError):
        return BadRequest("A value cannot be kept in the database: numbers have 64 bits, texts are Unicode.")
    _log.warning("the database did not answer: %s", type(error).__name__)
    if isinstance(error, ServerSelectionTimeoutError):
        return Unavailable("No member of the database's replica set takes writes now: try again later.")
    return Unavailable("The database did not answer in time: try again later.")


def _of_code(error: OperationFailure) -> FhirError:
    codes = {error.code, *(one.get("code") for one in _write_errors(error))}
    for told, refuse in _REFUSALS:
        if told & codes:
            return refuse()
    if _EXPIRED & codes:
        _log.warning("the database did not answer in time: code %s", error.code)
        return Unavailable("The database did not answer in time: try again later.")
    # The message itself may quote what was to be written.
    _log.error("the database refused: codes %s %s", sorted(map(str, codes)), (error.details or {}).get("codeName", ""))
    if _DISK_FULL in codes:
        return Unavailable("The disk that holds the database is full: free some space, then try again.")
    if _REFUSED_CREDENTIALS & codes:
        return Unavailable("The database refuses this server's user: check its name, password and roles.")
    return Unavailable("The database cannot answer now: try again later.")


def _too_large() -> TooLarge:
    return TooLarge("The resource is larger than the database keeps in one piece, 16 MB with its index: split it up.")


def _too_large_together() -> TooLarge:
    return TooLarge("The transaction is larger than the database takes at once: send it in several smaller ones.")


def _too_deep() -> TooCostly:
    return TooCostly("The search is nested deeper than the database takes: ask in fewer steps.")


_REFUSALS: Final[tuple[tuple[frozenset[int], Callable[[], FhirError]], ...]] = (
    (frozenset((10334, 17419, 17420)), _too_large),
    (frozenset((388,)), _too_large_together),
    (frozenset((15,)), _too_deep),
)
"""What will be refused again, by the engine's codes: a resource, a transaction, a search that exceeds its bounds."""


@contextmanager
def within(seconds: float, is_search: bool = False) -> Iterator[None]:
    """Bound everything the driver does in the block, its own retries included.

    Raises a refusal for whatever the driver raises; of a search that the engine gave up, TooCostly.
    """
    try:
        with pymongo.timeout(seconds):
            yield
    except DRIVER_ERRORS as error:
        if is_search and isinstance(error, OperationFailure) and error.code in _EXPIRED:
            raise TooCostly("The search takes longer than this server allows: narrow it down.") from error
        raise refusal(error) from error


def is_again(error: Exception) -> bool:
    """Say whether a transaction was undone for a reason that may be over soon: a conflict, an election."""
    if not isinstance(error, PyMongoError):
        return False
    is_conflict = isinstance(error, OperationFailure) and error.code == _WRITE_CONFLICT
    return is_conflict or error.has_error_label("TransientTransactionError")


def is_duplicate(error: Exception) -> bool:
    """Say whether a document of that key is there already."""
    return isinstance(error, DuplicateKeyError) or any(one.get("code") == _DUPLICATE for one in _write_errors(error))


def taken_keys(error: Exception) -> frozenset[str]:
    """Return the fields of the index that a duplicate met."""
    details = error.details if isinstance(error, OperationFailure) else None
    found = [dict(details or {}), *_write_errors(error)]
    return frozenset(field for one in found for field in one.get("keyPattern", {}))


def _write_errors(error: Exception) -> list[Document]:
    if not isinstance(error, BulkWriteError):
        return []
    return list(error.details.get("writeErrors", []))


class Connection:
    """One database: its collections, for writing and for reading. Majority everywhere: what is told is kept."""

    def __init__(self, url: str, listeners: Sequence[CommandListener] = ()) -> None:
        try:
            self.client: Client = AsyncMongoClient(url, appname="fhir-server", event_listeners=list(listeners))
            database = self.client.get_default_database("fhir")
        except (ConfigurationError, PyMongoError, ValueError) as error:
            raise Unavailable(f"The address of the database is not understood: {_first_line(error)}") from None
        self.database = database
        options: Document = {"write_concern": MAJORITY, "read_concern": POINT_READS}
        options["read_preference"] = ReadPreference.PRIMARY
        self.resource: Collection = database.get_collection("resource", **options)
        self.history: Collection = database.get_collection("history", **options)
        self.relation: Collection = database.get_collection("relation", **options)
        self.record: Collection = database.get_collection("record", **options)
        self.journal: Collection = database.get_collection("journal", **options)
        self.loc: Collection = database.get_collection("loc", **options)
        self.claim: Collection = database.get_collection("claim", **options)
        self.meta: Collection = database.get_collection("meta", **options)
        self.elections = Elections(self.client, self.meta)

    async def close(self) -> None:
        """Close every socket."""
        await self.client.close()


def _first_line(error: Exception) -> str:
    """Return what is wrong, without the address, which may hold a password."""
    return str(error).splitlines()[0].partition(":")[0][:120]
