"""Profiles: compiled when first met, kept, and asked whether something conforms.

Spec: profiling.html, structuredefinition.html
"""

from functools import lru_cache
from typing import Final

from fhir_server.fhirpath import Node
from fhir_server.foundation.operation_outcome import FhirError
from fhir_server.foundation.structure import Element
from fhir_server.validation.profiles import elements
from fhir_server.validation.profiles.definitions.extension import Extension, extension_facts
from fhir_server.validation.profiles.definitions.snapshot import (
    CORE,
    CORE_TYPES,
    MAX_BASES,
    NoSnapshot,
    Resolve,
    Snapshots,
)
from fhir_server.validation.profiles.definitions.tree import ElementNode
from fhir_server.validation.profiles.place import Place
from fhir_server.validation.profiles.run import MAX_DEPTH, Run
from fhir_server.validation.profiles.values import Check

_COMPILED: Final = 1024


class Profiles:
    """Hold the compiled profiles of a server; make one and keep it, for what it compiles serves every request."""

    def __init__(self, resolve: Resolve) -> None:
        self.resolve = resolve
        self.snapshots = Snapshots(resolve)
        self._compiled = lru_cache(maxsize=_COMPILED)(self._compile)
        self.type_of = lru_cache(maxsize=_COMPILED)(self._type_of)
        self.is_known = lru_cache(maxsize=_COMPILED)(self._is_known)
        self.is_value_set = lru_cache(maxsize=_COMPILED)(self._is_value_set)
        self.derives = lru_cache(maxsize=_COMPILED)(self._derives)
        self.kind_of = lru_cache(maxsize=_COMPILED)(self._kind_of)
        self.is_supplement = lru_cache(maxsize=_COMPILED)(self._is_supplement)
        self.extension = lru_cache(maxsize=_COMPILED)(self._extension)

    def _is_known(self, canonical: str) -> bool:
        """Tell whether the StructureDefinition of a canonical is here."""
        return self.snapshots.definition(canonical) is not None

    def _is_value_set(self, url: str) -> bool:
        """Tell whether a URL that should be a code system's is a value set's."""
        return self.resolve(url, "CodeSystem") is None and self.resolve(url, "ValueSet") is not None

    def _derives(self, canonical: str, base: str) -> bool:
        """Tell whether a profile is one, or builds on it, so that its snapshot says all that the other says."""
        here: str | None = canonical
        for _ in range(MAX_BASES):
            if here is None or here.partition("|")[0] == base:
                return here is not None
            found = self.snapshots.definition(here)
            here = None if found is None else found.get("baseDefinition")
        return False

    def _kind_of(self, canonical: str) -> str:
        """Return the resource type of what a canonical names, "" when it is unknown."""
        found = self.resolve(canonical, "")
        return "" if found is None else str(found.get("resourceType", ""))

    def _is_supplement(self, url: str) -> bool:
        """Tell whether a code system only adds to another one, so that it has no codes of its own."""
        found = self.resolve(url, "CodeSystem")
        return found is not None and (found.get("content") == "supplement" or "supplements" in found)

    def _extension(self, url: str) -> Extension | None:
        """Return what walking needs of an extension's definition; None when it is unknown or defines no extension."""
        found = self.snapshots.definition(url)
        return None if found is None or found.get("type") != "Extension" else extension_facts(found)

    def _type_of(self, canonical: str) -> str:
        """Return the type that a profile is for, "" when it is unknown."""
        url = canonical.partition("|")[0]
        name = url.removeprefix(CORE)
        if name != url and name in CORE_TYPES:
            return name
        found = self.snapshots.definition(canonical)
        return "" if found is None else str(found.get("type", ""))

    def tree(self, canonical: str) -> ElementNode | None:
        """Return the tree of a profile; None when there is none."""
        try:
            return self.snapshots.tree(canonical)
        except FhirError:
            return None

    def value_check(
        self, node: ElementNode, same: ElementNode | None = None, url: str = "", element: Element | None = None
    ) -> Check | None:
        """Compile what a definition asks of a value; see `elements.value_check`."""
        return elements.value_check(node, self, url, same, element)

    def _compile(self, canonical: str) -> Check | None:
        tree = self.snapshots.tree(canonical)
        return self.value_check(tree, None, canonical.partition("|")[0])

    def check_place(self, place: Place, canonical: str, run: Run) -> None:
        """Check a value against a profile, once in a run; say when the profile is unknown or of no use."""
        seen = (id(place.value), canonical)
        if seen in run.seen:
            return
        if place.value.__class__ is dict:  # Equal primitives may be one object in several places.
            run.seen.add(seen)
        if not self.is_known(canonical):
            if not is_core(canonical):
                run.add("profile-unknown", place, canonical)
            return
        if run.depth > MAX_DEPTH:
            run.add("too-deep", place)
            return
        before = run.error_count
        self._run(place, canonical, run)
        run.verdicts[seen] = run.error_count == before

    def _run(self, place: Place, canonical: str, run: Run) -> None:
        try:
            check = self._compiled(canonical)
        except NoSnapshot as error:
            run.add("profile-unbuilt", place, canonical, error)
        except (FhirError, RecursionError) as error:
            run.add("profile-broken", place, canonical, error)
        else:
            if check is not None:
                check(place, run)

    def conforms_place(self, place: Place, canonical: str, run: Run) -> bool:
        """Tell whether a value meets a profile; an unknown profile is met, and said to be unchecked."""
        key = (id(place.value), canonical)
        if key in run.verdicts and place.value.__class__ is dict:
            return run.verdicts[key]
        if not self.is_known(canonical):
            if not is_core(canonical):
                run.add("profile-unknown", place, canonical, severity="information")
            return True
        found = place.value.get("resourceType") if place.value.__class__ is dict else None
        if found is not None and self.type_of(canonical) not in (found, "Resource", "DomainResource"):
            return False
        run.verdicts[key] = True  # Two resources that refer to each other are judged by all else.
        probe = run.probe()
        self.check_place(place, canonical, probe)
        run.verdicts[key] = probe.error_count == 0
        return run.verdicts[key]

    def conforms(self, node: Node, canonical: str, run: Run) -> bool | None:
        """Answer FHIRPath's conformsTo; None when the profile is unknown."""
        if not self.is_known(canonical) and not is_core(canonical):
            return None
        return self.conforms_place(_place_of(node), canonical, run)


def is_core(canonical: str) -> bool:
    """Tell whether a canonical names a type of R4, which the structure has checked."""
    url = canonical.partition("|")[0]
    return url.startswith(CORE) and url.removeprefix(CORE) in CORE_TYPES


def _place_of(node: Node) -> Place:
    if node.parent is None:
        return Place(node.value, name=node.type.name)
    name = node.key
    for slots in node.parent.type.named.values():
        name = next((slot.name for slot in slots if slot.key == node.key), name)
    return Place(node.value, _place_of(node.parent), node.key, name, node.index)
