"""Snapshots: a profile's elements as a tree, from its snapshot, or from its differential over its base.

Spec: profiling.html#snapshot, structuredefinition.html#snapshot
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from threading import RLock
from typing import Any, Final

from fhir_server.foundation.operation_outcome import Unprocessable
from fhir_server.foundation.structure import (
    ABSTRACT_TYPES,
    DATA_TYPES,
    PRIMITIVES,
    RESOURCE_TYPES,
    Element,
    structure,
)
from fhir_server.validation.profiles.definitions.tree import CHOICE, Definition, ElementNode, TreeBuilder

CORE: Final = "http://hl7.org/fhir/StructureDefinition/"
PART: Final = f"{CORE}elementdefinition-profile-element"
MAX_BASES: Final = 32
_TREES: Final = 256
CORE_TYPES: Final = RESOURCE_TYPES | DATA_TYPES | ABSTRACT_TYPES
_CLASSES: Final = CORE_TYPES - PRIMITIVES
_ADDED: Final = ("constraint", "condition", "alias", "mapping", "example")

Resolve = Callable[[str, str], Mapping[str, Any] | None]
"""Take a canonical and a resource type, give the resource; None when it is unknown."""


class NoSnapshot(Unprocessable):
    """A profile, or one that it builds on, is unknown or builds on itself."""


class Snapshots:
    """Make and keep the trees of profiles; `resolve` finds StructureDefinitions by canonical."""

    def __init__(self, resolve: Resolve) -> None:
        self._resolve = resolve
        self._kept = lru_cache(maxsize=_TREES)(self._make)
        self._under_way: list[str] = []
        self._lock = RLock()

    def definition(self, canonical: str) -> Mapping[str, Any] | None:
        """Return the StructureDefinition of a canonical, or None.

        Choice: when the version that a canonical names is not here and another is, that one is taken: French guides
        build on several versions of each other, and a close profile finds more than none. What follows a `#` belongs
        to some URLs, and names an element in others.
        """
        for one in dict.fromkeys((canonical, canonical.partition("#")[0])):
            found = self._resolve(one, "StructureDefinition")
            found = found or self._resolve(one.partition("|")[0], "StructureDefinition")
            if found is not None:
                return found
        return None

    def tree(self, canonical: str) -> ElementNode:
        """Return the tree of a profile, to be read and not changed; raise NoSnapshot (422)."""
        with self._lock:
            return self._kept(canonical)

    def elements(self, canonical: str) -> list[dict[str, Any]]:
        """Return the elements of a snapshot, with ids and paths, as `StructureDefinition.snapshot.element` has them."""
        return list(_flatten(self.tree(canonical), "", ""))

    def _make(self, canonical: str) -> ElementNode:
        url, _, identity = canonical.partition("#")
        if identity and self._resolve(canonical.partition("|")[0], "StructureDefinition") is None:
            part = find_part(self.tree(url), identity)
            if part is None:
                raise NoSnapshot(f"The profile {url} has no element {identity}: mend the name.")
            return part
        found = self.definition(canonical)
        if found is None:
            name = canonical.partition("|")[0].removeprefix(CORE)
            if name in CORE_TYPES:
                return core_tree(name)
            raise NoSnapshot(f"The profile {canonical} is not known here: add the package that holds it.")
        kind = str(found.get("type", "")).rpartition("/")[2]
        snapshot = found.get("snapshot", {}).get("element")
        if snapshot:
            root = ElementNode(snapshot[0], kind, class_name=kind if kind in _CLASSES else "")
            return self._build(root, snapshot)
        return self._build(self._base(canonical, found), found.get("differential", {}).get("element", ()))

    def _base(self, canonical: str, found: Mapping[str, Any]) -> ElementNode:
        if canonical in self._under_way or len(self._under_way) > MAX_BASES:
            raise NoSnapshot(f"The profile {canonical} builds on itself: mend its baseDefinition.")
        self._under_way.append(canonical)
        try:
            return self.tree(found.get("baseDefinition", CORE + "Element")).copy()
        finally:
            self._under_way.pop()

    def _build(self, root: ElementNode, elements: Iterable[Definition]) -> ElementNode:
        builder = TreeBuilder(root, lambda node: self._unfold(root, node), merge)
        for element in elements:
            builder.add(with_parts(element))
        builder.close_choices()
        _classify(root)
        return root

    def _unfold(self, root: ElementNode, node: ElementNode) -> Iterator[ElementNode]:
        reference = node.definition.get("contentReference", "")
        if reference:
            path = reference.rpartition("#")[2]
            kind = path.partition(".")[0]
            # What R4 says of that element, for a profile's own rules are of one place.
            target = find(self.tree(CORE + kind) if kind in CORE_TYPES else root, path)
            return iter([child.copy() for child in target.children.values()] if target else [])
        types = node.types
        if len(types) != 1:
            return iter(())
        core = CORE + type_code(types[0])
        profile = next(iter(types[0].get("profile", ())), core)
        if profile == core and type_code(types[0]) in ("BackboneElement", "Element"):
            return iter(())
        try:
            tree = self.tree(profile)
        except NoSnapshot:
            # The profile of a type that is not here says less than it could; the type itself is known.
            tree = self.tree(core)
        return iter([child.copy() for child in tree.children.values()])


def type_code(kind: Mapping[str, Any]) -> str:
    """Return the name of a type, `string` for FHIRPath's System.String."""
    code = str(kind.get("code", ""))
    return code.rpartition(".")[2].lower() if code.startswith("http://hl7.org/fhirpath/") else code


def find(root: ElementNode, path: str) -> ElementNode | None:
    """Return the node of a path without slices such as `Questionnaire.item`."""
    node: ElementNode | None = root
    for name in path.split(".")[1:]:
        node = node and node.children.get(name)
    return node


def find_part(root: ElementNode, identity: str) -> ElementNode | None:
    """Return the node of an element id such as `Composition.section:codeA.code`; None when there is none."""
    node: ElementNode | None = root
    for step in identity.split(".")[1:]:
        name, _, slice_name = step.partition(":")
        node = node and node.children.get(name)
        if slice_name:
            node = node and node.slices.get(slice_name)
    return node


def with_parts(definition: Definition) -> Definition:
    """Return a definition whose types name one element of a profile, where they do, as `url#element-id`.

    Spec: extension-elementdefinition-profile-element.html
    """
    if not any("_profile" in kind for kind in definition.get("type", ())):
        return definition
    return {**definition, "type": [_with_part(kind) for kind in definition["type"]]}


def _with_part(kind: Mapping[str, Any]) -> dict[str, Any]:
    beside = list(kind.get("_profile") or ())
    beside += [None] * (len(kind.get("profile", ())) - len(beside))
    profiles = []
    for url, more in zip(kind.get("profile", ()), beside, strict=False):
        named = [one.get("valueString") for one in (more or {}).get("extension", ()) if one.get("url") == PART]
        profiles.append(f"{url}#{named[0]}" if named and named[0] else url)
    return {**kind, "profile": profiles}


def merge(base: Definition, differential: Definition) -> Definition:
    """Return a definition with what the differential says about it: lists of rules grow, all else is replaced."""
    merged = {**base, **differential}
    for key in _ADDED:
        if key in base and key in differential and base[key] != differential[key]:
            merged[key] = [*base[key], *(item for item in differential[key] if item not in base[key])]
    if "binding" in base and "binding" in differential:
        merged["binding"] = {**base["binding"], **differential["binding"]}
    return merged


@lru_cache(maxsize=_TREES)
def core_tree(name: str) -> ElementNode:
    """Return the tree of a type of R4 from the element index, for where its own package is not loaded."""
    root = ElementNode({"path": name, "min": 0, "max": "*"}, name, class_name=name if name in _CLASSES else "")
    _grow(root, root.class_name or "Element")
    return root


def _grow(node: ElementNode, class_name: str) -> None:
    facts = structure(class_name)
    for element in facts.elements.values():
        name = element.choice or element.name
        child = node.children.get(name)
        if child is None:
            is_needed = facts.choices[name].is_required if element.choice else bool(element.minimum)
            row = {"path": f"{class_name}.{name}", "min": int(is_needed), "max": "*" if element.is_list else "1"}
            child = node.children[name] = ElementNode({**row, "type": []}, name)
        child.definition["type"].append(_kind(element))
        if "." in element.class_name and element.class_name.startswith(class_name + "."):
            child.class_name = element.class_name
            _grow(child, element.class_name)
        elif "." in element.class_name:
            child.definition = {**row, "contentReference": f"#{element.class_name}"}


def _kind(element: Element) -> dict[str, Any]:
    kind: dict[str, Any] = {"code": element.type_code}
    if element.targets:
        kind["targetProfile"] = [CORE + target for target in sorted(element.targets)]
    return kind


def _classify(root: ElementNode) -> None:
    """Say of each node which class of the element index its content has."""
    for node in root.walk():
        known = structure(node.class_name).elements if node.class_name else {}
        for child in node.children.values():
            element = known.get(child.name)
            child.class_name = element.class_name if element and not element.is_primitive else ""
            if child.name.endswith(CHOICE) and len(child.types) == 1:
                child.class_name = _class_of(child)
            for part in child.slices.values():
                part.class_name = child.class_name or _class_of(part)
            if child.class_name == "Resource":
                for each in (child, *child.slices.values()):
                    each.class_name = _class_of(each)


def _class_of(node: ElementNode) -> str:
    code = type_code(node.types[0]) if len(node.types) == 1 else ""
    return code if code in _CLASSES else ""


def _flatten(node: ElementNode, path: str, identity: str) -> Iterator[dict[str, Any]]:
    path = f"{path}.{node.name}" if path else node.name
    identity = f"{identity}.{node.name}" if identity else node.name
    if node.slice_name:
        identity += f":{node.slice_name}"
    yield {**node.definition, "id": identity, "path": path}
    for child in node.children.values():
        yield from _flatten(child, path, identity)
        for part in child.slices.values():
            yield from _flatten(part, path, identity.removesuffix(f".{child.name}"))
