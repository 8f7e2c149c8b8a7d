"""Where each value of the Bundle is: the values of a resource and of those it refers to. Spec: references.html."""

import re
from collections.abc import Iterator
from decimal import Decimal
from html import unescape
from typing import Any

from mappings.fhir import Json

Place = tuple[str, str]
DEPTH = 4

_ABSENCE = re.compile(r"\.extension\[\d+\]\.valueCode$|\.dataAbsentReason\.coding\[\d+\]\.code$")
_TAG = re.compile(r"<[^>]*>")


class ValueIndex:
    """The values of some resources, each with the first place where it is."""

    def __init__(self) -> None:
        self.words: dict[str, Place] = {}
        self.numbers: dict[Decimal, Place] = {}
        self.truths: dict[bool, Place] = {}
        self.denials: dict[bool, Place] = {}
        self.absences: dict[str, Place] = {}
        self._spoken: list[tuple[str, Place]] = []

    def add(self, resource: Json, full_url: str) -> None:
        """Read every value of a resource."""
        own = resource if resource["resourceType"] != "Composition" else _without_text(resource)
        for path, value in _leaves(own, resource["resourceType"]):
            place = (path, full_url)
            if isinstance(value, bool):
                self.truths.setdefault(value, place)
                if path.endswith(".doNotPerform" if value else ".valueBoolean"):
                    self.denials.setdefault(value, place)
            elif isinstance(value, int | Decimal):
                self.numbers.setdefault(Decimal(value), place)
            elif isinstance(value, str):
                self.words.setdefault(value, place)
                if _ABSENCE.search(path):
                    self.absences.setdefault(value, place)

    def saying(self, number: str) -> Place | None:
        """Find the first text that holds a number as one of its words."""
        return next((place for text, place in self.words.items() if number in text.split()), None)

    def containing(self, words: str) -> Place | None:
        """Find the first text that holds those words, in capitals or not: a name is kept as it was first written."""
        if len(self._spoken) != len(self.words):
            self._spoken = [(text.casefold(), place) for text, place in self.words.items()]
        spoken = words.casefold()
        return next((place for text, place in self._spoken if spoken in text), None)


def _without_text(holder: Json) -> Json:
    """Leave the narratives of the sections out: they hold the words, not the values."""
    kept = {name: value for name, value in holder.items() if name != "text"}
    return kept | ({"section": [_without_text(inner) for inner in kept["section"]]} if "section" in kept else {})


def _leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            if name == "div":
                yield f"{path}.div", unescape(_TAG.sub(" ", inner))
            elif name != "resourceType":
                yield from _leaves(inner, f"{path}.{name}")
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _leaves(inner, f"{path}[{number}]")
    else:
        yield path, value


class Indexes:
    """The index of each resource with what it refers to, made when it is first asked for."""

    def __init__(self, bundle: Json) -> None:
        self.resources: dict[str, Json] = {entry["fullUrl"]: entry["resource"] for entry in bundle["entry"]}
        self._made: dict[str, ValueIndex] = {}
        self._header: ValueIndex | None = None
        self._bundle = bundle

    def of(self, full_url: str) -> ValueIndex:
        """Index a resource and what it reaches; the patient belongs to the header alone."""
        found = self._made.get(full_url)
        if found is None:
            found = self._made[full_url] = ValueIndex()
            self._fill(found, full_url, self.resources[full_url])
        return found

    def header(self) -> ValueIndex:
        """Index the Composition with what it reaches outside its sections, and the Bundle's own members."""
        if self._header is None:
            self._header = ValueIndex()
            full_url, composition = next(iter(self.resources.items()))
            self._fill(self._header, full_url, composition)
            own = {name: value for name, value in self._bundle.items() if name != "entry"}
            self._header.add(own, "")
        return self._header

    def everything(self) -> ValueIndex:
        """Index the whole Bundle, for what a section says of its authors and subject."""
        if "" not in self._made:
            self._made[""] = ValueIndex()
            for full_url, resource in self.resources.items():
                self._made[""].add(resource, full_url)
        return self._made[""]

    def _fill(self, index: ValueIndex, full_url: str, resource: Json) -> None:
        is_header = resource["resourceType"] == "Composition"
        level, seen = [full_url], {full_url}
        for _ in range(DEPTH + 1):
            following: list[str] = []
            for url in level:
                found = self.resources[url]
                index.add(found, url)
                read = {name: value for name, value in found.items() if name != "section"} if is_header else found
                for reference in _references(read):
                    if reference in self.resources and reference not in seen:
                        seen.add(reference)
                        if is_header or self.resources[reference]["resourceType"] != "Patient":
                            following.append(reference)
            level = following


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        reference = value.get("reference")
        if isinstance(reference, str):
            yield reference
        for inner in value.values():
            yield from _references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _references(inner)
