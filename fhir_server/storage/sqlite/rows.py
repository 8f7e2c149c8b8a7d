"""Rows: what each family of index rows is in the tables, and how a resource's rows are packed and compared.

A *key* is a row as it is stored, without the resource: `(p, columns ..., element)`, columns as in `FAMILIES`.
"""

# ruff: noqa: S608 - texts are put together from our own names; every value is bound.

import sys
from collections.abc import Callable, Sequence
from hashlib import blake2b
from typing import Any, Final

import msgspec

from fhir_server.search.index_row import (
    COMPARTMENT,
    CONTAINED,
    DATE,
    NUMBER,
    POSITION,
    QUANTITY,
    REFERENCE,
    RELATION,
    STRING,
    TEXT,
    TOKEN,
    URI,
    IndexRow,
)
from fhir_server.storage.sqlite.names import Naming, contained_type

Key = tuple[Any, ...]
Keys = dict[int, set[Key]]
"""The keys of one resource by family."""


class Family(msgspec.Struct, frozen=True):
    """One family's table: `columns` in stored order, before `element`."""

    table: str
    columns: tuple[str, ...]

    @property
    def insert(self) -> str:
        """Return the statement that adds a key and its resource."""
        columns = ("p", *self.columns, "element", "rid")
        return f"INSERT INTO {self.table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"

    @property
    def delete(self) -> str:
        """Return the statement that removes a key of its resource."""
        columns = ("p", *self.columns, "element", "rid")
        return f"DELETE FROM {self.table} WHERE {' AND '.join(f'{column} = ?' for column in columns)}"


FAMILIES: Final[dict[int, Family]] = {
    TOKEN: Family("token", ("code", "system")),
    STRING: Family("string", ("folded", "exact")),
    DATE: Family("date", ("low", "high")),
    NUMBER: Family("number", ("low", "high")),
    QUANTITY: Family("quantity", ("low", "high", "system", "code")),
    REFERENCE: Family("reference", ("target_type", "target_id", "version")),
    URI: Family("uri", ("value",)),
    COMPARTMENT: Family("compartment", ("compartment_id", "type")),
    RELATION: Family("relation", ("actor", "patient_id", "low", "high")),
    POSITION: Family("position", ("latitude", "longitude")),
    TEXT: Family("words", ("digest",)),
    CONTAINED: Family("", ("contained_id", "rows")),
}
BEYOND_TABLES: Final = (TEXT, CONTAINED)
"""Families without a table by value. The rows of a contained resource are in the tables of their own families too,
under parameters of its own, so that its container is found by them; which of them belong together is in CONTAINED."""
MARK: Final = "#"
"""The parameter of a token that tells all containers of a type."""
INSERTS: Final = {number: family.insert for number, family in FAMILIES.items() if number not in BEYOND_TABLES}
DELETES: Final = {number: family.delete for number, family in FAMILIES.items() if number not in BEYOND_TABLES}
TEXT_COLUMNS: Final = {"_text": "narrative", "_content": "content"}
"""The columns of table `words`, which has a row a resource; a key of TEXT has but the digest of what is there."""


_GREATEST: Final = sys.float_info.max


def finite(number: float) -> float:
    """Return the number, the greatest or smallest float instead of an infinity: JSON has none."""
    if -_GREATEST <= number <= _GREATEST:
        return float(number)
    return _GREATEST if number > 0 else -_GREATEST


_COLUMNS: Final[dict[int, Callable[[Naming, str, IndexRow], Key]]] = {
    TOKEN: lambda naming, _, row: (row[4], naming.system(row[3]), row[2]),
    STRING: lambda naming, _, row: (row[3], row[4], row[2]),
    DATE: lambda naming, _, row: (row[3], row[4], row[2]),
    NUMBER: lambda naming, _, row: (finite(row[3]), finite(row[4]), row[2]),
    QUANTITY: lambda naming, _, row: (finite(row[3]), finite(row[4]), naming.system(row[5]), row[6], row[2]),
    REFERENCE: lambda naming, _, row: (naming.resource_type(row[3]), row[4], row[5], row[2]),
    URI: lambda naming, _, row: (row[3], row[2]),
    COMPARTMENT: lambda naming, resource_type, row: (row[3], naming.resource_type(resource_type), row[2]),
    RELATION: lambda naming, _, row: (row[3], row[4], row[5], row[6], row[2]),
    POSITION: lambda naming, _, row: (float(row[3]), float(row[4]), row[2]),
    CONTAINED: lambda naming, _, row: (row[3], pack(keys_of(naming, contained_type(row[1]), row[4])), row[2]),
    TEXT: lambda naming, _, row: (blake2b(row[3].encode(), digest_size=8).hexdigest(), row[2]),
}


def keys_of(naming: Naming, resource_type: str, rows: Sequence[IndexRow]) -> Keys:
    """Return the keys of a resource's rows, each once."""
    keys: Keys = {}
    parameter = naming.parameter
    for row in rows:
        family = row[0]
        key = (parameter(row[1], family, resource_type), *_COLUMNS[family](naming, resource_type, row))
        if family in keys:
            keys[family].add(key)
        else:
            keys[family] = {key}
    for row in rows:
        if row[0] == CONTAINED:
            _add_contained(naming, row, keys)
    return keys


def _add_contained(naming: Naming, row: IndexRow, keys: Keys) -> None:
    owner = contained_type(row[1])
    mark = (naming.parameter(MARK, TOKEN, owner), "", naming.system(""), 0)
    keys.setdefault(TOKEN, set()).add(mark)
    for family, own in keys_of(naming, owner, row[4]).items():
        keys.setdefault(family, set()).update(own)


def words_of(rows: Sequence[IndexRow]) -> tuple[str, ...]:
    """Return what a resource's rows say for each column of table `words`."""
    return tuple(next((row[3] for row in rows if row[:2] == (TEXT, name)), "") for name in TEXT_COLUMNS)


_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(dict[int, dict[int, list[tuple[Any, ...]]]]).decode


def pack(keys: Keys) -> str:
    """Return the keys as JSON: `{family: {p: [[columns ..., element], ...]}}`, so that SQL can ask for `$."p"`."""
    packed: dict[int, dict[int, list[Key]]] = {}
    for family, family_keys in keys.items():
        parameters: dict[int, list[Key]] = {}
        packed[family] = parameters
        for key in family_keys:
            if key[0] in parameters:
                parameters[key[0]].append(key[1:])
            else:
                parameters[key[0]] = [key[1:]]
    return _encode(packed).decode()


def unpack(content: str) -> Keys:
    """Return the keys that `pack` packed."""
    return {
        family: {(p, *columns) for p, listed in parameters.items() for columns in listed}
        for family, parameters in _decode(content).items()
    }
