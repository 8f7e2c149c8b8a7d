"""References: the types and profiles of what they point to, and how it is met.

Spec: references.html, elementdefinition.html#ElementDefinition.type.aggregation
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from fhir_server.foundation.references import parse_reference
from fhir_server.foundation.structure import Element
from fhir_server.validation.profiles.definitions.snapshot import CORE
from fhir_server.validation.profiles.place import Place
from fhir_server.validation.profiles.run import Run
from fhir_server.validation.profiles.values import Check

if TYPE_CHECKING:
    from fhir_server.validation.profiles.profile import Profiles

CheckTarget = Callable[[Place, Place, Run], None]
"""Take the reference and what it points to."""


def reference_check(kind: Mapping[str, Any], element: Element | None, profiles: "Profiles", url: str) -> Check | None:
    """Return the check of a Reference's target; None when the profile asks no more than R4 itself."""
    targets = {target: profiles.type_of(target) for target in kind.get("targetProfile", ())}
    modes = kind.get("aggregation", ())
    allowed = frozenset(targets.values())
    is_any = not targets or bool({"", "Resource"} & allowed)
    named = [target for target in targets if not target.startswith(CORE)]
    if not named and not modes and (is_any or (element is not None and element.targets == allowed)):
        return None

    target_checks = _target_checks(targets, profiles) if named else ()

    def check(place: Place, run: Run) -> None:
        value = place.value
        reference = value.get("reference") if value.__class__ is dict else None
        if reference.__class__ is not str:
            return
        mode, target = run.target(reference, place)
        found = target.value["resourceType"] if target else parse_reference(reference).target_type or value.get("type")
        if not is_any and found and found not in allowed:
            run.add("target-type", place, found, url, ", ".join(sorted(allowed)))
        elif target is not None:
            for check_target in target_checks:
                check_target(place, target, run)
        if modes and mode not in modes and not (mode == "bundled" and "referenced" in modes):
            run.add("aggregation", place, mode, url, ", ".join(modes))

    return check


def _target_checks(targets: Mapping[str, str], profiles: "Profiles") -> tuple[CheckTarget, ...]:
    def check(place: Place, target: Place, run: Run) -> None:
        found = target.value["resourceType"]
        wanted = [one for one, known in targets.items() if known in (found, "", "Resource")]
        if not any(profiles.conforms_place(target, one, run) for one in wanted):
            run.add("target-profile", place, ", ".join(wanted))
            if len(wanted) == 1 and not run.is_probe:
                profiles.check_place(target, wanted[0], run)  # Says why.

    return (check,)
