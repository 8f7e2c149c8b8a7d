"""Token: a code or an identifier, alone or within its system.

Spec: search.html#token
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from fhir_server.search.condition import Compare, Condition, Test, any_of
from fhir_server.search.index_row import STRING, TOKEN
from fhir_server.search.types import string
from fhir_server.search.types.terminology import bounded, expanded
from fhir_server.search.types.value import Emit, Leaf, Use, split, unescape

FAMILY: Final = TOKEN
TEXT: Final = ":text"
OF_TYPE: Final = ":of-type"
MODIFIERS: Final = frozenset({"text", "not", "of-type", "in", "not-in", "above", "below"})


def literal(emit: Emit, parameter: str, element: int, value: str) -> None:
    """Write a value that has no system."""
    emit((TOKEN, parameter, element, "", value))


def integer(emit: Emit, parameter: str, element: int, value: int) -> None:
    """Write a whole number as its digits: no token of R4 is one, those of guides may be."""
    emit((TOKEN, parameter, element, "", str(value)))


def boolean(emit: Emit, parameter: str, element: int, value: bool) -> None:
    """Write `true` or `false`."""
    emit((TOKEN, parameter, element, "", "true" if value else "false"))


def code_within(systems: Mapping[str, str]) -> Leaf:
    """Return the leaf of a `code` element whose required value set gives each code its system."""

    def code(emit: Emit, parameter: str, element: int, value: str) -> None:
        emit((TOKEN, parameter, element, systems.get(value, ""), value))

    return Leaf("", code)


def coding(emit: Emit, parameter: str, element: int, value: dict[str, Any]) -> None:
    """Write a Coding; one without a code still tells its system."""
    system, code = value.get("system", ""), value.get("code", "")
    if system or code:
        emit((TOKEN, parameter, element, system, code))


def codeable_concept(emit: Emit, parameter: str, element: int, value: dict[str, Any]) -> None:
    """Write each coding of a CodeableConcept."""
    for part in value["coding"]:
        system, code = part.get("system", ""), part.get("code", "")
        if system or code:
            emit((TOKEN, parameter, element, system, code))


def identified(emit: Emit, parameter: str, element: int, value: dict[str, Any]) -> None:
    """Write system and value: of an Identifier, of a ContactPoint."""
    emit((TOKEN, parameter, element, value.get("system", ""), value["value"]))


def identifier_type(emit: Emit, parameter: str, element: int, value: dict[str, Any]) -> None:
    """Write the system of an identifier's type, and `type code|value`."""
    text = value.get("value", "")
    for part in value["type"].get("coding", ()):
        emit((TOKEN, parameter, element, part.get("system", ""), f"{part.get('code', '')}|{text}"))


def coding_text(emit: Emit, parameter: str, element: int, value: dict[str, Any]) -> None:
    """Write the display of a Coding."""
    string.text(emit, parameter, element, value["display"])


def codeable_concept_text(emit: Emit, parameter: str, element: int, value: dict[str, Any]) -> None:
    """Write the text and the displays of a CodeableConcept."""
    if "text" in value:
        string.text(emit, parameter, element, value["text"])
    for part in value.get("coding", ()):
        if "display" in part:
            coding_text(emit, parameter, element, part)


def identifier_text(emit: Emit, parameter: str, element: int, value: dict[str, Any]) -> None:
    """Write the text of an identifier's type."""
    if "text" in value["type"]:
        string.text(emit, parameter, element, value["type"]["text"])


LITERALS: Final = ("code", "id", "string", "uri", "url", "canonical", "oid", "uuid", "markdown")

LEAVES: Final = {
    "CodeableConcept": (Leaf("", codeable_concept, "coding"), Leaf(TEXT, codeable_concept_text)),
    "Coding": (Leaf("", coding), Leaf(TEXT, coding_text, "display")),
    "Identifier": (
        Leaf("", identified, "value"),
        Leaf(OF_TYPE, identifier_type, "type"),
        Leaf(TEXT, identifier_text, "type"),
    ),
    "ContactPoint": (Leaf("", identified, "value"),),
    "boolean": (Leaf("", boolean),),
    **dict.fromkeys(("integer", "positiveInt", "unsignedInt"), (Leaf("", integer),)),
    **dict.fromkeys(LITERALS, (Leaf("", literal),)),
}


def condition(value: str, use: Use) -> Condition:
    """Return what one value asks; `:not` and `:not-in` are the caller's, for they negate all values of a clause.

    Choice: codes match as they are written. The specification would ignore case where a code system's own rule is in
    doubt; FHIR's, LOINC's, SNOMED CT's and UCUM's codes are case-sensitive, and so are identifiers.
    """
    if use.modifier in _MODIFIED:
        return _MODIFIED[use.modifier](value, use)
    return Compare(TOKEN, use.parameter, tests(value, use))


def tests(value: str, use: Use) -> tuple[Test, ...]:
    """Return the tests of `code`, `system|code`, `|code` or `system|`."""
    parts = [unescape(part) for part in split(value, "|")]
    if len(parts) > 2 or not any(parts):
        raise use.refusal(value, r"write code, system|code, |code or system| (and \| for a bar within a code)")
    if len(parts) == 1:
        return (("code", "eq", parts[0]),)
    system, code = parts
    return (("system", "eq", system), ("code", "eq", code)) if code else (("system", "eq", system),)


def _text(value: str, use: Use) -> Condition:
    folded = string.fold(unescape(value))
    if not folded:
        raise use.refusal(value, "give at least one letter or digit")
    return Compare(STRING, use.parameter + TEXT, (("folded", "prefix", folded),))


def _of_type(value: str, use: Use) -> Condition:
    parts = [unescape(part) for part in split(value, "|")]
    if len(parts) != 3 or not all(parts):
        raise use.refusal(value, "write type system|type code|value")
    system, code, text = parts
    return Compare(TOKEN, use.parameter + OF_TYPE, (("system", "eq", system), ("code", "eq", f"{code}|{text}")))


def _in(value: str, use: Use) -> Condition:
    codes = expanded(use.terminology, unescape(value))
    return any_of(
        *(Compare(TOKEN, use.parameter, (("system", "eq", system), ("code", "in", listed))) for system, listed in codes)
    )


def _related(value: str, use: Use) -> Condition:
    parts = [unescape(part) for part in split(value, "|")]
    if len(parts) != 2 or not all(parts):
        raise use.refusal(value, "write system|code, for a hierarchy is that of a system")
    system, code = parts
    codes = use.terminology.below(system, code) if use.modifier == "below" else use.terminology.above(system, code)
    return Compare(TOKEN, use.parameter, (("system", "eq", system), ("code", "in", bounded(codes, code))))


_MODIFIED: Final[Mapping[str, Callable[[str, Use], Condition]]] = {
    "text": _text,
    "of-type": _of_type,
    "in": _in,
    "not-in": _in,
    "above": _related,
    "below": _related,
}
