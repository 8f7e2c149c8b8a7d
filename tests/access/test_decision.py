"""The decision as a whole: what is compiled is what the rules say one by one, and the write path holds to it."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from fhir_server.access.decision import decide
from fhir_server.access.explain import ALLOWS, DENIES, Fact, Question, explain
from fhir_server.access.grant import Grant
from fhir_server.commands.proving.cases import BREAKING, DOCTOR, PARENT, PATIENT, TRACKER
from fhir_server.commands.proving.records import COMMON, mother, patient, record_consent
from fhir_server.commands.proving.shapes import OBSERVATION
from fhir_server.commands.proving.twins import Call, World
from fhir_server.foundation import fhir_json
from fhir_server.foundation.operation_outcome import Forbidden
from fhir_server.search.match import Alone, match
from fhir_server.storage.sqlite.store import SqliteStore
from fhir_server.storage.store import Search
from tests.access.test_matrix import CASES, NOW, relations
from tests.access.world import ACTORS, grant_of, resource_of, subject_of


def values_of(column: str) -> list[str]:
    return sorted({case[column] for case in CASES})


KNOWN_RELATIONS = sorted({relation for case in CASES for relation in case["relation"].split("+") if relation})


@settings(max_examples=300, deadline=None)
@given(
    caller=st.sampled_from(values_of("caller")),
    item=st.sampled_from(values_of("item")),
    document=st.sampled_from(values_of("document")),
    label=st.sampled_from(values_of("label")),
    depositor=st.sampled_from(values_of("depositor")),
    related=st.lists(st.sampled_from(KNOWN_RELATIONS), max_size=3),
    interaction=st.sampled_from(["read", "search", "create", "update", "delete"]),
)
def test_what_is_compiled_is_what_the_rules_say_one_by_one(
    caller: str, item: str, document: str, label: str, depositor: str, related: list[str], interaction: str
) -> None:
    subject = subject_of(resource_of(item, label, ""), ACTORS.get(depositor, ""), document)
    rows = relations("+".join(related))
    grant = grant_of(caller)
    found = explain(Question(grant, interaction, subject, tuple(Fact("Consent/1", row) for row in rows), NOW))
    is_denied = any(step.effect == DENIES for step in found.steps)
    is_allowed = any(step.effect == ALLOWS and step.reason != "scopes" for step in found.steps)
    is_covered = any(step.effect == ALLOWS and step.reason == "scopes" for step in found.steps)
    assert found.is_reached == (is_covered and is_allowed and not is_denied)
    try:
        among_all = match(decide(grant, interaction, ""), subject, Alone(NOW, rows))
    except Forbidden:
        among_all = False
    assert found.is_reached == among_all


CLOSING = record_consent("closing", "1", "closing", {"type": "deny"})
CHILD = [patient("1", "Martin", birthDate="2008-05-31"), mother("parent", "1")]
WRITES = record_consent(
    "pairing",
    "1",
    "app-access",
    {
        "actor": [{"role": {"text": "app"}, "reference": {"reference": "Device/tracker"}}],
        "provision": [
            {
                "type": "permit",
                "action": [{"coding": [{"system": CLOSING["category"][0]["coding"][0]["system"], "code": "write"}]}],
                "class": [{"system": CLOSING["category"][0]["coding"][0]["system"], "code": "measurements"}],
            }
        ],
    },
)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("grant", "common", "status"),
    [
        (DOCTOR, [], 201),
        (DOCTOR, [CLOSING], 403),
        (replace(DOCTOR, is_secret=True), [], 201),
        (BREAKING, [], 201),
        (PATIENT, [], 201),
        (PATIENT, [CLOSING], 403),
        (PARENT, [patient("1", "Martin", birthDate="2008-06-02"), mother("parent", "1")], 201),
        (PARENT, CHILD, 403),
        (TRACKER, [], 403),
        (TRACKER, [WRITES], 201),
    ],
)
async def test_what_the_decision_does_not_reach_is_not_written(
    grant: Grant, common: list[dict[str, Any]], status: int, tmp_path: Path
) -> None:
    world = World(lambda now: SqliteStore(tmp_path, now=now))
    await world.opened.open()
    await world.fill(list(enumerate([*COMMON, *common])))
    call = Call("POST", "Observation", body=fhir_json.format(OBSERVATION))
    (created,) = await world.answers(grant, call)
    assert created.status == status, created
    stored = await world.opened.search(Search("Observation"))
    assert len(stored.versions) == (status == 201)
    await world.opened.close()
