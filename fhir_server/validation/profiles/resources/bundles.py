"""Bundle rules: full URLs, references between entries, the first entry of documents and messages.

Spec: bundle.html#bundle-unique, bundle.html#references, documents.html, http.html#transaction
"""

from collections.abc import Iterator
from typing import Any, Final

from fhir_server.foundation.references import parse_reference
from fhir_server.validation.profiles.place import Place, items
from fhir_server.validation.profiles.run import Run

_FIRST: Final = {"document": "Composition", "message": "MessageHeader"}
_NAMED: Final = frozenset({"searchset", "history", "collection", "message"})
"""Types whose entries have a full URL, except for what an operation made and nobody identifies."""
_CLOSED: Final = frozenset({"document", "transaction", "batch", "message"})


def check_bundle(bundle: Place, run: Run) -> None:
    """Check the rules of a Bundle that its invariants do not tell."""
    kind = str(bundle.value.get("type", ""))
    entries = list(items(bundle, "entry", "entry"))
    for entry in entries:
        _check_full_url(entry, kind, run)
    if kind in _CLOSED:
        for entry in entries:
            for place in _references(entry):
                _check_reference(place, run)
    if kind == "searchset":
        _check_results(entries, run)
    if kind in _FIRST and entries:
        _check_first(entries, kind, run)
    _check_links(bundle, run)


def _check_first(entries: list[Place], kind: str, run: Run) -> None:
    first = entries[0].value.get("resource", {}).get("resourceType")
    if first != _FIRST[kind]:
        run.add("bundle-first", entries[0], kind, _FIRST[kind])
    elif kind == "message":
        _check_focus(entries[0], run)
    else:
        _check_held(entries[0], run)
        _check_reached(entries, run)


def _check_results(entries: list[Place], run: Run) -> None:
    """Check that what a search found can be read: it has an id."""
    for entry in entries:
        for resource in items(entry, "resource", "resource"):
            if "id" not in resource.value and resource.value.get("resourceType") != "OperationOutcome":
                run.add("bundle-result-id", resource)


def _check_links(bundle: Place, run: Run) -> None:
    seen: set[str] = set()
    for link in items(bundle, "link", "link"):
        relation = str(link.value.get("relation"))
        if relation in seen:
            run.add("bundle-link", link, relation)
        seen.add(relation)


def _check_full_url(entry: Place, kind: str, run: Run) -> None:
    resource, full_url = entry.value.get("resource"), entry.value.get("fullUrl")
    if full_url is None:
        if (kind == "document" and resource is not None) or (kind in _NAMED and _is_unresolvable(entry)):
            run.add("bundle-full-url", Place(None, entry, "fullUrl", "fullUrl"), kind)
        return
    place = Place(full_url, entry, "fullUrl", "fullUrl")
    if ":" not in full_url:
        run.add("bundle-full-url-relative", place, full_url)
    elif resource and not full_url.startswith("urn:"):
        tail = f"/{resource['resourceType']}/{resource.get('id', '')}"
        if parse_reference(full_url).target_type and not full_url.endswith(tail):
            run.add("bundle-full-url-id", place, full_url, tail)


def _is_unresolvable(entry: Place) -> bool:
    """Tell whether an identified resource has relative references, which only a full URL makes whole."""
    resource = entry.value.get("resource")
    is_identified = isinstance(resource, dict) and "id" in resource
    return is_identified and any(":" not in one.value and one.value[:1] != "#" for one in _references(entry))


def _references(place: Place) -> Iterator[Place]:
    """Yield the place of every literal reference below."""
    for key, value in place.value.items():
        if key == "reference" and isinstance(value, str):
            yield Place(value, place, key, key)
        elif value.__class__ is dict:
            yield from _references(Place(value, place, key, key))
        elif value.__class__ is list:
            for index, item in enumerate(value):
                if item.__class__ is dict:
                    yield from _references(Place(item, place, key, key, index))


def _check_reference(place: Place, run: Run) -> None:
    if place.value.startswith("urn:") and run.target(place.value, place)[1] is None:
        run.add("bundle-reference", place, place.value)


def _check_focus(entry: Place, run: Run) -> None:
    """Check that a message holds what it is about."""
    for header in items(entry, "resource", "resource"):
        for focus in items(header, "focus", "focus"):
            reference = focus.value.get("reference")
            if isinstance(reference, str) and run.target(reference, focus)[0] != "bundled":
                run.add("bundle-reference", Place(reference, focus, "reference", "reference"), reference)


def _check_held(entry: Place, run: Run) -> None:
    """Check that a document holds all that its Composition refers to."""
    for composition in items(entry, "resource", "resource"):
        for place in _references(composition):
            if not place.value.startswith("#") and run.target(place.value, place)[0] != "bundled":
                run.add("bundle-reference", place, place.value)


def _check_reached(entries: list[Place], run: Run) -> None:
    """Say which entries of a document neither lead to nor come from what the Composition leads to."""
    resources = [next(items(entry, "resource", "resource"), None) for entry in entries]
    links: dict[int, set[int]] = {}
    for place in resources:
        if place is None:
            continue
        for reference in _references(place):
            target = run.target(reference.value, reference)[1]
            if target is not None:
                links.setdefault(id(place.value), set()).add(id(target.value))
                # Choice: what refers to the story is part of it, such as a Provenance.
                if place.value.get("resourceType") == "Provenance":
                    links.setdefault(id(target.value), set()).add(id(place.value))
    reached = _reached(id(entries[0].value["resource"]), links)
    for place in resources:
        if place is not None and id(place.value) not in reached and place.parent is not None:
            run.add("bundle-unreached", place.parent)


def _reached(start: int, links: dict[int, set[int]]) -> set[Any]:
    reached, waiting = {start}, [start]
    while waiting:
        for found in links.get(waiting.pop(), ()):
            if found not in reached:
                reached.add(found)
                waiting.append(found)
    return reached
