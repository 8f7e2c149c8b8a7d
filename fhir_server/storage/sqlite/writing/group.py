"""Group: the one engine transaction that several works share."""

from fhir_server.foundation.operation_outcome import FhirError, Unavailable
from fhir_server.storage.sqlite.names import Naming
from fhir_server.storage.sqlite.session import Session
from fhir_server.storage.sqlite.writing.pending import Pending


class Group:
    """Holds what the works of a group did so far; `pending` is what they left to be sent."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.naming = Naming(session.connection, session.names)
        self.pending = Pending()
        self._last_rid = 0

    def begin(self, entries: list[bytes]) -> None:
        """Become the one writer among all processes, on the newest committed state, with these audit entries.

        Raises Unavailable.
        """
        self.session.connection.is_broken = False
        self.session.connection.rows("BEGIN IMMEDIATE")
        for entry in entries:
            self.pending.journal(entry)

    def check(self) -> None:
        """Raise Unavailable when the engine refused something: the group as a whole is lost."""
        connection = self.session.connection
        if connection.is_broken or not connection.is_in_transaction:
            raise Unavailable("The database refused to write: see the server's log, then try again.")

    def next_rid(self) -> int:
        """Return the number of a new resource."""
        if not self._last_rid:
            self._last_rid = self.session.connection.rows("SELECT coalesce(max(rid), 0) FROM resource")[0][0]
        self._last_rid += 1
        return self._last_rid

    def send(self) -> None:
        """Send what is pending to the engine."""
        if self.pending:
            self.pending.send(self.session.connection)

    def commit(self) -> None:
        """Make everything durable."""
        self.send()
        self.session.connection.rows("COMMIT")
        self.naming.share()

    def abandon(self) -> None:
        """Undo everything."""
        try:
            if self.session.connection.is_in_transaction:
                self.session.connection.rows("ROLLBACK")
        except FhirError:
            return  # the engine has undone it already, or will when the file is next opened
