"""The access rows of a resource, and what it takes from its governors."""

from typing import Any

import pytest

from fhir_server.access.extract import access_rows, attachments, governors, inherit, kept_rows
from fhir_server.access.labels import VISIBILITY_SYSTEM
from fhir_server.access.rows import at_home, local_reference
from fhir_server.search.index_row import COMPARTMENT, REFERENCE, RELATION, TOKEN

MASKED = (TOKEN, "_label", 0, VISIBILITY_SYSTEM, "MASQUE_PS")


def reference(parameter: str, target: str) -> tuple[Any, ...]:
    return (REFERENCE, parameter, 0, *target.split("/"), "")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Patient/1", "Patient/1"),
        ("Patient/1/_history/3", "Patient/1"),
        ("DocumentReference/d#entry-1", "DocumentReference/d"),
        ("https://elsewhere.example/Patient/1", ""),
        ("urn:uuid:0e2f3b4c-1111-2222-3333-444455556666", ""),
        ("#contained", ""),
        ("patient/1", ""),
        (None, ""),
    ],
)
def test_local_references(text: str | None, expected: str) -> None:
    assert local_reference(text) == expected


@pytest.mark.parametrize("system", [VISIBILITY_SYSTEM, "urn:oid:1.2.250.1.213.1.1.4.13"])
def test_labels_of_documents_and_resources(system: str) -> None:
    coding = {"system": system, "code": "MASQUE_PS"}
    document = {"resourceType": "DocumentReference", "securityLabel": [{"coding": [coding]}]}
    assert MASKED in access_rows(document, "")
    assert MASKED in access_rows({"resourceType": "Observation", "meta": {"security": [coding]}}, "")


@pytest.mark.parametrize("coding", [{"system": "urn:other", "code": "MASQUE_PS"}, {"code": "MASQUE_PS"}, {"code": "N"}])
def test_other_labels_hide_nothing(coding: dict[str, str]) -> None:
    assert access_rows({"resourceType": "Observation", "meta": {"security": [coding]}}, "") == []


@pytest.mark.parametrize(
    "resource",
    [
        {"resourceType": "DocumentReference", "author": [{"reference": "Practitioner/1"}]},
        {"resourceType": "DocumentReference", "authenticator": {"reference": "Practitioner/1"}},
        {"resourceType": "Composition", "attester": [{"mode": "legal", "party": {"reference": "Practitioner/1"}}]},
        {"resourceType": "Observation", "performer": [{"reference": "Practitioner/1"}]},
        {"resourceType": "Procedure", "performer": [{"actor": {"reference": "Practitioner/1"}}]},
        {"resourceType": "Condition", "asserter": {"reference": "Practitioner/1"}},
        {"resourceType": "ServiceRequest", "requester": {"reference": "Practitioner/1"}},
        {"resourceType": "Provenance", "agent": [{"who": {"reference": "Practitioner/1"}}]},
    ],
    ids=lambda resource: "-".join([resource["resourceType"], *list(resource)[1:]]),
)
def test_authors(resource: dict[str, Any]) -> None:
    assert reference("_author", "Practitioner/1") in access_rows(resource, "")


@pytest.mark.parametrize(
    "resource",
    [
        {"resourceType": "ServiceRequest", "performer": [{"reference": "Practitioner/1"}]},
        {"resourceType": "AuditEvent", "agent": [{"who": {"reference": "Practitioner/1"}}]},
        {"resourceType": "Consent", "performer": [{"reference": "Practitioner/1"}]},
        {"resourceType": "Observation", "performer": [{"reference": "https://elsewhere.example/Practitioner/1"}]},
    ],
    ids=lambda resource: resource["resourceType"],
)
def test_who_is_asked_or_watched_is_no_author(resource: dict[str, Any]) -> None:
    assert access_rows(resource, "") == []


def test_a_resource_says_what_governs_it() -> None:
    converted = {"resourceType": "Observation", "id": "o", "meta": {"source": "DocumentReference/d#e"}}
    assert governors(converted) == ["DocumentReference/d"]
    assert governors({**converted, "resourceType": "Organization"}) == []
    assert governors({"resourceType": "Binary", "securityContext": {"reference": "Patient/1"}}) == ["Patient/1"]
    provenance = {"resourceType": "Provenance", "target": [{"reference": "Observation/o/_history/2"}]}
    assert governors(provenance) == ["Observation/o"]
    audit_event = {
        "resourceType": "AuditEvent",
        "entity": [{"what": {"reference": "Patient/1"}}, {"what": {"reference": "DocumentReference/d"}}, {"name": "q"}],
    }
    assert governors(audit_event) == ["DocumentReference/d"]
    assert reference("_document", "DocumentReference/d") in access_rows(audit_event, "")


def test_a_list_is_governed_by_the_documents_it_tells_of() -> None:
    items = [{"item": {"reference": "DocumentReference/d"}}, {"item": {"reference": "Condition/c"}}]
    assert governors({"resourceType": "List", "entry": items}) == ["DocumentReference/d"]
    manifest = {"resourceType": "DocumentManifest", "content": [{"reference": "DocumentReference/d"}]}
    assert governors(manifest) == ["DocumentReference/d"]


def test_attachments_of_a_document() -> None:
    document = {
        "resourceType": "DocumentReference",
        "content": [
            {"attachment": {"url": "Binary/b"}},
            {"attachment": {"url": "Patient/1"}},
            {"attachment": {"url": "https://elsewhere.example/fhir/Binary/x"}},
            {"attachment": {"data": "AAAA"}},
        ],
    }
    assert attachments(document) == ["Binary/b"]


def test_labels_come_from_every_governor_and_access_only_from_all_of_them() -> None:
    mine = [reference("_author", "Practitioner/1"), (COMPARTMENT, "Patient", 0, "1")]
    masked = [reference("_author", "Practitioner/2"), (COMPARTMENT, "Patient", 0, "1"), MASKED]
    taken = inherit("Provenance", "", [], [("DocumentReference/a", mine), ("DocumentReference/b", masked)])
    assert taken == [MASKED, (COMPARTMENT, "Patient", 0, "1")]
    other = [(COMPARTMENT, "Patient", 0, "2")]
    assert inherit("Provenance", "", [], [("DocumentReference/a", mine), ("Observation/o", other)]) == []


def test_a_resource_keeps_its_own_compartments_and_a_trace_takes_no_authors() -> None:
    governor = ("DocumentReference/d", [reference("_depositor", "Device/lab"), (COMPARTMENT, "Patient", 0, "2")])
    own = [(COMPARTMENT, "Patient", 0, "1")]
    assert inherit("Observation", "", own, [governor]) == [reference("_depositor", "Device/lab")]
    assert inherit("AuditEvent", "", own, [governor]) == []
    assert inherit("Medication", "", [], [governor]) == [reference("_depositor", "Device/lab")]


RECORD = (COMPARTMENT, "Patient", 0, "1")
INVISIBLE = (TOKEN, "_label", 0, VISIBILITY_SYSTEM, "INVISIBLE_PATIENT")


@pytest.mark.parametrize(
    ("depositor", "governor", "taken"),
    [
        ("Patient/1", [RECORD], [RECORD]),
        ("Patient/2", [RECORD], []),
        ("Patient/1", [RECORD, INVISIBLE], []),
        ("Patient/1", [RECORD, INVISIBLE, reference("_author", "Patient/1")], []),
        ("Patient/1", [RECORD, MASKED], [MASKED, RECORD]),
        ("Practitioner/1", [RECORD, MASKED], [MASKED]),
        ("Device/lab", [RECORD, INVISIBLE], [INVISIBLE, RECORD]),
        ("", [RECORD], [RECORD]),
    ],
)
def test_naming_what_one_may_not_see_is_naming_nothing(depositor: str, governor: list[Any], taken: list[Any]) -> None:
    assert inherit("Provenance", depositor, [], [("Observation/o", governor)]) == sorted(taken)


def test_what_a_person_deposited_or_wrote_himself_governs_what_he_adds() -> None:
    for parameter in ("_depositor", "_author"):
        own = reference(parameter, "Practitioner/1")
        assert RECORD in inherit("Binary", "Practitioner/1", [], [("DocumentReference/d", [RECORD, own])])


def test_directory_targets_neither_open_nor_close() -> None:
    governor = ("DocumentReference/d", [(COMPARTMENT, "Patient", 0, "1")])
    taken = inherit("Provenance", "", [], [governor, ("Practitioner/p", [])])
    assert taken == [(COMPARTMENT, "Patient", 0, "1")]


def test_a_deletion_keeps_who_could_see_and_ends_relations() -> None:
    rows = [
        MASKED,
        (COMPARTMENT, "Patient", 0, "1"),
        reference("_depositor", "Device/lab"),
        reference("subject", "Patient/1"),
        (RELATION, "consent", 0, "Practitioner/1", "1", 0, 1),
        (TOKEN, "code", 0, "urn:x", "y"),
    ]
    assert kept_rows(rows) == rows[:3]


def test_absolute_references_below_our_address_come_home() -> None:
    resource = {"meta": {"source": "https://fhir.example/fhir/DocumentReference/d#1"}, "list": [{"a": "urn:x"}]}
    home = at_home(resource, ("https://fhir.example/fhir",))
    assert home == {"meta": {"source": "DocumentReference/d#1"}, "list": [{"a": "urn:x"}]}
    assert at_home(resource, ("https://other.example",)) is resource
    assert at_home(resource, ()) is resource
