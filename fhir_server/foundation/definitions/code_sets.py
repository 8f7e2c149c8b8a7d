"""Expand the required value sets that enumerate their codes.

Spec: terminologies.html#required, valueset.html#expansion
"""

from collections.abc import Iterable
from typing import Any

Resource = dict[str, Any]
Codes = dict[str, list[str]]
PREFIX = "http://hl7.org/fhir/ValueSet/"


class CodeSets:
    """Expand value sets by canonical; remember under which short name each was asked."""

    def __init__(self, code_systems: Iterable[Resource], value_sets: Iterable[Resource]) -> None:
        self._code_systems = {resource["url"]: resource for resource in code_systems}
        self._value_sets = {resource["url"]: resource for resource in value_sets}
        self._named: dict[str, Codes] = {}

    def name(self, canonical: str) -> str:
        """Return the short name of a value set, or "" when it does not enumerate its codes (UCUM, MIME types ...)."""
        url = canonical.partition("|")[0]
        codes = self._expand(url)
        if not codes:
            return ""
        name = url.removeprefix(PREFIX)
        self._named[name] = codes
        return name

    def named(self) -> dict[str, Codes]:
        """Return short name -> system -> codes, for the value sets asked so far."""
        return dict(sorted(self._named.items()))

    def _expand(self, url: str) -> Codes | None:
        compose = self._value_sets.get(url, {}).get("compose")
        if compose is None or "exclude" in compose:
            return None
        codes: Codes = {}
        for include in compose["include"]:
            part = self._include(include)
            if part is None:
                return None
            for system, listed in part.items():
                codes[system] = sorted({*codes.get(system, ()), *listed})
        return codes

    def _include(self, include: Resource) -> Codes | None:
        if "filter" in include or ("system" in include and "valueSet" in include):
            return None
        if "concept" in include:
            return {include["system"]: [concept["code"] for concept in include["concept"]]}
        if "system" in include:
            code_system = self._code_systems.get(include["system"], {})
            complete = code_system.get("content") == "complete"
            return {include["system"]: list(walk(code_system.get("concept", ())))} if complete else None
        codes: Codes = {}
        for url in include["valueSet"]:
            part = self._expand(url.partition("|")[0])
            if part is None:
                return None
            codes |= part
        return codes


def walk(concepts: Iterable[Resource]) -> Iterable[str]:
    """Yield the codes of a hierarchy of concepts."""
    for concept in concepts:
        yield concept["code"]
        yield from walk(concept.get("concept", ()))
