"""Bindings: codes against value sets, by strength; what nobody knows is said, never passed as checked.

Spec: terminologies.html#strength
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from fhir_server.foundation.structure import Element
from fhir_server.validation.profiles.place import Place
from fhir_server.validation.profiles.run import Run
from fhir_server.validation.profiles.values import Check

CORE: Final = "http://hl7.org/fhir/ValueSet/"
UCUM: Final = "http://unitsofmeasure.org"
VITAL_COMPONENT: Final = "Observation.component.value[x]"
VITAL_UNITS: Final = f"{CORE}ucum-vitals-common"
"""Choice: R4's vital signs bind the value of any component, of an oxygen flow too, to these; so it is extensible."""
ABSENT: Final = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
MAXIMUM: Final = "http://hl7.org/fhir/StructureDefinition/elementdefinition-maxValueSet"
STRENGTHS: Final = frozenset({"required", "extensible", "preferred"})

Coded = tuple[str, str]
"""A system and a code; "" for what is not said."""


def binding_check(definition: Mapping[str, Any], element: Element | None) -> Check | None:
    """Return the check of a binding; None when there is none, or the door checks the same value set already."""
    binding = definition.get("binding") or {}
    value_set, strength = binding.get("valueSet", ""), binding.get("strength")
    if definition.get("path") == VITAL_COMPONENT and value_set.partition("|")[0] == VITAL_UNITS:
        strength = "extensible"
    if not value_set or strength not in STRENGTHS:
        return None
    if element is not None and _is_at_the_door(element, value_set):
        return None
    most = _maximum(binding) if strength != "required" else ""

    def check(place: Place, run: Run) -> None:
        found = codes_of(place)
        if not found:
            if strength == "required" and _is_wordy(place.value):
                run.add("binding-missing", place, value_set)
            return
        _check_strength(place, found, value_set, strength, run)
        if most:
            _check_strength(place, found, most, "required", run)

    return check


def _is_wordy(value: Any) -> bool:
    """Tell whether a concept has words only, and does not say why a code is absent."""
    if not isinstance(value, dict) or "text" not in value or "coding" in value:
        return False
    return not any(one.get("url") == ABSENT for one in value.get("extension", ()))


def _is_at_the_door(element: Element, value_set: str) -> bool:
    """Tell whether the structure checks a value set; of concepts it leaves those alone that have words only."""
    is_same = bool(element.code_set) and value_set.partition("|")[0] == CORE + element.code_set
    return is_same and element.type_code != "CodeableConcept"


def _maximum(binding: Mapping[str, Any]) -> str:
    """Return the value set that codes must be in all the same, where a binding is weaker. Spec: extension-max."""
    named = [one for one in binding.get("extension", ()) if one.get("url") == MAXIMUM]
    return next((str(one.get("valueCanonical", "")) for one in named), "")


def _check_strength(place: Place, found: list[Coded], value_set: str, strength: str, run: Run) -> None:
    answers = [run.is_member(value_set, system, code) for system, code in found]
    if True in answers:
        return
    if None in answers:
        run.add("binding-unchecked", place, value_set, strength)
    else:
        shown = ", ".join(f"{system}#{code}" if system else code for system, code in found)
        run.add(f"binding-{strength}", place, value_set, shown)


def codes_of(place: Place) -> list[Coded]:
    """Return the codes of a code, Coding, CodeableConcept or Quantity; none when no code is given."""
    value = place.value
    if isinstance(value, str):
        return [("", value)]
    if not isinstance(value, dict):
        return []
    return list(_codes(value))


def _codes(value: Mapping[str, Any]) -> Iterator[Coded]:
    codings = value["coding"] if isinstance(value.get("coding"), list) else [value]
    for coding in codings:
        if isinstance(coding.get("code"), str):
            yield str(coding.get("system", "")), coding["code"]
