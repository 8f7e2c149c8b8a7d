"""Rules of a StructureDefinition: its type, its paths, the profiles and expressions that it names.

Spec: structuredefinition.html, elementdefinition.html
"""

from collections.abc import Iterator
from typing import Final

from fhir_server import fhirpath
from fhir_server.foundation.operation_outcome import FhirError
from fhir_server.foundation.structure import ABSTRACT_TYPES, structure
from fhir_server.validation.profiles.definitions.snapshot import CORE, CORE_TYPES, type_code
from fhir_server.validation.profiles.place import Place, items
from fhir_server.validation.profiles.run import Run

_VIEWS: Final = ("differential", "snapshot")


def check_structure_definition(place: Place, run: Run) -> None:
    """Check a definition by itself and against its base."""
    kind, url = str(place.value.get("type", "")), str(place.value.get("url", ""))
    base, derivation = place.value.get("baseDefinition"), place.value.get("derivation")
    is_core = url.startswith(CORE)
    at = Place(kind, place, "type", "type")
    if kind and ":" not in kind and kind not in CORE_TYPES and not is_core:
        run.add("definition-type", at, kind)
    known = run.environment.profiles.snapshots.definition(base) if isinstance(base, str) else None
    if known is not None and not is_core:
        is_same = known.get("type") == kind
        if derivation == "specialization" and is_same:
            run.add("definition-special", at, kind, base)
        elif derivation == "constraint" and not is_same and known.get("type") not in ("Element", "Resource"):
            run.add("definition-constraint", at, kind, base, known.get("type"))
    for element in _elements(place):
        _check_element(element, kind.rpartition("/")[2], run)


def _elements(place: Place) -> Iterator[Place]:
    for name in _VIEWS:
        for view in items(place, name, name):
            yield from items(view, "element", "element")


def _check_element(element: Place, kind: str, run: Run) -> None:
    path = str(element.value.get("path", ""))
    if kind and path.partition(".")[0] != kind:
        run.add("definition-path", Place(path, element, "path", "path"), path, kind)
    for rule in items(element, "constraint", "constraint"):
        expression = rule.value.get("expression")
        if isinstance(expression, str):
            try:
                fhirpath.compile(expression, is_as_filter=True)
            except FhirError as error:
                run.add("expression", Place(expression, rule, "expression", "expression"), error)
    for one in items(element, "type", "type"):
        for profile in items(one, "profile", "profile"):
            _check_profile(profile, type_code(one.value), run)


def _check_profile(profile: Place, code: str, run: Run) -> None:
    found = run.environment.profiles.type_of(str(profile.value))
    is_abstract = code in ABSTRACT_TYPES and code in _lineage(found)
    if found in CORE_TYPES and code in CORE_TYPES and not is_abstract and found not in _lineage(code):
        run.add("definition-profile", profile, profile.value, found, code)


def _lineage(name: str) -> Iterator[str]:
    while name:
        yield name
        try:
            name = structure(name).base
        except KeyError:
            return
