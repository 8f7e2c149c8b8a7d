"""Compiled facts of FHIR R4 4.0.1: tables written by `compile.py` from the official CC0 package, see `source.json`."""

from functools import cache
from importlib.resources import files
from typing import Final

import msgspec

STRUCTURES: Final = "structures.json"
CODE_SETS: Final = "code_sets.json"
SEARCH_PARAMETERS: Final = "search_parameters.json"
COMPARTMENTS: Final = "compartments.json"
INVARIANTS: Final = "invariants.json"
SOURCE: Final = "source.json"


def content(name: str) -> bytes:
    """Return the JSON text of one table."""
    return files(__name__).joinpath(name).read_bytes()


@cache
def table(name: str) -> dict[str, msgspec.Raw]:
    """Return one table, its rows still as JSON text: each is decoded by whoever needs it."""
    return msgspec.json.decode(content(name), type=dict[str, msgspec.Raw])
