"""Element definitions as a tree: children by name, slices by name, unfolded when a profile reaches below a type.

Spec: elementdefinition.html, profiling.html#slicing
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

Definition = Mapping[str, Any]
Unfold = Callable[["ElementNode"], Iterable["ElementNode"]]
"""Return the children that an element's type gives it."""

CHOICE: Final = "[x]"


class ElementNode:
    """Hold one element definition of a profile and what is below it.

    `name` is the last step of its path (`value[x]`), `slice_name` is "" for what is no slice. `class_name` finds its
    content in the element index of R4, "" when that depends on the type.
    """

    __slots__ = ("children", "class_name", "definition", "name", "slice_name", "slices")

    def __init__(self, definition: Definition, name: str, slice_name: str = "", class_name: str = "") -> None:
        self.definition = definition
        self.name = name
        self.slice_name = slice_name
        self.class_name = class_name
        self.children: dict[str, ElementNode] = {}
        self.slices: dict[str, ElementNode] = {}

    @property
    def types(self) -> list[Mapping[str, Any]]:
        """Return the types as the definition lists them."""
        return self.definition.get("type") or []

    def copy(self) -> "ElementNode":
        """Return a copy that may be changed; definitions are shared, for they are replaced and never changed."""
        made = ElementNode(self.definition, self.name, self.slice_name, self.class_name)
        made.children = {name: child.copy() for name, child in self.children.items()}
        made.slices = {name: part.copy() for name, part in self.slices.items()}
        return made

    def slice(self, slice_name: str) -> "ElementNode":
        """Return a slice, made from the element itself (or from the slice that it slices again) when it is new."""
        found = self.slices.get(slice_name)
        if found is None:
            source = self.slices.get(slice_name.rpartition("/")[0], self)
            found = source.copy()
            found.slices = {}
            kept = {key: value for key, value in source.definition.items() if key != "slicing"}
            # What all items together must number says nothing of one slice.
            found.definition = {**kept, "min": 0, "sliceName": slice_name}
            found.slice_name = slice_name
            self.slices[slice_name] = found
        return found

    def walk(self) -> Iterator["ElementNode"]:
        """Yield this node and all below, in the order of a snapshot."""
        yield self
        for child in self.children.values():
            yield from child.walk()
        for part in self.slices.values():
            yield from part.walk()


class TreeBuilder:
    """Place element definitions, in the order of a snapshot or a differential, into a tree."""

    def __init__(
        self, root: ElementNode, unfold: Unfold, merge: Callable[[Definition, Definition], Definition]
    ) -> None:
        self.root = root
        self._unfold = unfold
        self._merge = merge
        self._last: dict[str, ElementNode] = {}
        self._implied: dict[int, ElementNode] = {}
        self._narrowed: dict[int, tuple[ElementNode, list[ElementNode]]] = {}

    def add(self, definition: Definition) -> None:
        """Place one definition; those below it follow."""
        path = definition["path"]
        slice_name = definition.get("sliceName", "")
        for known in [known for known in self._last if known == path or known.startswith(path + ".")]:
            del self._last[known]
        node = self._locate(path)
        choice = self._implied.get(id(node))
        if choice is not None and not slice_name:
            self._narrowed.setdefault(id(choice), (choice, []))[1].append(node)
        if slice_name and node.slice_name != slice_name:
            node = node.slice(slice_name)
        node.definition = self._merge(node.definition, definition)
        self._last[path] = node

    def close_choices(self) -> None:
        """Leave a choice the types that `valueQuantity` and its like were written for, when nobody slices it himself.

        Choice: the snapshots that R4 publishes read the short form so (bodyweight); a path that only leads below it,
        such as `valueQuantity.unit`, leaves the other types.
        """
        for choice, parts in self._narrowed.values():
            slicing = {**choice.definition["slicing"], "rules": "closed"}
            types = [kind for part in dict.fromkeys(parts) for kind in part.types]
            choice.definition = {**choice.definition, "slicing": slicing, "type": types}

    def _locate(self, path: str) -> ElementNode:
        above, _, name = path.rpartition(".")
        if not above:
            return self.root
        parent = self._last.get(above) or self._locate(above)
        if not parent.children:
            parent.children = {child.name: child for child in self._unfold(parent)}
        return parent.children.get(name) or self._choice(parent, name)

    def _choice(self, parent: ElementNode, name: str) -> ElementNode:
        """Return the slice of a choice that `valueQuantity` stands for, or a new child."""
        for choice, node in parent.children.items():
            if choice.endswith(CHOICE) and name.startswith(choice[:-3]):
                for kind in node.types:
                    if choice[:-3] + kind["code"][:1].upper() + kind["code"][1:] == name:
                        return self._type_slice(node, name, kind)
        parent.children[name] = ElementNode({}, name)
        return parent.children[name]

    def _type_slice(self, node: ElementNode, name: str, kind: Mapping[str, Any]) -> ElementNode:
        is_implied = "slicing" not in node.definition
        if is_implied:
            slicing = {"discriminator": [{"type": "type", "path": "$this"}], "rules": "open", "ordered": False}
            node.definition = {"slicing": slicing, **node.definition}
        found = node.slice(name)
        found.definition = {**found.definition, "type": [kind]}
        if is_implied or node in self._implied.values():
            self._implied[id(found)] = node
        return found
