"""Compile the terminology of the official FHIR package into the tables of this folder.

Run: `python -m fhir_server.terminology.definitions.compile hl7.fhir.r4.core-4.0.1.tgz`

Spec: codesystem.html, valueset.html, conceptmap.html
"""

import hashlib
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from fhir_server.foundation.definitions.compile import read_package, text
from fhir_server.terminology.definitions import CODE_SYSTEMS, CONCEPT_MAPS, CONTENTS, SOURCE, VALUE_SETS

Resource = dict[str, Any]

KEPT: Final = frozenset({"notSelectable", "abstract", "status", "inactive", "parent", "child", "subsumedBy"})
"""The properties that membership depends on."""
IDLE: Final = frozenset({"active", "deprecated"})
"""The states of a concept that change nothing."""
LANGUAGES: Final = frozenset({"fr"})
MAX_DISPLAYED: Final = 500
"""Codes of one list above which displays are left out: two lists of breeds and documents would fill half a table."""
DROPPED: Final = frozenset({"extension", "id", "display", "comment", "text", "_display"})
_CONTENT: Final = {content: letter for letter, content in CONTENTS.items()}


def code_system(resource: Resource) -> Resource:
    """Return the row of a CodeSystem: v version, n name, t content, s caseSensitive, h hierarchy, o OID, c concepts."""
    row = named(resource)
    facts = {
        "t": _CONTENT[resource["content"]] if resource["content"] != "complete" else None,
        "s": resource.get("caseSensitive"),
        "h": resource.get("hierarchyMeaning"),
        "o": oid(resource),
        "c": [concept(found) for found in resource.get("concept", ())],
    }
    return row | {name: value for name, value in facts.items() if value is not None}


def named(resource: Resource) -> Resource:
    """Return the version and the name of a resource."""
    return {short: resource[name] for short, name in (("v", "version"), ("n", "name")) if name in resource}


def oid(resource: Resource) -> str | None:
    """Return the OID of a code system without its prefix."""
    found = (identifier.get("value", "") for identifier in resource.get("identifier", ()))
    return next((value.removeprefix("urn:oid:") for value in found if value.startswith("urn:oid:")), None)


def concept(found: Resource) -> list[Any]:
    """Return [code, display, properties, nested concepts, designations] without the empty end."""
    row: list[Any] = [
        found["code"],
        found.get("display"),
        [kept for kept in properties(found) if kept[0] in KEPT and kept[2] not in IDLE] or None,
        [concept(nested) for nested in found.get("concept", ())] or None,
        [
            [designation["language"], designation["value"]]
            for designation in found.get("designation", ())
            if designation.get("language", "").partition("-")[0] in LANGUAGES
        ]
        or None,
    ]
    while row[-1] is None:
        row.pop()
    return row


def properties(found: Resource) -> Iterator[list[Any]]:
    """Yield [code, name of the value element, value]."""
    for one in found.get("property", ()):
        yield from ([one["code"], name, value] for name, value in one.items() if name.startswith("value"))


def value_set(resource: Resource, displays: Mapping[str, Mapping[str, str]]) -> Resource:
    """Return the row of a ValueSet: i include, x exclude; displays of a code system here are left out."""
    compose = resource.get("compose", {})
    parts = (("i", "include"), ("x", "exclude"))
    return named(resource) | {
        short: [include(found, displays) for found in compose[name]] for short, name in parts if name in compose
    }


def include(part: Resource, displays: Mapping[str, Mapping[str, str]]) -> Any:
    """Return an include, or its system when there is no more to say."""
    row = without(part, DROPPED)
    if set(row) == {"system"}:
        return row["system"]
    if "concept" in part:
        known = displays.get(part["system"], {})
        is_short = len(part["concept"]) <= MAX_DISPLAYED
        row["concept"] = [listed(found, known) if is_short else found["code"] for found in part["concept"]]
    return row


def listed(found: Resource, known: Mapping[str, str]) -> Any:
    """Return a code, with its display when the code system does not say the same."""
    display = found.get("display")
    return found["code"] if display in (None, known.get(found["code"])) else [found["code"], display]


def concept_map(resource: Resource) -> Resource:
    """Return the row of a ConceptMap: its ends and groups, without displays and comments."""
    ends = {name: value for name, value in resource.items() if name.startswith(("source", "target"))}
    return named(resource) | {"m": ends | {"group": without(resource.get("group", []), DROPPED)}}


def without(value: Any, names: frozenset[str]) -> Any:
    """Return a copy of a tree without the members of some names."""
    if isinstance(value, list):
        return [without(found, names) for found in value]
    if isinstance(value, dict):
        return {name: without(found, names) for name, found in value.items() if name not in names}
    return value


def all_displays(code_systems: Iterable[Resource]) -> dict[str, dict[str, str]]:
    """Return system -> code -> display."""
    displays: dict[str, dict[str, str]] = {}
    for resource in code_systems:
        waiting = list(resource.get("concept", ()))
        known = displays.setdefault(resource["url"], {})
        while waiting:
            found = waiting.pop()
            known[found["code"]] = found.get("display", "")
            waiting.extend(found.get("concept", ()))
    return displays


def tables(path: Path) -> dict[str, dict[str, Any]]:
    """Return file name -> table of everything that a package says of terminology."""
    kinds: dict[str, list[Resource]] = {"CodeSystem": [], "ValueSet": [], "ConceptMap": []}
    for resource in read_package(path):
        if resource["resourceType"] in kinds:
            kinds[resource["resourceType"]].append(resource)
    for found in kinds.values():
        found.sort(key=lambda resource: str(resource["url"]))
    displays = all_displays(kinds["CodeSystem"])
    package, _, version = path.stem.rpartition("-")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return {
        CODE_SYSTEMS: {found["url"]: code_system(found) for found in kinds["CodeSystem"]},
        VALUE_SETS: {found["url"]: value_set(found, displays) for found in kinds["ValueSet"]},
        CONCEPT_MAPS: {found["url"]: concept_map(found) for found in kinds["ConceptMap"]},
        SOURCE: {"package": package, "version": version, "sha256": digest, "license": "CC0-1.0"},
    }


def written(name: str, rows: dict[str, Any]) -> bytes:
    """Return the text of a table, or the small source.json."""
    return msgspec.json.format(msgspec.json.encode(rows)) + b"\n" if name == SOURCE else text(rows)


def main(path: Path) -> None:
    """Write every table, and beside them where they come from."""
    for name, rows in tables(path).items():
        Path(__file__).with_name(name).write_bytes(written(name, rows))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
