"""What a code system says of one concept, as the Parameters of the operation.

Spec: codesystem-operation-lookup.html
"""

from collections.abc import Collection, Iterator
from typing import Any, Final

from fhir_server.terminology.code_system import CodeSystem, Concept

_CONCEPTS: Final = ("parent", "child")


def lookup_parameters(
    code_system: CodeSystem, concept: Concept, language: str = "", properties: Collection[str] = ()
) -> dict[str, Any]:
    """Return a Parameters resource; `properties` names what is asked for, everything when it is empty.

    `lang.fr` asks for the designations in French, `designation` for those in any language.
    """
    shown: list[dict[str, Any]] = [{"name": "name", "valueString": code_system.name or code_system.url}]
    if code_system.version:
        shown.append({"name": "version", "valueString": code_system.version})
    shown.append({"name": "display", "valueString": concept.shown(language) or concept.code})
    shown.extend(_designations(concept, properties))
    for code, kind, value in _properties(code_system, concept):
        if not properties or code in properties:
            part = [{"name": "code", "valueCode": code}, {"name": "value", kind: value}]
            named = code_system.find(value) if code in _CONCEPTS else None
            if named is not None and named.shown(language):
                part.append({"name": "description", "valueString": named.shown(language)})
            shown.append({"name": "property", "part": part})
    return {"resourceType": "Parameters", "parameter": shown}


def _designations(concept: Concept, properties: Collection[str]) -> Iterator[dict[str, Any]]:
    for found in concept.designations:
        if properties and "designation" not in properties and f"lang.{found.language}" not in properties:
            continue
        part: list[dict[str, Any]] = [{"name": "language", "valueCode": found.language}] if found.language else []
        if found.use:
            part.append({"name": "use", "valueCoding": dict(found.use)})
        yield {"name": "designation", "part": [*part, {"name": "value", "valueString": found.value}]}


def _properties(code_system: CodeSystem, concept: Concept) -> Iterator[tuple[str, str, Any]]:
    """Yield what the concept says, then its place in the hierarchy, each once."""
    given = [("definition", "valueString", concept.definition)] if concept.definition else []
    given.extend(concept.properties)
    given.extend(("parent", "valueCode", parent) for parent in concept.parents)
    given.extend(("child", "valueCode", child) for child in code_system.children.get(concept.code, ()))
    for place, found in enumerate(given):
        if found not in given[:place]:
            yield found
