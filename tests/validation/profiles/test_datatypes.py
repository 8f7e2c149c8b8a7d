"""Rules of data types: what references, canonicals, codes, units, identifiers and contents must be."""

from base64 import b64encode
from collections.abc import Callable
from hashlib import sha1
from typing import Any

import pytest

from fhir_server.validation.profiles.definitions.snapshot import CORE

Resource = dict[str, Any]
Check = Callable[..., list[tuple[str, str, str]]]
BASIC: Resource = {"resourceType": "Basic", "code": {"text": "x"}}
GROUP: Resource = {"resourceType": "Group", "id": "g", "type": "person", "actual": True}


def observation(**elements: Any) -> Resource:
    return {"resourceType": "Observation", "status": "final", "code": {"text": "x"}, **elements}


@pytest.mark.spec("datatypes.html")
@pytest.mark.parametrize(
    ("resource", "message_id", "expression"),
    [
        ({**BASIC, "subject": {"reference": "Patient/1", "type": "Group"}}, "reference-type", "Basic.subject.type"),
        (
            observation(encounter={"type": "Group", "display": "x"}),
            "reference-leads",
            "Observation.encounter.type",
        ),
        ({**BASIC, "subject": {"reference": "Patient /1"}}, "reference-form", "Basic.subject.reference"),
        (
            observation(contained=[GROUP], encounter={"reference": "#g"}),
            "reference-leads",
            "Observation.encounter.reference",
        ),
        ({**BASIC, "identifier": [{"system": "ins", "value": "1"}]}, "system-relative", "Basic.identifier[0].system"),
        (
            {**BASIC, "identifier": [{"system": "urn:ietf:rfc:3986", "value": "1"}]},
            "identifier-uri",
            "Basic.identifier[0].value",
        ),
        (
            {**BASIC, "code": {"coding": [{"system": "x", "code": "y"}]}},
            "system-relative",
            "Basic.code.coding[0].system",
        ),
        ({**BASIC, "meta": {"source": "urn:uuid:1"}}, "uuid-form", "Basic.meta.source"),
        ({**BASIC, "meta": {"source": "urn:oid:3.1"}}, "oid-form", "Basic.meta.source"),
        ({**BASIC, "meta": {"profile": ["StructureDefinition/x"]}}, "canonical-relative", "Basic.meta.profile[0]"),
        (
            {"resourceType": "Media", "status": "completed", "content": {"data": "b3Vp", "size": 4}},
            "attachment-size",
            "Media.content.size",
        ),
        (
            {"resourceType": "Media", "status": "completed", "content": {"data": "b3Vp", "hash": "b3Vp"}},
            "attachment-hash",
            "Media.content.hash",
        ),
        (
            {**BASIC, "extension": [{"id": "a", "url": "urn:x:y", "valueString": "z"}], "code": {"id": "a"}},
            "duplicate-id",
            "Basic",
        ),
    ],
)
def test_a_mistake_is_found_where_it_is(check: Check, resource: Resource, message_id: str, expression: str) -> None:
    definition = {"resourceType": "StructureDefinition", "url": CORE + "Resource", "type": "Resource"}
    assert ("error", message_id, expression) in check(resource, definition)


@pytest.mark.parametrize(
    "resource",
    [
        {**BASIC, "subject": {"reference": "Patient/1", "type": "Patient"}},
        {**BASIC, "subject": {"reference": "http://example.org/x?y=z", "type": "Patient"}},
        observation(contained=[GROUP], subject={"reference": "#g"}),
        {**BASIC, "meta": {"source": "urn:uuid:12345678-abcd-1234-abcd-1234567890ab", "profile": ["#x"]}},
        {
            "resourceType": "Media",
            "status": "completed",
            "content": {"contentType": "text/plain", "data": "b3Vp", "size": 3},
        },
    ],
)
def test_right_ones_are_right(check: Check, resource: Resource) -> None:
    definition = {"resourceType": "StructureDefinition", "url": CORE + "Resource", "type": "Resource"}
    assert [row for row in check(resource, definition) if row[0] == "error"] == []


def test_the_hash_is_that_of_the_content(check: Check) -> None:
    content = b"oui"
    digest = b64encode(sha1(content, usedforsecurity=False).digest()).decode()
    media = {"contentType": "text/plain", "data": b64encode(content).decode(), "size": 3, "hash": digest}
    definition = {"resourceType": "StructureDefinition", "url": CORE + "Resource", "type": "Resource"}
    found = check({"resourceType": "Media", "status": "completed", "content": media}, definition)
    assert [row for row in found if row[0] == "error"] == []


@pytest.mark.spec("terminologies.html#required")
def test_words_alone_do_not_meet_a_required_binding(check: Check, made: Callable[..., Resource]) -> None:
    binding = {"strength": "required", "valueSet": "http://example.org/ValueSet/x"}
    profile = made("coded", "Basic", {"id": "Basic.code", "path": "Basic.code", "binding": binding})
    assert ("error", "binding-missing", "Basic.code") in check(BASIC, profile)
    absent = {"url": f"{CORE}data-absent-reason", "valueCode": "unknown"}
    found = check({**BASIC, "code": {"text": "x", "extension": [absent]}}, profile)
    assert [row for row in found if row[1] == "binding-missing"] == []


def test_a_message_holds_what_it_is_about(check: Check) -> None:
    header = {
        "resourceType": "MessageHeader",
        "eventUri": "urn:x:y",
        "source": {"endpoint": "urn:x:z"},
        "focus": [{"reference": "Basic/1"}],
    }
    bundle = {
        "resourceType": "Bundle",
        "type": "message",
        "entry": [{"fullUrl": "http://e.org/MessageHeader/1", "resource": header}],
    }
    definition = {"resourceType": "StructureDefinition", "url": CORE + "Resource", "type": "Resource"}
    assert ("error", "bundle-reference", "Bundle.entry[0].resource.focus[0].reference") in check(bundle, definition)
