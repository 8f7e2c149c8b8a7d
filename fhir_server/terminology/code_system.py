"""Code systems in memory: concepts, their hierarchy, properties and designations.

Spec: codesystem.html, codesystem-concept-properties.html, codesystem-operation-validate-code.html
"""

from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from fhir_server.foundation.operation_outcome import NotFound
from fhir_server.terminology.ecl import select

COMPLETE: Final = "complete"
SUBSUMING: Final = frozenset({"", "is-a", "classified-with"})
"""The meanings of a hierarchy in which what is below is a kind of what is above."""
_ABSTRACT: Final = frozenset({"notSelectable", "abstract"})
_RETIRED: Final = frozenset({"retired", "inactive"})


class Designation(msgspec.Struct, frozen=True):
    """Hold another text of a concept; `use` is a Coding or None."""

    value: str
    language: str = ""
    use: Mapping[str, Any] | None = None

    def element(self) -> dict[str, Any]:
        """Return the element as ValueSet.expansion.contains.designation has it."""
        element: dict[str, Any] = {"language": self.language} if self.language else {}
        return element | ({"use": dict(self.use)} if self.use else {}) | {"value": self.value}


COMMON_PROPERTIES: Final = frozenset(
    [
        "code",
        "concept",
        "display",
        "definition",
        "parent",
        "child",
        "inactive",
        "status",
        "deprecated",
        "notSelectable",
        "abstract",
        "effectiveDate",
        "deprecationDate",
        "retirementDate",
        "comment",
    ]
)
"""The properties that a concept of any code system may have (codesystem-concept-properties.html), and its own texts."""


class Concept(msgspec.Struct, frozen=True):
    """Hold one concept; `properties` are (code, name of the value element as `valueCode`, value)."""

    code: str
    display: str = ""
    definition: str = ""
    parents: tuple[str, ...] = ()
    properties: tuple[tuple[str, str, Any], ...] = ()
    designations: tuple[Designation, ...] = ()

    def values(self, name: str) -> Iterator[str]:
        """Yield the values of a property as text; `display` and `definition` are properties too."""
        if name in ("display", "definition"):
            yield self.display if name == "display" else self.definition
        for code, _, value in self.properties:
            if code == name:
                yield text(value)

    @property
    def is_abstract(self) -> bool:
        """Tell whether the concept only groups others: it is not for instances."""
        return any(code in _ABSTRACT and value is True for code, _, value in self.properties)

    @property
    def is_inactive(self) -> bool:
        """Tell whether the concept is out of use. Choice: a deprecated one is still in use."""
        return any(
            value is True if code == "inactive" else code == "status" and value in _RETIRED
            for code, _, value in self.properties
        )

    def shown(self, language: str) -> str:
        """Return the display in a language, or as the code system has it."""
        return designated(self.designations, language) or self.display


def designated(designations: tuple[Designation, ...], language: str) -> str:
    """Return the designation in a language, of the region asked or of any; "" for none."""
    wanted = language.lower()
    if not wanted:
        return ""
    found = {designation.language.lower(): designation.value for designation in reversed(designations)}
    base = wanted.partition("-")[0]
    near = (value for tag, value in sorted(found.items()) if tag.partition("-")[0] == base)
    return found.get(wanted) or next(near, "")


class Validation(msgspec.Struct, frozen=True):
    """Say whether a code holds: `result` None means that it could not be checked, and `message` why."""

    result: bool | None
    message: str = ""
    system: str = ""
    code: str = ""
    display: str = ""


class CodeSystem:
    """Answer about the codes of one CodeSystem resource.

    Choice: when caseSensitive is absent, codes are accepted in any case, as the comment of that element asks.
    """

    def __init__(self, resource: Mapping[str, Any]) -> None:
        self.url = str(resource.get("url", ""))
        self.version = str(resource.get("version", ""))
        self.name = str(resource.get("title") or resource.get("name") or "")
        self.content = str(resource.get("content", ""))
        self.language = str(resource.get("language", ""))
        self.value_set = str(resource.get("valueSet", ""))
        self._declared = frozenset(found.get("code") for found in resource.get("property", ()))
        self.is_hierarchy_of_kinds = str(resource.get("hierarchyMeaning", "")) in SUBSUMING
        self.concepts: Mapping[str, Concept] = {concept.code: concept for concept in _concepts(resource)}
        children: dict[str, list[str]] = {}
        for concept in self.concepts.values():
            for parent in concept.parents:
                children.setdefault(parent, []).append(concept.code)
        self.children: Mapping[str, Sequence[str]] = children
        folds = resource.get("caseSensitive") is not True
        self._folded = {code.casefold(): code for code in reversed(list(self.concepts))} if folds else {}

    @property
    def is_complete(self) -> bool:
        """Tell whether a code that is not here is no code of the system."""
        return self.content == COMPLETE

    def find(self, code: str) -> Concept | None:
        """Return the concept of a code, None when it is not here."""
        found = self.concepts.get(code)
        return found or self.concepts.get(self._folded.get(code.casefold(), ""))

    def has_property(self, name: str) -> bool:
        """Tell whether concepts may have a property: one of any system, or one that is declared or used here."""
        used = (code for concept in self.concepts.values() for code, _, _ in concept.properties)
        return name in COMMON_PROPERTIES or name in self._declared or name in used

    def below(self, code: str) -> Container[str]:
        """Return what tells whether a code is below one."""
        return self.descendants(code)

    def select(self, expression: str) -> frozenset[str]:
        """Return the codes that an expression of ECL selects; raise Unprocessable (422) when it is not understood."""
        return select(self, expression)

    def candidates(self, filters: Sequence[Mapping[str, Any]], text: str = "") -> Iterable[Concept]:
        """Return the concepts that may pass filters and hold the words of a text; here all of them."""
        return self.concepts.values()

    def lookup(self, code: str) -> Concept:
        """Return the concept of a code; raise NotFound (404) when it is not here."""
        found = self.find(code)
        if found is None:
            raise NotFound(self._absence(code))
        return found

    def contains(self, code: str) -> bool | None:
        """Tell whether a code belongs to the system; None when only a part of the system is here and not the code."""
        if self.find(code):
            return True
        return False if self.is_complete else None

    def validate_code(self, code: str, display: str = "") -> Validation:
        """Validate a code, and its display when one is given."""
        concept = self.find(code)
        if concept is None:
            return Validation(self.contains(code), self._absence(code), self.url, code)
        return judged(Validation(True, "", self.url, concept.code, concept.display), concept, display)

    def _absence(self, code: str) -> str:
        if self.is_complete:
            return f"The code {code!r} is not in {self.url}."
        what = "no concept" if not self.concepts else f"a part ({self.content}: {len(self.concepts)} concepts)"
        return f"The code {code!r} could not be checked: of {self.url}, {what} is here."

    def subsumes(self, above: str, below: str) -> bool | None:
        """Tell whether `above` is `below` or one of its ancestors; None when the hierarchy cannot tell."""
        upper, lower = self.find(above), self.find(below)
        if upper is None or lower is None:
            return None
        if upper is lower:
            return True
        if not self.is_hierarchy_of_kinds:
            return None
        return upper.code in self.ancestors(lower.code) or (False if self.is_complete else None)

    def ancestors(self, code: str) -> frozenset[str]:
        """Return the codes above a code, without itself."""
        return self._reached(code, lambda found: self.concepts[found].parents)

    def descendants(self, code: str) -> frozenset[str]:
        """Return the codes below a code, without itself."""
        return self._reached(code, lambda found: self.children.get(found, ()))

    def _reached(self, code: str, step: Callable[[str], Iterable[str]]) -> frozenset[str]:
        reached: set[str] = set()
        waiting = [code]
        while waiting:
            for found in step(waiting.pop()):
                if found in self.concepts and found not in reached:
                    reached.add(found)
                    waiting.append(found)
        return frozenset(reached - {code})


def wrong_display(concept: Concept, display: str, others: Iterable[str] = ()) -> str:
    """Return what is wrong with a display, "" when it is one of the concept's texts or of `others`.

    Case and white space do not count.
    """
    texts = (concept.display, *(designation.value for designation in concept.designations), *others)
    if not display or _folded(display) in {_folded(known) for known in texts} or not any(texts):
        return ""
    return f"The display {display!r} is not one of {concept.code!r}: write {next(filter(None, texts))!r}."


def judged(found: Validation, concept: Concept, display: str, others: Iterable[str] = ()) -> Validation:
    """Return the validation of a right code with what is wrong with its display, or that nobody can tell."""
    others = tuple(others)
    message = wrong_display(concept, display, others)
    if message:
        return msgspec.structs.replace(found, result=False, message=message)
    if display and not any((concept.display, *concept.designations, *others)):
        unknown = f"The display {display!r} could not be checked: none of {concept.code!r} is here."
        return msgspec.structs.replace(found, message=unknown)
    return found


def text(value: Any) -> str:
    """Return a property's value as a filter compares it; of a Coding its code."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value.get("code", "")) if isinstance(value, Mapping) else str(value)


def _folded(display: str) -> str:
    return " ".join(display.split()).casefold()


def _concepts(resource: Mapping[str, Any]) -> Iterator[Concept]:
    """Yield the concepts in the order of the resource, parents before what is nested in them."""
    above: dict[str, list[str]] = {}
    for concept, _ in _nested(resource):
        for child in _codes_of(concept, "child"):
            above.setdefault(child, []).append(concept["code"])
    for concept, parent in _nested(resource):
        code = concept["code"]
        parents = dict.fromkeys((parent, *_codes_of(concept, "parent"), *above.get(code, ())))
        yield Concept(
            code=code,
            display=concept.get("display", ""),
            definition=concept.get("definition", ""),
            parents=tuple(found for found in parents if found and found != code),
            properties=tuple(_properties(concept)),
            designations=designations(concept),
        )


def designations(concept: Mapping[str, Any]) -> tuple[Designation, ...]:
    """Return the designations of a concept, of a code system or of a value set."""
    return tuple(
        Designation(found.get("value", ""), found.get("language", ""), found.get("use"))
        for found in concept.get("designation", ())
    )


def _nested(resource: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, Any], str]]:
    waiting = [(concept, "") for concept in reversed(resource.get("concept", ()))]
    while waiting:
        concept, parent = waiting.pop()
        yield concept, parent
        waiting.extend((child, concept["code"]) for child in reversed(concept.get("concept", ())))


def _properties(concept: Mapping[str, Any]) -> Iterator[tuple[str, str, Any]]:
    for found in concept.get("property", ()):
        for name, value in found.items():
            if name.startswith("value"):
                yield found["code"], name, value


def _codes_of(concept: Mapping[str, Any], name: str) -> Iterator[str]:
    return (text(value) for code, _, value in _properties(concept) if code == name)
