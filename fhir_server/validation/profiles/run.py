"""One validation: what it may ask of its surroundings, what it found, and what it has checked already.

Spec: validation.html, references.html, bundle.html#references
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Protocol

import msgspec

from fhir_server.fhirpath import Context
from fhir_server.foundation.operation_outcome import Issue
from fhir_server.validation.profiles.place import Place, container_place, items, of_resource, path
from fhir_server.validation.profiles.texts import TEXTS
from fhir_server.validation.texts import say

if TYPE_CHECKING:
    from fhir_server.validation.profiles.profile import Profiles

MAX_DEPTH: Final = 40
ISSUES_KEPT: Final = 500

ValueSetName = str | Mapping[str, Any]
"""The canonical of a value set, or the ValueSet itself."""
Codes = Callable[[ValueSetName, str, str], bool | None]
"""Take a value set, a system ("" when unsaid) and a code: a member or not; None when unknown."""


class Verdict(Protocol):
    """What is known of a code in its system: `result` None when nobody knows, `message` says what is wrong."""

    @property
    def result(self) -> bool | None:
        """Tell whether the code is right."""
        ...

    @property
    def message(self) -> str:
        """Say what is wrong."""
        ...


Concepts = Callable[[str, str, str], Verdict]
"""Take a code system, a code, and a display ("" when unsaid)."""


class Environment(msgspec.Struct, frozen=True):
    """Hold what validation may ask: the profiles, value sets, resources elsewhere, and the language of its sentences.

    `codes` None: no value set can be checked, which is said; `concepts` None: no code is looked up in its system.
    `resolve` takes a reference and gives a resource or None; it must not block. `language` is en or fr.
    """

    profiles: "Profiles"
    codes: Codes | None = None
    concepts: Concepts | None = None
    resolve: Callable[[str], Mapping[str, Any] | None] | None = None
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    language: str = "en"
    hints: bool = True


class Run:
    """Collect issues; a probe collects for itself alone, so that trying a slice leaves no trace.

    `doubts` are the value sets that rules asked for and nobody knew.
    """

    def __init__(self, environment: Environment, root: Place, above: "Run | None" = None) -> None:
        self.environment = environment
        self.root = root
        self._issues: dict[Issue, None] = {}
        self.error_count = 0
        self.is_probe = above is not None
        self.seen: set[tuple[int, str]] = set()
        self.verdicts: dict[tuple[int, str], bool] = above.verdicts if above else {}
        self._members: dict[tuple[str, str, str], bool | None] = above._members if above else {}
        self.coded: set[tuple[str, str]] = above.coded if above else set()
        self.depth: int = above.depth + 1 if above else 0
        self._entries: dict[str, Place] | None = above._entries if above else None
        self._elsewhere: dict[str, Place | None] = above._elsewhere if above else {}
        self._contained: dict[int, dict[str, Place]] = above._contained if above else {}
        self.doubts: list[str] = above.doubts if above else []
        self.context: Context = above.context if above else self._context()

    def add(self, message_id: str, place: Place, *values: object, severity: str = "") -> None:
        """Note a problem at a place; `values` fill its sentence. `severity` replaces the table's."""
        text = TEXTS[message_id]
        level = severity or text.severity
        if level == "error":
            self.error_count += 1
        if self.is_probe or len(self._issues) >= ISSUES_KEPT or (level == "information" and not self.environment.hints):
            return
        sentence = say(text, self.environment.language, values)
        self.tell(Issue(level, text.code, sentence, (path(place),), message_id=message_id))

    def tell(self, issue: Issue) -> None:
        """Keep an issue, once: a slice repeats what its element says, and several profiles may ask the same."""
        self._issues[issue] = None

    @property
    def issues(self) -> list[Issue]:
        """Return what was found, in the order of finding."""
        return list(self._issues)

    def probe(self) -> "Run":
        """Return a run that leaves this one's issues alone."""
        return Run(self.environment, self.root, self)

    def is_member(self, value_set: ValueSetName, system: str, code: str) -> bool | None:
        """Tell whether a code is in a value set; None when nobody knows."""
        codes = self.environment.codes
        if codes is None or not isinstance(value_set, str):
            return None if codes is None else codes(value_set, system, code)
        key = (value_set, system, code)
        if key not in self._members:
            self._members[key] = codes(value_set, system, code)
        return self._members[key]

    def target(self, reference: str, place: Place) -> tuple[str, Place | None]:
        """Return how a reference is met (contained, bundled, referenced) and what it points to, when that is here."""
        container = container_place(place)
        if reference.startswith("#"):
            if reference == "#":
                return "contained", container
            return "contained", self._contained_in(container).get(reference[1:])
        entry = self._entry(reference.partition("#")[0], container)
        if entry is not None:
            return "bundled", entry
        if reference not in self._elsewhere:
            resolve = self.environment.resolve
            resource = resolve(reference) if resolve else None
            # Kept, for verdicts know values by their identity.
            self._elsewhere[reference] = None if resource is None else of_resource(resource)
        return "referenced", self._elsewhere[reference]

    def _contained_in(self, container: Place) -> Mapping[str, Place]:
        key = id(container.value)
        if key not in self._contained:
            found = items(container, "contained", "contained")
            self._contained[key] = {str(item.value.get("id")): item for item in found}
        return self._contained[key]

    def entries(self) -> Mapping[str, Place]:
        """Return fullUrl -> resource of the Bundle at the root."""
        if self._entries is None:
            is_bundle = self.root.value.get("resourceType") == "Bundle"
            self._entries = dict(_full_urls(self.root)) if is_bundle else {}
        return self._entries

    def _entry(self, reference: str, container: Place) -> Place | None:
        entries = self.entries()
        if not entries:
            return None
        found = entries.get(reference)
        if found is not None or ":" in reference:
            return found
        full_url = str(container.parent.value.get("fullUrl", "")) if container.parent is not None else ""
        base = full_url.removesuffix(f"{container.value.get('resourceType')}/{container.value.get('id')}")
        return entries.get(base + reference) if base != full_url else None

    def _context(self) -> Context:
        environment = self.environment
        resolve = environment.resolve or (lambda reference: None)
        return Context(
            now=environment.now,
            resolve=resolve,
            member_of=self._member_of,
            conforms_to=lambda node, url: environment.profiles.conforms(node, url, self),
            checks_html=lambda text: True,  # The door has checked the narrative.
        )

    def _member_of(self, item: Any, value_set: str) -> bool | None:
        value = getattr(item, "value", item)
        codings = [value] if isinstance(value, str | dict) else []
        if isinstance(value, dict) and "coding" in value:
            codings = value["coding"]
        answers = [_is_coding_member(self, value_set, coding) for coding in codings]
        if True not in answers and None in answers:
            self.doubts.append(value_set)
        return True if True in answers else None if None in answers else False


def _is_coding_member(run: Run, value_set: str, coding: Any) -> bool | None:
    if isinstance(coding, str):
        return run.is_member(value_set, "", coding)
    return run.is_member(value_set, coding.get("system", ""), coding.get("code", ""))


def _full_urls(bundle: Place) -> Iterator[tuple[str, Place]]:
    for entry in items(bundle, "entry", "entry"):
        for resource in items(entry, "resource", "resource"):
            if "fullUrl" in entry.value:
                full_url, version_id = entry.value["fullUrl"], resource.value.get("meta", {}).get("versionId")
                yield full_url, resource
                if version_id:
                    yield f"{full_url}/_history/{version_id}", resource
