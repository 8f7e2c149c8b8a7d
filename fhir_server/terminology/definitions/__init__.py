"""The terminology of FHIR R4 4.0.1, HL7 v2 and v3 tables among it: written by `compile.py`, see `source.json`.

Spec: terminologies-systems.html, terminologies-valuesets.html, terminologies-conceptmaps.html

Each table is canonical -> row, one row a line, decoded when it is asked for. Definitions of concepts are left out:
the package itself has them.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Any, Final

import msgspec

CODE_SYSTEMS: Final = "code_systems.json"
VALUE_SETS: Final = "value_sets.json"
CONCEPT_MAPS: Final = "concept_maps.json"
SOURCE: Final = "source.json"
CONTENTS: Final = {"c": "complete", "e": "example", "f": "fragment", "n": "not-present", "s": "supplement"}
_TABLES: Final = {"CodeSystem": CODE_SYSTEMS, "ValueSet": VALUE_SETS, "ConceptMap": CONCEPT_MAPS}


def content(name: str) -> bytes:
    """Return the JSON text of one table."""
    return files(__name__).joinpath(name).read_bytes()


@cache
def table(name: str) -> dict[str, msgspec.Raw]:
    """Return one table, its rows still as JSON text."""
    return msgspec.json.decode(content(name), type=dict[str, msgspec.Raw])


@cache
def system_oids() -> Mapping[str, str]:
    """Return OID -> URL of the code systems of the specification."""
    rows = ((url, msgspec.json.decode(row)) for url, row in table(CODE_SYSTEMS).items())
    return {row["o"]: url for url, row in rows if "o" in row}


def resolve(canonical: str, resource_type: str) -> dict[str, Any] | None:
    """Return the CodeSystem, ValueSet or ConceptMap that `url` or `url|version` names, as far as the tables have it."""
    url, _, version = canonical.partition("|")
    found = table(_TABLES[resource_type]).get(url) if resource_type in _TABLES else None
    if found is None:
        return None
    row = msgspec.json.decode(found)
    return _EXPAND[resource_type](url, row) if version in ("", row.get("v", "")) else None


class _Row(msgspec.Struct, frozen=True):
    """What a row of a code system says, but for its concepts."""

    v: str = ""
    t: str = "c"
    h: str = ""


def code_systems() -> Iterator[dict[str, Any]]:
    """Yield every code system of the tables without its concepts."""
    for url, raw in table(CODE_SYSTEMS).items():
        row = msgspec.json.decode(raw, type=_Row)
        yield {"url": url, "version": row.v, "content": CONTENTS[row.t], "hierarchyMeaning": row.h}


def concept_maps() -> Iterator[dict[str, Any]]:
    """Yield every concept map of the tables."""
    return (_concept_map(url, msgspec.json.decode(row)) for url, row in table(CONCEPT_MAPS).items())


def _resource(resource_type: str, url: str, row: Mapping[str, Any]) -> dict[str, Any]:
    named = {"resourceType": resource_type, "url": url, "name": row.get("n", ""), "status": "active"}
    return named | ({"version": row["v"]} if "v" in row else {})


def _code_system(url: str, row: Mapping[str, Any]) -> dict[str, Any]:
    resource = _resource("CodeSystem", url, row) | {"content": CONTENTS[row.get("t", "c")]}
    if "s" in row:
        resource["caseSensitive"] = row["s"]
    if "h" in row:
        resource["hierarchyMeaning"] = row["h"]
    return resource | {"concept": list(_concepts(row.get("c", ())))}


def _concepts(rows: list[Any]) -> Iterator[dict[str, Any]]:
    for row in rows:
        code, display, properties, nested, designations = row + [None] * (5 - len(row))
        concept: dict[str, Any] = {"code": code}
        if display:
            concept["display"] = display
        if properties:
            concept["property"] = [{"code": name, kind: value} for name, kind, value in properties]
        if designations:
            concept["designation"] = [{"language": language, "value": value} for language, value in designations]
        if nested:
            concept["concept"] = list(_concepts(nested))
        yield concept


def _value_set(url: str, row: Mapping[str, Any]) -> dict[str, Any]:
    compose = {part: [_part(found) for found in row[short]] for part, short in _PARTS.items() if short in row}
    return {**_resource("ValueSet", url, row), **({"compose": compose} if compose else {})}


_PARTS: Final = {"include": "i", "exclude": "x"}


def _part(row: Any) -> dict[str, Any]:
    """Return an include: its system alone is written as text, a list of codes as codes and [code, display]."""
    if isinstance(row, str):
        return {"system": row}
    if "concept" not in row:
        return {**row}
    listed = (found if isinstance(found, list) else [found] for found in row["concept"])
    return {**row, "concept": [dict(zip(("code", "display"), found, strict=False)) for found in listed]}


def _concept_map(url: str, row: Mapping[str, Any]) -> dict[str, Any]:
    return {**_resource("ConceptMap", url, row), **row["m"]}


_EXPAND: Final = {"CodeSystem": _code_system, "ValueSet": _value_set, "ConceptMap": _concept_map}
