"""Connection: speaks to the engine, and turns what it raises into refusals.

Source: https://www.sqlite.org/rescode.html, https://rogerbinns.github.io/apsw/exceptions.html
"""

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import apsw

from fhir_server.foundation.operation_outcome import FhirError, TooCostly, Unavailable
from fhir_server.search.match import distance_metres

Recorder = Callable[[str], None]

_log: Final = logging.getLogger(__name__)
_STEPS_BETWEEN_LOOKS: Final = 4_000
_PRAGMAS: Final = ("synchronous=FULL", "temp_store=MEMORY", "wal_autocheckpoint=8000", "journal_size_limit=67108864")
"""Rare checkpoints: a page that many commits change is copied from the log once. 8000 pages are 32 MB."""

_SENTENCES: Final[tuple[tuple[type[apsw.Error], str], ...]] = (
    (apsw.FullError, "The disk that holds the database is full: free some space, then try again."),
    (apsw.BusyError, "Another process keeps the database locked: try again later."),
    (apsw.LockedError, "Another process keeps the database locked: try again later."),
    (apsw.ReadOnlyError, "The database cannot be written: check the owner and the rights of its file and folder."),
    (apsw.CantOpenError, "The database cannot be opened: check that its folder exists and may be written."),
    (apsw.NotADBError, "The file is no database of this server: check the path, or restore a backup."),
    (apsw.CorruptError, "The database is damaged: stop the server and restore a backup."),
    (apsw.IOError, "The disk that holds the database fails: check it, then try again."),
    (apsw.NoMemError, "The server lacks memory for the database: try again later."),
)

_COUNTERS: Final = (
    ("scanned", "SQLITE_STMTSTATUS_FULLSCAN_STEP"),
    ("sorts", "SQLITE_STMTSTATUS_SORT"),
    ("steps", "SQLITE_STMTSTATUS_VM_STEP"),
)


def refusal(error: apsw.Error) -> FhirError:
    """Return the refusal that says what an error of the engine means to the caller."""
    if isinstance(error, apsw.InterruptError):
        return TooCostly("The search takes longer than this server allows: narrow it down.")
    if isinstance(error, apsw.TooBigError) or "too large" in str(error) or "too many" in str(error):
        return TooCostly("The request is too large for the database: split it up.")
    _log.error("the database refused", exc_info=error)
    for kind, sentence in _SENTENCES:
        if isinstance(error, kind):
            return Unavailable(sentence)
    return Unavailable("The database cannot answer: see the server's log.")


def _distance_metres(*points: Any) -> float:
    return distance_metres(*points)


class Connection:
    """One connection to the database file.

    `is_broken` tells that the engine refused something since it was last set to False: what was under way is lost.
    `deadline` (of time.perf_counter) ends a statement with TooCostly.
    """

    def __init__(self, path: Path, cache_bytes: int, busy_seconds: float, recorder: Recorder | None = None) -> None:
        self._recorder = recorder
        self.is_broken = False
        self.deadline = float("inf")
        try:
            self._engine = apsw.Connection(str(path), statementcachesize=256)
            # Without it the engine plans every statement anew whose arguments could change the plan: most of what a
            # short statement costs. There are no statistics here that would make such a plan another one.
            self._engine.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)
            self._engine.set_busy_timeout(int(busy_seconds * 1000))
            self._engine.set_progress_handler(self._is_late, _STEPS_BETWEEN_LOOKS)
            self._engine.create_scalar_function("distance_metres", _distance_metres, 4, deterministic=True)
            for pragma in (*_PRAGMAS, f"cache_size=-{cache_bytes // 1024}"):
                self._engine.execute(f"PRAGMA {pragma}")
        except apsw.Error as error:
            raise refusal(error) from error

    def rows(self, statement: str, arguments: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run one statement and return all its rows."""
        if self._recorder is not None:
            self._recorder(statement)
        try:
            return self._engine.execute(statement, arguments).fetchall()
        except apsw.Error as error:
            self.is_broken = not isinstance(error, apsw.InterruptError)
            raise refusal(error) from error

    def many(self, statement: str, arguments: Iterable[Sequence[Any]]) -> None:
        """Run one statement for each sequence of arguments."""
        if self._recorder is not None:
            self._recorder(statement)
        try:
            self._engine.executemany(statement, arguments)
        except apsw.Error as error:
            self.is_broken = True
            raise refusal(error) from error

    def rows_within(self, seconds: float, statement: str, arguments: Sequence[Any]) -> list[tuple[Any, ...]]:
        """Run one statement; raises TooCostly when it takes longer than `seconds`."""
        self.deadline = time.perf_counter() + seconds
        try:
            return self.rows(statement, arguments)
        finally:
            self.deadline = float("inf")

    def counted_within(
        self, seconds: float, statement: str, arguments: Sequence[Any]
    ) -> tuple[list[tuple[Any, ...]], dict[str, int]]:
        """Run one statement as `rows_within` does; return also what it took: see `explain`."""
        events: list[dict[str, Any]] = []
        self._engine.trace_v2(apsw.SQLITE_TRACE_PROFILE, events.append)
        try:
            rows = self.rows_within(seconds, statement, arguments)
        finally:
            self._engine.trace_v2(0, None)
        return rows, {name: sum(event["stmt_status"][counter] for event in events) for name, counter in _COUNTERS}

    def close(self) -> None:
        """Close the connection; what was not committed is undone."""
        self._engine.close()

    @property
    def is_in_transaction(self) -> bool:
        """Say whether a transaction is open: the engine may have ended it after an error."""
        return self._engine.in_transaction

    def _is_late(self) -> bool:
        return time.perf_counter() > self.deadline
