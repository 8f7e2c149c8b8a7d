"""Fields: what a resource and its index rows are as a document, and the names of everything in it.

A document of `resource` is the current version: `_id` Type/id, `t` type, `i` id, `v` version, `u` instant in
microseconds, `z` whether it is deleted, `d` depositor, `o` order of creation, `b` content; and what is searched:

- `c`: the shard key, see `shard_of`, and `p`: the keys of all patients that are referred to;
- `r`: the rows by `family_parameter`, each a document of its columns (COLUMNS);
- `g`: the rows of composites by element, so that one `$elemMatch` asks for a whole element;
- `q`: the contained resources, each with `t`, `i`, and its own `r` and `g`;
- `x`: keys of what is asked by equality or prefix, `n`: intervals and points, `w`: words; what indexes hold;
- `e`: true when the resource has relations, which have a collection of their own; `j`: audit entries that wait.

A document of `history` is an older version: `k` Type/id, `y` the instant of its successor, and the fields above to `b`.
"""

import sys
from collections.abc import Iterable, Sequence
from functools import lru_cache
from hashlib import blake2b
from typing import Any, Final

from fhir_server.foundation.dates import from_microseconds, microseconds
from fhir_server.foundation.resource import Version
from fhir_server.search.index_row import (
    COLUMNS,
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

Document = dict[str, Any]

SHORT: Final[dict[str, str]] = {
    "system": "s",
    "code": "c",
    "folded": "f",
    "exact": "e",
    "low": "l",
    "high": "h",
    "target_type": "t",
    "target_id": "i",
    "version": "v",
    "value": "u",
    "compartment_id": "p",
    "actor": "a",
    "patient_id": "p",
    "latitude": "y",
    "longitude": "x",
}
"""The name of each column in a row's document."""

KEYED: Final[dict[int, str]] = {
    TOKEN: "code",
    STRING: "folded",
    URI: "value",
    COMPARTMENT: "compartment_id",
    REFERENCE: "target_id",
}
"""The column that follows the parameter (or the target type) in a key of `x`."""

INTERVALS: Final = frozenset((DATE, NUMBER, QUANTITY, POSITION))
KEY_CHARACTERS: Final = 200
"""A longer value is cut in its key, which then finds more; the rows decide."""
SHARED: Final = 0
"""The shard key of what concerns several patients."""

_NESTED: Final = frozenset((TEXT, CONTAINED))
_NAMES: Final = {
    family: tuple(SHORT[name] for name in names) for family, names in COLUMNS.items() if family not in _NESTED
}
_VERSION: Final = ("t", "i", "v", "u", "b", "z", "d")
SHOWN: Final[dict[str, int]] = {"_id": 0, **dict.fromkeys((*_VERSION, "c"), 1)}
"""The projection that `version_of` needs; the shard key tells where to look next time."""


@lru_cache(maxsize=10_000)
def row_field(family: int, parameter: str) -> str:
    """Return the name, below `r`, of the rows of a family and parameter."""
    return f"{family}_{parameter.replace('.', '_').replace('$', '~')}"


def key_of(family: int, parameter: str, value: str, target_type: str = "") -> str:
    """Return the key of `x`; that of a reference to this server's resources is never cut: lookups join by it."""
    if family == REFERENCE:
        return f"{family}_{parameter}>{target_type}/{value if target_type else value[:KEY_CHARACTERS]}"
    return f"{family}_{parameter}>{value[:KEY_CHARACTERS]}"


def shard_key(reference: str) -> int:
    """Return the shard key of a patient, or of a resource of its own: never SHARED."""
    return int.from_bytes(blake2b(reference.encode(), digest_size=8).digest(), "big", signed=True) or 1


def patients_of(resource_type: str, resource_id: str, rows: Iterable[IndexRow]) -> set[str]:
    """Return the ids of the patients that are referred to, whatever the parameter, or in whose compartment it is."""
    patients = {resource_id} if resource_type == "Patient" else set()
    for row in rows:
        if row[0] == REFERENCE and row[3] == "Patient":
            patients.add(row[4])
        elif row[0] == COMPARTMENT and row[1] == "Patient":
            patients.add(row[3])
    return patients


def shard_of(reference: str, patients: Sequence[int]) -> int:
    """Return the shard key: that of the one patient; the resource's own without one, SHARED for several.

    So whoever asks for what refers to a patient, or is in the patient's compartment, asks two values at most.
    """
    if not patients:
        return shard_key(reference)
    return patients[0] if len(patients) == 1 else SHARED


def fields_of(resource_type: str, resource_id: str, rows: Sequence[IndexRow]) -> Document:
    """Return the fields that rows make: `c`, and those of p, r, g, q, x, n, w, e that there is something for."""
    patients = sorted(shard_key(f"Patient/{patient}") for patient in patients_of(resource_type, resource_id, rows))
    own = list(dict.fromkeys(rows))
    contained = [row for row in own if row[0] == CONTAINED]
    words: list[str] = []
    for row in own:
        if row[0] == TEXT:
            words += [f"{row[1]}>", *(f"{row[1]}>{word}" for word in dict.fromkeys(row[3].split()))]
    parts = {
        "p": patients,
        **_listed(own),
        "q": [{"t": row[1], "i": row[3], **_listed(row[4])} for row in contained],
        "x": sorted({*_keys(own), *(key for row in contained for key in _contained_keys(row))}),
        "n": [
            {"k": row_field(row[0], row[1]), "l": finite(row[3]), "h": finite(row[4])}
            for row in own
            if row[0] in INTERVALS
        ],
        "w": words,
        "e": any(row[0] == RELATION for row in own),
    }
    fields = {name: part for name, part in parts.items() if part}
    return {"c": shard_of(f"{resource_type}/{resource_id}", patients), **fields}


def _listed(rows: Iterable[IndexRow]) -> Document:
    """Return `r` and `g`."""
    by_field: dict[str, list[Document]] = {}
    elements: dict[int, dict[str, list[Document]]] = {}
    for row in rows:
        if row[0] in _NESTED:
            continue
        name, shown = row_field(row[0], row[1]), _shown(row)
        by_field.setdefault(name, []).append(shown)
        if row[2] > 0:
            elements.setdefault(row[2], {}).setdefault(name, []).append(shown)
    return {"r": by_field, "g": list(elements.values())} if elements else {"r": by_field}


def contained_key(resource_type: str, key: str = "") -> str:
    """Return the key of `x` that what contains a resource of the type, with this key, has."""
    return f"{resource_type}#{key}"


def _contained_keys(row: IndexRow) -> list[str]:
    return [contained_key(row[1]), *(contained_key(row[1], key) for key in _keys(row[4]))]


def _keys(rows: Iterable[IndexRow]) -> set[str]:
    return {_key(row) for row in rows if row[0] in KEYED}


_GREATEST: Final = sys.float_info.max


def finite(value: Any) -> Any:
    """Return the value, the greatest or smallest float instead of an infinity: a cursor, which is JSON, has none."""
    if not isinstance(value, float) or -_GREATEST <= value <= _GREATEST:
        return value
    return _GREATEST if value > 0 else -_GREATEST


def _shown(row: IndexRow) -> Document:
    shown = dict(zip(_NAMES[row[0]], map(finite, row[3:]), strict=True))
    if row[0] == REFERENCE and row[3]:
        shown["k"] = f"{row[3]}/{row[4]}"
    return shown


def _key(row: IndexRow) -> str:
    if row[0] == REFERENCE:
        return key_of(REFERENCE, row[1], row[4], row[3])
    return key_of(row[0], row[1], row[4 if row[0] == TOKEN else 3])


def relations_of(reference: str, rows: Sequence[IndexRow]) -> list[Document]:
    """Return the documents of `relation`: `o` whose they are, `g` ground, and the columns."""
    own = (row for row in dict.fromkeys(rows) if row[0] == RELATION)
    return [{"o": reference, "g": row[1], **_shown(row)} for row in own]


def document_of(version: Version, rows: Sequence[IndexRow]) -> Document:
    """Return the document of a current version, but for its order of creation."""
    return {
        "_id": version.reference,
        "t": version.resource_type,
        "i": version.resource_id,
        "v": version.version_id,
        "u": microseconds(version.last_updated),
        "z": version.is_deleted,
        "d": version.depositor,
        "b": version.content,
        **fields_of(version.resource_type, version.resource_id, rows),
    }


def version_of(document: Document) -> Version:
    """Return the version of a document of `resource` or `history`."""
    return Version(
        document["t"],
        document["i"],
        document["v"],
        from_microseconds(document["u"]),
        document["b"],
        document["z"],
        document["d"],
    )
