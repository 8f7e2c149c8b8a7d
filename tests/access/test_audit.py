"""Journal entries and the AuditEvents they become."""

from base64 import b64decode
from typing import Any

import msgspec
import pytest

from fhir_server.access.audit.entry import QUERY_CHARACTERS, AccessEntry, decode, encode
from fhir_server.access.audit.events import Seen, asked_patient, frame, frame_key, variants
from fhir_server.validation.validate import validate

READ = AccessEntry(
    instant=1_764_000_000_123_000,
    kind="professional",
    actor="Practitioner/doctor",
    client_id="software",
    display="Dr Fictif",
    interaction="read",
    resource_type="Observation",
    resource_id="o",
    version_id="2",
    status=200,
    user_id="user-1",
    purpose_of_use="TREAT",
    request_id="r-1",
    base_url="https://fhir.example/fhir",
)
SEARCH = msgspec.structs.replace(
    READ, interaction="search", resource_id="", version_id="", query="patient=1&code=x", results=("Observation/o",)
)
PLAIN = Seen("Observation/o", ("1",))
GOVERNED = Seen("Observation/g", ("1",), "DocumentReference/d")


def audit_events(entry: AccessEntry, seen: list[Seen]) -> list[dict[str, Any]]:
    """The events as they are stored, but for their ids."""
    return [{**frame(entry), **variant} for variant in variants(entry, seen)]


def whats(event: dict[str, Any]) -> list[str]:
    found = (entity.get("what", {}) for entity in event.get("entity", ()))
    return [what.get("reference") or what.get("display", "") for what in found if "identifier" not in what and what]


def queries(event: dict[str, Any]) -> list[str]:
    return [b64decode(entity["query"]).decode() for entity in event["entity"] if "query" in entity]


def test_an_entry_comes_back_as_it_went() -> None:
    assert decode(encode(SEARCH)) == SEARCH
    assert len(encode(READ)) < 250


@pytest.mark.parametrize("entry", [READ, SEARCH, msgspec.structs.replace(READ, kind="system", status=404)])
@pytest.mark.parametrize("interaction", ["", "create", "update", "patch", "delete", "vread", "history", "$everything"])
def test_events_are_valid(entry: AccessEntry, interaction: str) -> None:
    entry = msgspec.structs.replace(entry, interaction=interaction or entry.interaction)
    for event in audit_events(entry, [PLAIN, GOVERNED]):
        validate({**event, "id": "1"})


def test_a_read_names_who_what_and_whose() -> None:
    (event,) = audit_events(READ, [PLAIN])
    assert event["action"] == "R"
    assert event["outcome"] == "0"
    assert event["recorded"] == "2025-11-24T16:00:00.123Z"
    assert whats(event) == ["Observation/o/_history/2", "Patient/1"]
    client, server, user = event["agent"]
    assert client["who"] == {"identifier": {"value": "software"}}
    assert not server["requestor"]
    assert user["who"] == {"reference": "Practitioner/doctor"}
    assert (user["name"], user["altId"], user["requestor"]) == ("Dr Fictif", "user-1", True)
    assert user["purposeOfUse"][0]["coding"][0]["code"] == "TREAT"
    assert event["entity"][-1]["what"] == {"identifier": {"value": "r-1"}}


def test_a_search_gives_one_event_for_each_patient_and_governor() -> None:
    entry = msgspec.structs.replace(SEARCH, query="code=x")
    seen = [PLAIN, GOVERNED, Seen("Observation/h", ("1",), "DocumentReference/d"), Seen("Observation/p", ("2",))]
    events = audit_events(entry, seen)
    assert [whats(event) for event in events] == [
        ["Patient/1"],
        ["DocumentReference/d", "Patient/1"],
        ["Patient/2"],
        [],
    ]
    assert [queries(event) for event in events] == [["Observation"]] * 3 + [["Observation?code=x"]]


def test_a_search_about_one_patient_is_his_to_read_whatever_it_found() -> None:
    (event,) = audit_events(SEARCH, [])
    assert whats(event) == ["Patient/1"]
    assert queries(event) == ["Observation?patient=1&code=x"]
    about, governed = audit_events(SEARCH, [GOVERNED])
    assert about == event
    assert whats(governed) == ["DocumentReference/d", "Patient/1"]


def test_a_cursor_is_not_told() -> None:
    (event,) = audit_events(msgspec.structs.replace(SEARCH, query="patient=1&_cursor=abc"), [])
    assert queries(event) == ["Observation?patient=1"]


def test_deleting_what_is_hidden_leaves_the_trace_of_deleting_nothing() -> None:
    deletion = msgspec.structs.replace(READ, kind="patient", actor="Patient/1", interaction="delete", version_id="")
    deletion = msgspec.structs.replace(deletion, status=204)
    assert audit_events(deletion, [Seen("Observation/o")]) == audit_events(deletion, [Seen("Observation/o", ("2",))])


def test_what_a_patient_does_is_in_his_own_record_too() -> None:
    own = msgspec.structs.replace(READ, kind="patient", actor="Patient/1", resource_type="Provenance", resource_id="p")
    (event,) = audit_events(own, [Seen("Provenance/p")])
    assert whats(event) == ["Provenance/p/_history/2", "Patient/1"]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("patient=1", "1"),
        ("subject=Patient%2F1", "1"),
        ("patient=Patient/1&subject=1", "1"),
        ("patient=1&patient=2", ""),
        ("patient=1%2C2", ""),
        ("code=x%26patient%3D1", ""),
        ("patient.name=x", ""),
        ("patient=1&code=" + "x" * QUERY_CHARACTERS, ""),
    ],
)
def test_which_patient_a_search_is_about(query: str, expected: str) -> None:
    assert asked_patient(msgspec.structs.replace(SEARCH, query=query)) == expected


def test_a_compartment_and_an_operation_say_whom_they_are_about() -> None:
    assert asked_patient(msgspec.structs.replace(SEARCH, query="", compartment="Patient/1")) == "1"
    assert asked_patient(msgspec.structs.replace(SEARCH, query="patient=2", compartment="Patient/1")) == ""
    operation = msgspec.structs.replace(READ, interaction="$everything", resource_type="Patient", resource_id="1")
    assert asked_patient(operation) == "1"
    assert asked_patient(READ) == ""


def test_what_is_hidden_from_a_patient_leaves_the_trace_of_what_does_not_exist() -> None:
    refused = msgspec.structs.replace(READ, kind="patient", actor="Patient/1", status=404, version_id="")
    unknown = audit_events(refused, [Seen("Observation/o")])
    hidden = audit_events(refused, [Seen("Observation/o", ("1",), "DocumentReference/d")])
    assert unknown == hidden
    assert unknown[0]["entity"][0]["what"] == {"display": "Observation/o"}


def test_a_refused_professional_leaves_a_trace_for_the_patient() -> None:
    refused = msgspec.structs.replace(READ, status=404, version_id="")
    (event,) = audit_events(refused, [PLAIN])
    assert (event["outcome"], event["outcomeDesc"]) == ("4", "HTTP 404")
    assert whats(event) == ["Observation/o", "Patient/1"]


def test_a_program_is_the_requestor_when_there_is_no_user() -> None:
    (event,) = audit_events(msgspec.structs.replace(READ, kind="system", actor="Device/lab"), [PLAIN])
    client, server = event["agent"]
    assert client["who"] == {"reference": "Device/lab", "identifier": {"value": "software"}}
    assert (client["requestor"], server["requestor"]) == (True, False)


def test_breaking_the_glass_is_told_with_its_code_and_its_reason() -> None:
    broken = msgspec.structs.replace(READ, purpose_of_use="bris_de_glace", ground="unconscious")
    (event,) = audit_events(broken, [Seen("Observation/o", ("1",))])
    coding = {"system": "urn:oid:1.2.250.1.213.1.1.4.248", "code": "bris_de_glace"}
    assert event["agent"][2]["purposeOfUse"] == [{"coding": [coding], "text": "unconscious"}]
    american = msgspec.structs.replace(broken, purpose_of_use="BTG")
    (event,) = audit_events(american, [Seen("Observation/o", ("1",))])
    assert event["agent"][2]["purposeOfUse"][0]["coding"][0]["system"].endswith("v3-ActReason")


def test_what_was_done_in_a_secret_connection_is_hidden_from_representatives() -> None:
    secret = msgspec.structs.replace(READ, is_secret=True)
    (event,) = audit_events(secret, [Seen("Observation/o", ("1",))])
    assert [coding["code"] for coding in event["meta"]["security"]] == ["INVISIBLE_REPRESENTANTS_LEGAUX"]
    assert "meta" not in audit_events(READ, [Seen("Observation/o", ("1",))])[0]


def test_a_representative_leaves_the_traces_of_a_user_and_of_nothing_where_he_reached_nothing() -> None:
    parent = msgspec.structs.replace(READ, kind="representative", actor="RelatedPerson/p")
    (event,) = audit_events(parent, [Seen("Observation/o", ("1",))])
    assert event["agent"][2]["who"] == {"reference": "RelatedPerson/p"}
    failed = msgspec.structs.replace(parent, status=404)
    assert audit_events(failed, [Seen("Observation/o", ("1",))]) == audit_events(failed, [Seen("Observation/o")])


FIELDS = [field for field in AccessEntry.__struct_fields__ if isinstance(getattr(READ, field), str)]


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("entry", [READ, SEARCH])
def test_entries_with_the_same_key_have_the_same_frame(entry: AccessEntry, field: str) -> None:
    other = msgspec.structs.replace(entry, **{field: "bris_de_glace" if field == "purpose_of_use" else "Other/other"})
    assert (frame_key(other) == frame_key(entry)) == (frame(other) == frame(entry)) or field == "resource_type"


@pytest.mark.parametrize("mode", ["bris_de_glace", "centre_15"])
def test_an_emergency_is_found_by_its_policy(mode: str) -> None:
    (event,) = audit_events(msgspec.structs.replace(READ, purpose_of_use=mode), [PLAIN])
    assert event["agent"][2]["policy"] == [f"https://fhir-server.example.fr/fhir/policy/{mode}"]
    (normal,) = audit_events(READ, [PLAIN])
    assert all("policy" not in agent for agent in normal["agent"])
