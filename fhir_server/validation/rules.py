"""Invariants that the door checks, because what they forbid cannot be indexed or shown rightly.

Spec: extensibility.html#Extension, datatypes.html#Period, references.html#Reference
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from fhir_server.foundation.dates import interval
from fhir_server.foundation.operation_outcome import BadRequest
from fhir_server.foundation.references import parse_reference
from fhir_server.validation.problem import Check, Problem, Problems

Rule = Callable[[dict[str, Any]], Problems | None]


def check_extension(node: dict[str, Any]) -> Problems | None:
    """Check ext-1: an extension has a value or extensions, not both and not none."""
    has_value = False
    for name in node:
        if name[:5] == "value" or name[:6] == "_value":
            has_value = True
    if has_value is not ("extension" in node):
        return None
    return [Problem("ext-1")]


def check_period(node: dict[str, Any]) -> Problems | None:
    """Check per-1: a period starts before it ends; partial dates count as all that they cover."""
    if "start" not in node or "end" not in node:
        return None
    try:
        starts_after = interval(node["start"])[0] >= interval(node["end"])[1]
    except (BadRequest, TypeError):
        return None  # The element's own check reports it.
    return [Problem("per-1")] if starts_after else None


def check_reference(node: dict[str, Any]) -> Problems | None:
    """Note a reference to a contained resource: who knows what is contained decides, see `contained`."""
    reference = node.get("reference")
    if not isinstance(reference, str) or reference[:1] != "#":
        return None
    return [Problem("ref-1", (reference[:64],), ".reference", fragment=reference)]


RULES: Final[Mapping[str, Rule]] = {
    "Extension": check_extension,
    "Period": check_period,
    "Reference": check_reference,
}
"""Class -> the rule that its objects meet."""


def target_check(check_object: Check, targets: frozenset[str]) -> Check:
    """Add to the check of a Reference that it points to a type that the element allows."""

    def check(value: Any) -> Problems | None:
        problems = check_object(value)
        reference = value.get("reference")
        if problems or reference.__class__ is not str or reference.partition("/")[0] in targets:
            return problems
        target_type = parse_reference(reference).target_type
        if not target_type or target_type in targets:
            return None
        return [Problem("reference-target", (target_type, ", ".join(sorted(targets))), ".reference")]

    return check
