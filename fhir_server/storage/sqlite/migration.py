"""Migration: brings a database file to the newest numbered schema, or refuses it.

Source: https://www.sqlite.org/pragma.html#pragma_user_version
"""

from importlib import resources
from typing import Final

from fhir_server.foundation.operation_outcome import Unavailable
from fhir_server.storage.sqlite.connection import Connection

APPLICATION: Final = 0x46484952  # "FHIR"


def scripts() -> list[str]:
    """Return the schema scripts, in order; the n-th one leads to version n."""
    folder = resources.files("fhir_server.storage.sqlite") / "schema"
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".sql")), key=lambda file: file.name)
    return [file.read_text(encoding="utf-8") for file in files]


def migrate(connection: Connection) -> None:
    """Create or upgrade the schema; several processes may try at once.

    Raises Unavailable for a database of a newer server, or of another program.
    """
    steps = scripts()
    if _version(connection, len(steps)) == len(steps):
        return
    connection.rows("PRAGMA journal_mode=WAL")
    connection.rows("BEGIN IMMEDIATE")
    try:
        version = _version(connection, len(steps))
        for script in steps[version:]:
            connection.rows(script)
        connection.rows(f"PRAGMA application_id={APPLICATION}")
        connection.rows(f"PRAGMA user_version={len(steps)}")
        connection.rows("COMMIT")
    except BaseException:
        if connection.is_in_transaction:
            connection.rows("ROLLBACK")
        raise


def check(connection: Connection) -> None:
    """Raise Unavailable unless the database answers and has the newest schema."""
    newest = len(scripts())
    if _version(connection, newest) < newest:
        raise Unavailable("The database has an older schema than this server: start the server again.")


def _version(connection: Connection, newest: int) -> int:
    version = int(connection.rows("PRAGMA user_version")[0][0])
    application = int(connection.rows("PRAGMA application_id")[0][0])
    is_empty = connection.rows("SELECT count(*) FROM sqlite_schema")[0][0] == 0
    if application != APPLICATION and not is_empty:
        raise Unavailable("The file is a database of another program: give another path.")
    if version > newest:
        raise Unavailable(
            f"The database has schema {version}, this server knows {newest}: start the newer server that wrote it."
        )
    return version
