"""Bundle rules: full URLs, references between entries, documents; profiles that entries name."""

from collections.abc import Callable
from typing import Any

import pytest

Check = Callable[..., list[tuple[str, str, str]]]
Made = Callable[..., dict[str, Any]]

URN = "urn:uuid:00000000-0000-4000-8000-00000000000"


def entry(number: int, resource: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"fullUrl": f"{URN}{number}", "resource": resource, **more}


def document(*entries: dict[str, Any], author: str = f"{URN}1") -> dict[str, Any]:
    composition = {
        "resourceType": "Composition",
        "status": "final",
        "type": {"text": "x"},
        "date": "2024-01-01",
        "author": [{"reference": author}],
        "title": "x",
    }
    return {
        "resourceType": "Bundle",
        "type": "document",
        "identifier": {"system": "urn:x", "value": "1"},
        "timestamp": "2024-01-01T00:00:00Z",
        "entry": [entry(0, composition), *entries],
    }


DOCTOR = {"resourceType": "Practitioner", "name": [{"text": "x"}]}


def test_a_document_whose_references_resolve_is_right(check: Check, made: Made) -> None:
    assert check(document(entry(1, DOCTOR)), made("p", "Bundle")) == []


def test_a_reference_within_a_document_must_resolve(check: Check, made: Made) -> None:
    found = check(document(entry(1, DOCTOR), author=f"{URN}2"), made("p", "Bundle"))
    assert found == [
        ("error", "bundle-reference", "Bundle.entry[0].resource.author[0].reference"),
        ("warning", "bundle-unreached", "Bundle.entry[1]"),
    ]


def test_relative_references_resolve_against_the_full_url(check: Check, made: Made) -> None:
    bundle = document(entry(1, DOCTOR | {"id": "1"}), author="Practitioner/1")
    for item, name in zip(bundle["entry"], ("Composition/0", "Practitioner/1"), strict=True):
        item["fullUrl"] = f"http://example.org/{name}"
        item["resource"]["id"] = name[-1]
    assert check(bundle, made("p", "Bundle")) == []
    bundle["entry"][1]["fullUrl"] = "http://example.org/Practitioner/2"
    assert ("error", "bundle-full-url-id", "Bundle.entry[1].fullUrl") in check(bundle, made("p", "Bundle"))


def test_full_urls_are_there_and_absolute(check: Check, made: Made) -> None:
    bundle = document(entry(1, DOCTOR))
    bundle["entry"][1]["fullUrl"] = "Practitioner/1"
    assert ("error", "bundle-full-url-relative", "Bundle.entry[1].fullUrl") in check(bundle, made("p", "Bundle"))
    del bundle["entry"][1]["fullUrl"]
    assert ("error", "bundle-full-url", "Bundle.entry[1].fullUrl") in check(bundle, made("p", "Bundle"))


@pytest.mark.parametrize(
    ("kind", "changes", "is_needed"),
    [
        ("searchset", {}, True),
        ("collection", {}, True),
        ("collection", {"id": None}, False),
        ("collection", {"subject": {"reference": "urn:uuid:1"}}, False),
        ("transaction", {}, False),
    ],
)
def test_relative_references_need_a_full_url(
    check: Check, made: Made, kind: str, changes: dict[str, Any], is_needed: bool
) -> None:
    about = {
        "resourceType": "Basic",
        "id": "1",
        "code": {"text": "x"},
        "subject": {"reference": "Patient/1"},
        **changes,
    }
    held = {key: value for key, value in about.items() if value is not None}
    found = check({"resourceType": "Bundle", "type": kind, "entry": [{"resource": held}]}, made("p", "Bundle"))
    assert (("error", "bundle-full-url", "Bundle.entry[0].fullUrl") in found) is is_needed


def test_a_document_starts_with_its_composition(check: Check, made: Made) -> None:
    bundle = document(entry(1, DOCTOR))
    bundle["entry"].reverse()
    assert ("error", "bundle-first", "Bundle.entry[0]") in check(bundle, made("p", "Bundle"))


def test_an_entry_is_judged_by_the_profiles_it_names(check: Check, made: Made) -> None:
    named = made("named", "Practitioner", {"path": "Practitioner.gender", "min": 1})
    bundle = document(entry(1, DOCTOR | {"meta": {"profile": [named["url"]]}}))
    assert check(bundle, made("p", "Bundle"), named) == [("error", "minimum", "Bundle.entry[1].resource.gender")]


def test_a_document_holds_what_its_composition_refers_to(check: Check, made: Made) -> None:
    found = check(document(entry(1, DOCTOR), author="Practitioner/9"), made("p", "Bundle"))
    assert ("error", "bundle-reference", "Bundle.entry[0].resource.author[0].reference") in found


def test_a_relation_is_linked_once(check: Check, made: Made) -> None:
    links = [{"relation": relation, "url": "http://example.org"} for relation in ("self", "next", "self")]
    bundle = {"resourceType": "Bundle", "type": "collection", "link": links}
    assert check(bundle, made("p", "Bundle")) == [("error", "bundle-link", "Bundle.link[2]")]
