"""Extensions that stand for elements of other versions of FHIR, told by their URLs alone.

Spec: versions.html#extensions
"""

import re
from functools import lru_cache
from typing import Final

import msgspec

from fhir_server.foundation.structure import DATA_TYPES, RESOURCE_TYPES, structure

PREFIX: Final = re.compile(r"http://hl7\.org/fhir/[0-9]")
_URL: Final = re.compile(r"http://hl7\.org/fhir/([0-9.]+)/StructureDefinition/extension-([A-Z]\w*(?:\.\w+(?:\[x\])?)+)")
_OTHER_VERSIONS: Final = frozenset({"1.0", "3.0", "4.3", "5.0"})
_MODIFIERS: Final = frozenset(
    {
        "CarePlan.activity.detail.prohibited",
        "Communication.notDone",
        "DeviceRequest.doNotPerform",
        "FamilyMemberHistory.notDone",
        "Immunization.notGiven",
        "Immunization.wasNotGiven",
        "MedicationAdministration.notGiven",
        "MedicationAdministration.wasNotGiven",
        "MedicationStatement.taken",
        "MedicationStatement.wasNotTaken",
        "Patient.animal",
        "Procedure.notDone",
        "Procedure.notPerformed",
        "ProcedureRequest.doNotPerform",
    }
)
"""Elements of other versions, unknown to R4, that change the meaning of what they are on: most of them negate it."""


class OtherElement(msgspec.Struct, frozen=True):
    """Hold what is known of the element: `is_modifier` None when nobody knows, `places` empty when anywhere."""

    is_modifier: bool | None
    places: frozenset[str]


def is_of_a_version(url: str) -> bool:
    """Tell whether a URL is in the space of a version of FHIR."""
    return PREFIX.match(url) is not None


@lru_cache(maxsize=1024)
def other_element(url: str) -> OtherElement | None:
    """Return what is known of the element that an extension stands for; None when the URL names none."""
    found = _URL.fullmatch(url)
    if found is None or found[1] not in _OTHER_VERSIONS:
        return None
    path = found[2].removesuffix("[x]")
    return OtherElement(_is_modifier(path), _places(path))


def _is_modifier(path: str) -> bool | None:
    if path in _MODIFIERS:
        return True
    above, _, name = path.rpartition(".")
    elements = structure(above).elements if _is_class(above) else {}
    same = [element for element in elements.values() if element.name == name or element.choice == f"{name}[x]"]
    return same[0].is_modifier if same else None


def _places(path: str) -> frozenset[str]:
    """Return where it stands: on what holds the element or, where only its type changed, on the element."""
    above = path.rpartition(".")[0]
    return frozenset({above, path, f"{path}[x]"}) if _is_class(above) else frozenset()


def _is_class(name: str) -> bool:
    """Tell whether R4 has a type, or an element with elements of its own, of this name."""
    kind, *steps = name.split(".")
    if kind not in RESOURCE_TYPES and kind not in DATA_TYPES:
        return False
    here = kind
    for step in steps:
        element = structure(here).elements.get(step)
        if element is None or element.is_primitive:
            return False
        here = element.class_name
    return here == name
