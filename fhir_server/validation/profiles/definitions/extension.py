"""Facts of an extension's definition: whether it changes the meaning, and where it may stand.

Spec: defining-extensions.html#context
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

CORE: Final = "http://hl7.org/fhir/StructureDefinition/"
PUBLICATION: Final = (CORE + "structuredefinition-", CORE + "regex")


class Extension(msgspec.Struct, frozen=True):
    """Hold the facts: `places` are element paths and types, `extensions` urls of extensions that it may be within.

    `rules` FHIRPaths from the resource. `is_judged` is False when a context is an element of a profile. `parts` are
    the urls of the extensions within, empty when it has none or says nothing of them. `invariants` are FHIRPaths that
    hold on what the extension is on.
    """

    url: str
    is_modifier: bool
    is_judged: bool
    places: frozenset[str]
    extensions: frozenset[str]
    rules: tuple[str, ...]
    parts: frozenset[str]
    invariants: tuple[str, ...] = ()

    def allowed(self) -> str:
        """Return where it may stand, for a sentence."""
        return ", ".join(sorted({*self.places, *self.extensions, *self.rules}))


def extension_facts(definition: Mapping[str, Any]) -> Extension:
    """Read the facts from a StructureDefinition."""
    contexts = definition.get("context") or ()
    named = [(context.get("type"), str(context.get("expression", ""))) for context in contexts]
    elements = (definition.get("snapshot") or definition.get("differential") or {}).get("element", ())
    # Choice: contexts by an element of a profile are not judged.
    is_judged = not any(kind == "element" and expression.startswith("http") for kind, expression in named)
    # Choice: R4 puts the marks of its publication on resources of every type, whatever their contexts say.
    is_judged = is_judged and not str(definition["url"]).startswith(PUBLICATION)
    return Extension(
        url=str(definition["url"]),
        is_modifier=bool(elements and elements[0].get("isModifier")),
        is_judged=is_judged and bool(named),
        places=frozenset(expression for kind, expression in named if kind == "element"),
        extensions=frozenset(expression for kind, expression in named if kind == "extension"),
        rules=tuple(expression for kind, expression in named if kind == "fhirpath"),
        parts=frozenset(
            element["fixedUri"]
            for element in elements
            if element.get("path") == "Extension.extension.url" and "fixedUri" in element
        ),
        invariants=tuple(definition.get("contextInvariant", ())),
    )
