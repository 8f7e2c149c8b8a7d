"""Extensions: known or not, where they may stand, modifier or not, and what their definition says of them.

Spec: extensibility.html, defining-extensions.html#context
"""

from typing import Final

from fhir_server import fhirpath
from fhir_server.foundation.operation_outcome import FhirError
from fhir_server.foundation.structure import RESOURCE_TYPES
from fhir_server.validation.profiles.definitions.cross_version import is_of_a_version, other_element
from fhir_server.validation.profiles.definitions.extension import Extension
from fhir_server.validation.profiles.place import Place, items, node_of, resource_place
from fhir_server.validation.profiles.run import Run

_CANONICAL: Final = frozenset({"CanonicalResource", "MetadataResource"})


def check_extension(place: Place, run: Run) -> None:
    """Check one extension of a resource or of a value; those within an extension are their definition's affair."""
    url = place.value.get("url")
    if not isinstance(url, str):
        return
    if ":" not in url:
        if not is_within_extension(place):
            run.add("extension-relative", Place(url, place, "url", "url"), url)
        return
    known = run.environment.profiles.extension(url)
    if known is None:
        _check_unknown(place, url, run)
    else:
        _check_known(place, known, run)


def _check_known(place: Place, known: Extension, run: Run) -> None:
    url, is_modifier = known.url, place.name == "modifierExtension"
    if known.is_modifier is not is_modifier:
        run.add("extension-modifier" if known.is_modifier else "extension-plain", place, url)
    if known.is_judged and place.parent is not None and not _stands_in(place.parent, known):
        run.add("extension-context", place, url, known.allowed())
    _check_context(place, known, run)
    for part in items(place, "extension", "extension") if known.parts else ():
        name = part.value.get("url")
        if isinstance(name, str) and ":" not in name and name not in known.parts:
            run.add("extension-part", part, url, name, ", ".join(sorted(known.parts)))
    run.environment.profiles.check_place(place, str(place.value["url"]), run)


def _check_unknown(place: Place, url: str, run: Run) -> None:
    """Check an extension without a definition here: of one for an element of another version much is known."""
    is_modifier = place.name == "modifierExtension"
    element = other_element(url)
    if element is None:
        if is_of_a_version(url):
            run.add("extension-version", place, url)
        else:
            run.add("modifier-unknown" if is_modifier else "extension-unknown", place, url)
        return
    if element.is_modifier is not None and element.is_modifier is not is_modifier:
        run.add("extension-modifier" if element.is_modifier else "extension-plain", place, url)
    if element.places and place.parent is not None and element.places.isdisjoint(names_of(place.parent)):
        run.add("extension-context", place, url, ", ".join(sorted(element.places)))
    run.add("extension-unknown", place, url)


def is_within_extension(place: Place) -> bool:
    """Tell whether an extension is a part of another one, whose definition gives it a short name."""
    return place.parent is not None and place.parent.key in ("extension", "modifierExtension")


def _check_context(place: Place, known: Extension, run: Run) -> None:
    for rule in known.invariants if place.parent is not None else ():
        assert place.parent is not None
        try:
            holds = fhirpath.compile(rule).is_true(node_of(place.parent), run.context)
        except FhirError as error:
            run.add("invariant-unchecked", place, rule, error)
            continue
        if holds is False:
            run.add("extension-invariant", place, known.url, rule)


def _stands_in(place: Place, known: Extension) -> bool:
    if "Element" in known.places:
        return True
    value = place.value
    if value.__class__ is dict:
        if value.get("resourceType") in known.places:
            return True
        if value.get("url") in known.extensions:
            return True
    return not known.places.isdisjoint(names_of(place)) or any(_is_led_to(place, rule) for rule in known.rules)


def _is_led_to(place: Place, rule: str) -> bool:
    """Tell whether a FHIRPath from the resource leads to a place; one that cannot be evaluated is not held against."""
    try:
        found = fhirpath.evaluate(rule, node_of(resource_place(place)))
    except FhirError:
        return True
    nodes = [item for item in found if isinstance(item, fhirpath.Node)]
    return any(place.value is node.value or place.value is node.extension for node in nodes)


def names_of(place: Place) -> set[str]:
    """Return what an element definition may call a place: its types and its paths from each resource and type above."""
    kind = node_of(place).type
    names = {name.rpartition(".")[2] for name in kind.ancestors} | {kind.class_name}
    if kind.name in RESOURCE_TYPES:
        # R5's names of resources that have a url, which packages for R4 use.
        return names | _CANONICAL if "url" in kind.named else names
    steps, here = [place.name], place.parent
    while here is not None:
        above = node_of(here).type
        path = ".".join(reversed(steps))
        if "." in above.class_name:
            names.add(f"{above.class_name}.{path}")  # Such as ValueSet.compose.include.code below compose.exclude.
        elif above.class_name:
            for ancestor in above.ancestors:
                names |= {f"{ancestor.rpartition('.')[2]}.{path}", f"{ancestor.rpartition('.')[2]}.{path}[x]"}
        if here.value.__class__ is dict and "resourceType" in here.value:
            break
        steps.append(here.name)
        here = here.parent
    return names
