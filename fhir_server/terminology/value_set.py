"""Value sets: whether a code is a member, and which codes are, in the order of the definition.

Spec: valueset.html#compositions, valueset-operation-validate-code.html

Membership has three answers: True, False, and None for "could not be checked". It is asked of the definition, code
by code; nothing is expanded for it.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, Protocol

import msgspec

from fhir_server.foundation.operation_outcome import FhirError, TooCostly, Unprocessable
from fhir_server.terminology.code_system import CodeSystem, Concept, Designation, designated, designations
from fhir_server.terminology.compose_filter import Test, filter_test
from fhir_server.terminology.systems import OID, system_url

MAX_NESTING: Final = 16
"""Levels of value sets that include each other."""
MAX_EXAMINED: Final = 10_000_000
"""Concepts that one expansion may hold against includes, filters and excludes, each time counted."""
MAX_INCLUDED: Final = 1_000
"""Value sets that one may include, through others too."""

Definition = Mapping[str, Any]
Grammar = Callable[[str], bool | None]
"""Whether a code is one of its system; None when it may be."""


class Unexpandable(Unprocessable):
    """The codes of a value set cannot be enumerated here."""

    code = "not-found"


class Sources(Protocol):
    """Where value sets find what they are made of; canonicals may carry `|version`. None means unknown."""

    def code_system(self, canonical: str) -> CodeSystem | None:
        """Return a code system."""
        ...

    def value_set(self, canonical: str) -> Definition | None:
        """Return a ValueSet resource."""
        ...

    def grammar(self, system: str) -> "Grammar | None":
        """Return the test of a system whose codes are defined by a grammar."""
        ...


class Member(msgspec.Struct, frozen=True):
    """Hold one code of a value set; `parents` are those that the code system gives it."""

    system: str
    code: str
    display: str = ""
    version: str = ""
    is_abstract: bool = False
    is_inactive: bool = False
    designations: tuple[Designation, ...] = ()
    parents: tuple[str, ...] = ()

    def shown(self, language: str) -> str:
        """Return the display in a language, or as the value set has it."""
        return designated(self.designations, language) or self.display


class Expanding(msgspec.Struct):
    """Hold what one expansion looks for, and how much it may still look at."""

    text: str = ""
    left: int = MAX_EXAMINED

    def charge(self, count: int) -> None:
        """Count what is looked at; raise TooCostly (403) when it is too much."""
        self.left -= count
        if self.left < 0:
            raise TooCostly("The value set asks too much of too many codes: write fewer includes and filters.")


class ValueSet:
    """Answer about the members of one ValueSet resource; `outer` is the one that includes it.

    What is found on the way is kept, nested value sets as well: their number is bounded, so that no web of includes
    makes an answer slow.
    """

    def __init__(self, definition: Definition, sources: Sources, outer: "ValueSet | None" = None) -> None:
        self._definition = definition
        self._sources = sources
        self.url = str(definition.get("url", ""))
        self._path: tuple[str, ...] = (*outer._path, self.url) if outer else (self.url,)
        self._count: list[str] = outer._count if outer else []
        self._compose: Definition = definition.get("compose") or {}
        self._included_sets: dict[str, ValueSet] = {}
        self._filters: dict[int, list[Test]] = {}
        self._lists: dict[int, frozenset[str]] = {}

    def contains(self, system: str, code: str) -> bool | None:
        """Tell whether a code is a member; `system` "" stands for any, as in an element of type code."""
        included = _any(self._selects(part, system, code) for part in self._parts("include"))
        if included is None or (included is False and not self._compose):
            return self._listed(system, code)
        excluded = _any(self._selects(part, system, code) for part in self._parts("exclude"))
        answer = _all((included, None if excluded is None else not excluded))
        if answer and self._compose.get("inactive") is False:
            return self._is_active(system, code)
        return answer

    def code_system(self, system: str, code: str) -> CodeSystem | None:
        """Return the code system that a member is of, in the version that its include names; None: not here."""
        for part in self._parts("include"):
            if self._selects(part, system, code):
                named = [self._sources.code_system(_canonical(part))] if "system" in part else []
                nested = (self._nested(url).code_system(system, code) for url in part.get("valueSet", ()))
                if found := next(filter(None, (*named, *nested)), None):
                    return found
        return self._sources.code_system(system)

    def displays(self, system: str, code: str) -> Iterator[str]:
        """Yield the displays that the definition itself gives to a code."""
        for part in self._parts("include"):
            is_meant = system_url(part.get("system", "")) == system_url(system)
            for listed in part.get("concept", ()) if is_meant else ():
                if listed.get("code") == code and "display" in listed:
                    yield listed["display"]

    def members(self, text: str = "") -> Iterator[Member]:
        """Yield the members, each once; raise Unexpandable (422) when something they are made of is not here.

        With a text, members that do not hold its words may be left out, where that is quicker. Raises TooCostly (403).
        """
        return self._members(Expanding(text))

    def _members(self, expanding: Expanding) -> Iterator[Member]:
        if not self._compose:
            yield from self._expansion()
            return
        seen: set[tuple[str, str]] = set()
        only_active = self._compose.get("inactive") is False
        excluded, cost = self._excluded(), 1 + len(list(self._parts("exclude")))
        for part in self._parts("include"):
            for member in self._included(part, expanding):
                key = (member.system, member.code)
                expanding.charge(cost)
                if key not in seen and not (only_active and member.is_inactive) and not excluded(*key):
                    seen.add(key)
                    yield member

    def _parts(self, name: str) -> Iterable[Definition]:
        return self._compose.get(name) or ()

    def _excluded(self) -> Callable[[str, str], bool]:
        parts = list(self._parts("exclude"))

        def test(system: str, code: str) -> bool:
            answer = _any(self._selects(part, system, code) for part in parts)
            if answer is None:
                raise Unexpandable(f"Whether {self.url} excludes {code!r} of {system} could not be checked.")
            return answer

        return test

    def _selects(self, part: Definition, system: str, code: str) -> bool | None:
        """Tell whether one include or exclude selects a code: all its conditions hold."""
        answers: list[bool | None] = []
        if "system" in part:
            if system and system != part["system"] and system_url(system) != system_url(part["system"]):
                return self._perhaps(part, system, code)
            answers.append(self._selected(part, code))
        answers.extend(self._nested(url).contains(system, code) for url in part.get("valueSet", ()))
        return _all(answers) if answers else False

    def _perhaps(self, part: Definition, system: str, code: str) -> bool | None:
        """Return None when a part of another system may select a code after all.

        An OID and a URL may name one system. Unless both are here and thus known to differ, a code that the part has
        under the other name is not refused: it could not be checked.
        """
        other = part["system"]
        if other.startswith(OID) is system.startswith(OID):
            return False
        if self._sources.code_system(other) and self._sources.code_system(system):
            return False
        return False if self._selected(part, code) is False else None

    def _selected(self, part: Definition, code: str) -> bool | None:
        if "concept" in part:
            listed = self._codes(part)
            if code in listed:
                return True
            code_system = self._sources.code_system(_canonical(part))
            concept = code_system.find(code) if code_system else None
            return concept is not None and concept.code in listed
        grammar = self._sources.grammar(part["system"])
        if grammar and not part.get("filter"):
            return grammar(code)
        code_system = self._sources.code_system(_canonical(part))
        if code_system is None:
            return None
        return self._passes(code_system, part, code)

    def _passes(self, code_system: CodeSystem, part: Definition, code: str) -> bool | None:
        concept = code_system.find(code)
        if concept is None:
            return code_system.contains(code)
        try:
            passes = all(test(concept) for test in self._tests(code_system, part))
        except FhirError:
            return None
        return passes or (False if code_system.is_complete else None)

    def _codes(self, part: Definition) -> frozenset[str]:
        if id(part) not in self._lists:
            self._lists[id(part)] = frozenset(concept.get("code", "") for concept in part["concept"])
        return self._lists[id(part)]

    def _tests(self, code_system: CodeSystem, part: Definition) -> list[Test]:
        if id(part) not in self._filters:
            self._filters[id(part)] = [filter_test(code_system, found) for found in part.get("filter", ())]
        return self._filters[id(part)]

    def _nested(self, canonical: str) -> "ValueSet":
        if canonical not in self._included_sets:
            self._included_sets[canonical] = self._opened(canonical)
        return self._included_sets[canonical]

    def _opened(self, canonical: str) -> "ValueSet":
        url = canonical.partition("|")[0]
        if url in self._path or len(self._path) > MAX_NESTING or len(self._count) >= MAX_INCLUDED:
            return _Endless({"url": canonical}, self._sources)
        self._count.append(url)
        definition = self._contained(canonical) or self._sources.value_set(canonical)
        return ValueSet({"url": canonical} if definition is None else definition, self._sources, self)

    def _contained(self, canonical: str) -> Definition | None:
        found = (one for one in self._definition.get("contained", ()) if f"#{one.get('id')}" == canonical)
        return next(({**one, "url": canonical} for one in found if one.get("resourceType") == "ValueSet"), None)

    def _listed(self, system: str, code: str) -> bool | None:
        """Tell from the stored expansion, which is there or not."""
        expansion = self._definition.get("expansion")
        if expansion is None:
            return None
        listed = list(_listing(expansion.get("contains", ())))
        if any(found.code == code and system in ("", found.system) for found in listed):
            return True
        return False if expansion.get("total", len(listed)) == len(listed) and not expansion.get("parameter") else None

    def _expansion(self) -> Iterator[Member]:
        expansion = self._definition.get("expansion")
        if expansion is None:
            named = self.url or "that was sent"
            raise Unexpandable(f"The value set {named} is not known here, or says nothing of its codes.")
        yield from _listing(expansion.get("contains", ()))

    def _is_active(self, system: str, code: str) -> bool | None:
        code_system = self.code_system(system, code)
        concept = code_system.find(code) if code_system else None
        return None if concept is None else not concept.is_inactive

    def _included(self, part: Definition, expanding: Expanding) -> Iterator[Member]:
        urls = part.get("valueSet", ())
        if "system" not in part and not urls:
            return
        members = self._of_system(part, expanding) if "system" in part else self._nested(urls[0])._members(expanding)
        others = [self._nested(url) for url in (urls if "system" in part else urls[1:])]
        for member in members:
            expanding.charge(len(others))
            answer = _all(other.contains(member.system, member.code) for other in others)
            if answer is None:
                raise Unexpandable(f"Whether {member.code!r} is in all of {', '.join(urls)} could not be checked.")
            if answer:
                yield member

    def _of_system(self, part: Definition, expanding: Expanding) -> Iterator[Member]:
        code_system = self._sources.code_system(_canonical(part))
        if "concept" in part:
            yield from (_of_list(part, found, code_system) for found in part["concept"])
            return
        if code_system is None and self._sources.grammar(part["system"]):
            told = "validate codes one by one, or name the codes that are wanted."
            raise Unexpandable(f"The codes of {part['system']} are made by a grammar, without an end: {told}")
        if code_system is None:
            raise Unexpandable(f"The code system {_canonical(part)} is not here: add a package that holds it.")
        if not code_system.is_complete:
            if not code_system.concepts:
                raise Unexpandable(f"Of the code system {code_system.url} only its name is here: import its concepts.")
            raise Unexpandable(f"Only a part of {code_system.url} is here ({code_system.content}): it has more codes.")
        tests = self._tests(code_system, part)
        for concept in code_system.candidates(part.get("filter", ()), expanding.text):
            expanding.charge(1 + len(tests))
            if all(test(concept) for test in tests):
                yield _of_concept(code_system, concept)


class _Endless(ValueSet):
    """Stand for a value set that includes itself, or more than the bounds allow."""

    def contains(self, system: str, code: str) -> bool | None:
        return None

    def _members(self, expanding: Expanding) -> Iterator[Member]:
        raise TooCostly(f"The value set {self.url} includes itself, or too many others.")


def _canonical(part: Definition) -> str:
    version = part.get("version", "*")
    return str(part["system"]) if version == "*" else f"{part['system']}|{version}"


def _of_concept(code_system: CodeSystem, concept: Concept) -> Member:
    return Member(
        code_system.url,
        concept.code,
        concept.display,
        code_system.version,
        concept.is_abstract,
        concept.is_inactive,
        concept.designations,
        concept.parents,
    )


def _of_list(part: Definition, listed: Mapping[str, Any], code_system: CodeSystem | None) -> Member:
    concept = code_system.find(listed["code"]) if code_system else None
    if code_system is None or concept is None:
        known = Member(part["system"], listed["code"], version=part.get("version", ""))
    else:
        known = _of_concept(code_system, concept)
    return msgspec.structs.replace(
        known,
        display=listed.get("display") or known.display,
        designations=designations(listed) + known.designations,
    )


def _listing(contains: Iterable[Mapping[str, Any]]) -> Iterator[Member]:
    for found in contains:
        if "code" in found:
            yield Member(
                found.get("system", ""),
                found["code"],
                found.get("display", ""),
                found.get("version", ""),
                found.get("abstract") is True,
                found.get("inactive") is True,
                designations(found),
            )
        yield from _listing(found.get("contains", ()))


def _any(answers: Iterable[bool | None]) -> bool | None:
    answer: bool | None = False
    for found in answers:
        if found:
            return True
        answer = None if found is None else answer
    return answer


def _all(answers: Iterable[bool | None]) -> bool | None:
    answer: bool | None = True
    for found in answers:
        if found is False:
            return False
        answer = None if found is None else answer
    return answer
