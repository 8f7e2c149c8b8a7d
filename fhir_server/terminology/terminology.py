"""The terminology of a server: code systems, value sets and concept maps by canonical, read when asked for.

Spec: terminology-service.html
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any, Final

from fhir_server.foundation.operation_outcome import BadRequest, NotFound, TooCostly
from fhir_server.terminology import definitions
from fhir_server.terminology.bounded_cache import BoundedCache
from fhir_server.terminology.capabilities import describe
from fhir_server.terminology.code_system import CodeSystem, Concept, Validation, judged
from fhir_server.terminology.concept_map import Between, Ends, Match, Question, ends_of, translate
from fhir_server.terminology.grammars import GRAMMARS
from fhir_server.terminology.implicit import implicit_value_set
from fhir_server.terminology.systems import system_url
from fhir_server.terminology.tables.folder import Tables
from fhir_server.terminology.value_set import Definition, Grammar, Member, Unexpandable, ValueSet

Resolve = Callable[[str, str], Mapping[str, Any] | None]
"""From `url` or `url|version` and a resource type to a resource, None when unknown; it is not changed."""
Listed = Callable[[str], Iterable[Mapping[str, Any]]]
"""From a resource type to every resource of it that `Resolve` may find."""

MAX_MEMBERS: Final = 200_000
"""Members that one expansion may have."""
MAX_EXPANDED: Final = 20_000
"""Codes that a search may be given at once: they are found while it waits."""
_KEPT_CONCEPTS: Final = 400_000
_KEPT_MEMBERS: Final = 200_000
_KEPT_VALUE_SETS: Final = 500


class Terminology:
    """Answer about codes. `grammars` are system -> test, beside those of BCP 13 and 47; UCUM's is the caller's to lend.

    Nothing is awaited: resources come from `resolve`, and what is made of them is kept within bounds until `forget`.
    Several threads may ask at once.
    """

    def __init__(
        self,
        resolve: Resolve,
        grammars: Mapping[str, Grammar] | None = None,
        listed: Listed | None = None,
        tables: Tables | None = None,
    ) -> None:
        self._resolve = resolve
        self._listed = listed
        self._tables = tables
        if tables is not None:
            tables.listeners.append(self.forget)
        self._grammars = {**GRAMMARS, **(grammars or {})}
        self._code_systems: BoundedCache[str, CodeSystem] = BoundedCache(_KEPT_CONCEPTS)
        self._value_sets: BoundedCache[str, ValueSet] = BoundedCache(_KEPT_VALUE_SETS)
        self._members: BoundedCache[str, tuple[Member, ...]] = BoundedCache(_KEPT_MEMBERS)
        self._map_ends: tuple[Ends, ...] | None = None
        self._described: Mapping[str, Any] | None = None

    def forget(self) -> None:
        """Read everything anew: to be called when a resource that `resolve` gives has changed."""
        for cache in (self._code_systems, self._value_sets, self._members):
            cache.clear()
        self._map_ends = None
        self._described = None

    def resource(self, canonical: str, resource_type: str) -> Mapping[str, Any] | None:
        """Return a terminology resource by canonical, None when it is not here.

        What `resolve` gives comes before the tables of R4.
        """
        return self._resolve(canonical, resource_type) or definitions.resolve(canonical, resource_type)

    def grammar(self, system: str) -> Grammar | None:
        """Return the test of a system whose codes are defined by a grammar."""
        return self._grammars.get(system)

    def code_system(self, canonical: str) -> CodeSystem | None:
        """Return a code system, None when it is not here; an OID stands for the URL of the same system."""
        canonical = system_url(canonical)
        tabled = self._tables.find(canonical) if self._tables is not None else None
        if tabled is not None:
            return tabled
        kept = self._code_systems.get(canonical)
        if kept is None and (resource := self.resource(canonical, "CodeSystem")) is not None:
            kept = CodeSystem(resource)
            self._code_systems.put(canonical, kept, len(kept.concepts) + 1)
        return kept

    def opened(self, resource: Mapping[str, Any]) -> CodeSystem:
        """Return the code system of a resource that somebody has at hand; of one without concepts, what is here."""
        if resource.get("content") == "not-present":
            version = resource.get("version", "")
            found = self.code_system(f"{resource.get('url')}|{version}" if version else str(resource.get("url")))
            if found is not None:
                return found
        return CodeSystem(resource)

    def value_set(self, canonical: str) -> Definition | None:
        """Return a ValueSet resource, or the implicit value set that a URL defines; None when it is neither."""
        return self.resource(canonical, "ValueSet") or implicit_value_set(canonical)

    def contains(self, value_set: str | Definition, system: str, code: str) -> bool | None:
        """Tell whether a code is in a value set; None: could not be checked. `system` "" stands for any."""
        found = self._open(value_set)
        return None if found is None else found.contains(system, code)

    def member_of(self, value_set: str, coded: str | Mapping[str, Any]) -> bool | None:
        """Tell whether a code, Coding, Quantity or one coding of a CodeableConcept is in a value set.

        Returns None when it could not be checked, False when there is no code.
        """
        if isinstance(coded, str):
            return self.contains(value_set, "", coded)
        codings = coded.get("coding") or [coded]
        answers = [
            # A Coding without a system says nothing: no value set has it.
            self.contains(value_set, coding["system"], coding["code"]) if coding.get("system") else False
            for coding in codings
            if coding.get("code")
        ]
        return True if True in answers else None if None in answers else False

    def validate_code(self, value_set: str | Definition, system: str, code: str, display: str = "") -> Validation:
        """Validate a code, and its display when one is given, against a value set."""
        found = self._open(value_set)
        url = value_set if found is None else found.url
        answer = None if found is None else found.contains(system, code)
        if found is None or not answer:
            said = "could not be checked" if answer is None else "is refused: it is not a member"
            return Validation(answer, f"The code {code!r} of {system} in {url} {said}.", system, code)
        code_system = found.code_system(system, code)
        concept = (code_system.find(code) if code_system else None) or Concept(code)
        given = tuple(found.displays(system, concept.code))
        right = Validation(True, "", system, concept.code, concept.display or "".join(given[:1]))
        return judged(right, concept, display, given)

    def code_system_of(self, value_set: str | Definition, system: str, code: str) -> CodeSystem | None:
        """Return the code system that a value set takes a code from, in the version it names; None: not here."""
        found = self._open(value_set)
        return found.code_system(system, code) if found else None

    def lookup(self, canonical: str, code: str) -> tuple[CodeSystem, Concept]:
        """Return a code system and its concept of a code; raise NotFound (404) when one of them is not here."""
        code_system = self.code_system(canonical)
        if code_system is None:
            raise NotFound(f"The code system {canonical} is not here: add a package that holds it.")
        return code_system, code_system.lookup(code)

    def validate_in_system(self, system: str, code: str, display: str = "") -> Validation:
        """Validate a code, and its display when one is given, against its code system."""
        grammar, code_system = self.grammar(system), self.code_system(system)
        if code_system is not None:
            return code_system.validate_code(code, display)
        answer = grammar(code) if grammar else None
        what = "could not be checked: the code system is not wholly here" if answer is None else "is not right"
        return Validation(answer, "" if answer else f"The code {code!r} of {system} {what}.", system, code)

    def subsumes(self, system: str, above: str, below: str) -> bool | None:
        """Tell whether `above` is `below` or one of its ancestors; None when it could not be checked."""
        code_system = self.code_system(system)
        return None if code_system is None else code_system.subsumes(above, below)

    def members(self, value_set: str | Definition, text: str = "") -> Iterator[Member]:
        """Yield the members of a value set as they are found, so that a caller may pause between two.

        With a text, members that do not hold its words may be left out.
        Raises NotFound (404) when it is not here, Unexpandable (422) when something it is made of is not, TooCostly
        (403) when it has more than MAX_MEMBERS.
        """
        self._refresh()
        key = value_set if isinstance(value_set, str) else ""
        kept = self._members.get(key) if key else None
        if kept is not None:
            yield from kept
            return
        found = self._open(value_set)
        if found is None:
            raise NotFound(f"The value set {value_set} is not here: add a package that holds it.")
        members: list[Member] = []
        for member in found.members(text):
            if len(members) >= MAX_MEMBERS:
                raise TooCostly(f"The value set {found.url} has more than {MAX_MEMBERS} codes: choose a narrower one.")
            members.append(member)
            yield member
        if key and not text:
            self._members.put(key, tuple(members), len(members) + 1)

    def expand(self, value_set: str | Definition) -> Mapping[str, Collection[str]]:
        """Return system -> codes of a value set, as a search needs them.

        Raises BadRequest (400) when it cannot be expanded here, TooCostly (403) when it has too many codes.
        """
        codes: dict[str, set[str]] = {}
        try:
            for count, member in enumerate(self.members(value_set)):
                if count >= MAX_EXPANDED:
                    raise TooCostly(f"The value set {value_set} has more than {MAX_EXPANDED} codes: choose another.")
                codes.setdefault(member.system, set()).add(member.code)
        except (NotFound, Unexpandable) as error:
            raise BadRequest(str(error)) from None
        return codes

    def below(self, system: str, code: str) -> Collection[str]:
        """Return the code and those that it subsumes; raise BadRequest (400) when the hierarchy is not known."""
        return {code} | self._hierarchy(system, code).descendants(code)

    def above(self, system: str, code: str) -> Collection[str]:
        """Return the code and those that subsume it; raise BadRequest (400) when the hierarchy is not known."""
        return {code} | self._hierarchy(system, code).ancestors(code)

    def describe(self, parameters: Iterable[str]) -> Mapping[str, Any]:
        """Return what TerminologyCapabilities tells of what is here; `parameters` are those of an expansion."""
        self._refresh()
        if self._described is None:
            stored = self._listed("CodeSystem") if self._listed is not None else ()
            self._described = describe(stored, self._tables, self._grammars, parameters)
        return self._described

    def translate(self, concept_map: str | Definition, question: Question) -> tuple[Match, ...]:
        """Return what a concept map says of a code; raise NotFound (404) when the map is not here."""
        found = self._concept_map(concept_map) if isinstance(concept_map, str) else concept_map
        if found is None:
            raise NotFound(f"The concept map {concept_map} is not here: add a package that holds it.")
        return translate(found, question, self._concept_map)

    def concept_maps(self, between: Between) -> Iterator[Definition]:
        """Yield each concept map that leads where it is asked to, by canonical."""
        if self._map_ends is None:
            listed = {ends.canonical: ends for ends in map(ends_of, definitions.concept_maps())}
            listed |= {
                ends.canonical: ends for ends in map(ends_of, self._listed("ConceptMap") if self._listed else ())
            }
            self._map_ends = tuple(listed[canonical] for canonical in sorted(listed))
        for ends in self._map_ends:
            if between.holds(ends) and (found := self._concept_map(ends.canonical)) is not None:
                yield found

    def _concept_map(self, canonical: str) -> Definition | None:
        return self.resource(canonical, "ConceptMap")

    def _hierarchy(self, system: str, code: str) -> CodeSystem:
        found = self.code_system(system)
        if found is None or not found.is_complete or not found.is_hierarchy_of_kinds or code not in found.concepts:
            raise BadRequest(f"What is above or below {code!r} of {system} is not known here: name the codes.")
        return found

    def _refresh(self) -> None:
        if self._tables is not None:
            self._tables.refresh()

    def _open(self, value_set: str | Definition) -> ValueSet | None:
        self._refresh()
        if not isinstance(value_set, str):
            return ValueSet(value_set, self)
        kept = self._value_sets.get(value_set)
        if kept is None and (definition := self.value_set(value_set)) is not None:
            kept = ValueSet(definition, self)
            self._value_sets.put(value_set, kept, 1)
        return kept
