"""The leak prover: no request tells a world with a hidden item from the same world without it.

Not asked: writing at an id of the caller's choice, which tells a free id from a taken one on any server.
"""

import asyncio
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from fhir_server.access import decision
from fhir_server.access.grant import Grant
from fhir_server.access.rule import Rule
from fhir_server.search.condition import ALWAYS
from fhir_server.storage.sqlite import SqliteStore
from fhir_server.storage.store import History, Include, Search, Store
from tests.access.twins import (
    BREAKING,
    COMMON,
    DENTIST,
    DOCTOR,
    PARENT,
    PARENT_OF_ADULT,
    PATIENT,
    READS_MEASUREMENTS,
    TRACKER,
    VIEWER,
    Ask,
    World,
    block,
    care_team,
    mother,
    observation,
    patient,
    record_consent,
    with_document,
)

CODES = ("718-7", "2345-7")
VALUES = st.integers(1, 9)
codes = st.sampled_from(CODES)

Resources = list[dict[str, Any]]


def visible(drawn: list[tuple[str, int, bool]]) -> Resources:
    found: Resources = []
    for number, (code, value, has_document) in enumerate(drawn):
        if has_document:
            found += with_document(f"v{number}", "1", code, value)
        else:
            found.append(observation(f"v{number}", "1", code, value))
    return found


def labelled(label: str) -> Callable[[str, int], Resources]:
    def hidden(code: str, value: int) -> Resources:
        own = with_document("h-document", "1", code, value, label)
        coding = own[0]["securityLabel"][0]["coding"]
        return [*own, observation("h-alone", "1", code, value, meta={"security": coding})]

    return hidden


def stranger(code: str, value: int) -> Resources:
    return [
        patient("2", "Durand"),
        *with_document("h-document", "2", code, value),
        observation("h-alone", "2", code, value),
        care_team("h-team", "2", "Practitioner/other"),
    ]


def blocking(code: str, value: int) -> Resources:
    return [
        *stranger(code, value),
        care_team("h-team-2", "2", "Practitioner/doctor"),
        block("h-consent", "2", "Practitioner/doctor"),
    ]


def opposing(code: str, value: int) -> Resources:
    return [*stranger(code, value), record_consent("h-consent", "2", "no-break-glass", {"type": "deny"})]


def closed(code: str, value: int) -> Resources:
    team = care_team("h-team-2", "2", "Practitioner/doctor")
    return [*stranger(code, value), team, record_consent("h-consent", "2", "closing", {"type": "deny"})]


def inactive(code: str, value: int) -> Resources:
    team = care_team("h-team-2", "2", "Practitioner/doctor")
    return [*stranger(code, value)[1:], team, patient("2", "Durand", active=False)]


def typed(document_type: str) -> Callable[[str, int], Resources]:
    def hidden(code: str, value: int) -> Resources:
        own = with_document("h-document", "1", code, value)
        own[0] |= {"type": {"coding": [{"system": "http://loinc.org", "code": document_type}]}}
        return [*own, observation("h-alone", "1", code, value, meta={"source": "DocumentReference/h-document"})]

    return hidden


def masking(code: str, value: int) -> Resources:
    return [*with_document("h-document", "2", code, value), observation("h-alone", "2", code, value)]


def adult(code: str, value: int) -> Resources:
    return [*stranger(code, value)[1:], patient("2", "Durand", birthDate="2008-05-31"), mother("parent", "2")]


def amended(code: str, value: int) -> Resources:
    return [observation("h-alone", "1", code, value, status="amended")]


CASES: dict[str, tuple[Grant, Callable[[str, int], Resources]]] = {
    "a patient, and a document not yet visible to him": (PATIENT, labelled("INVISIBLE_PATIENT")),
    "a patient, and a stranger's record": (PATIENT, stranger),
    "a doctor of the care team, and a masked document": (DOCTOR, labelled("MASQUE_PS")),
    "a doctor, and the record of a patient he does not know": (DOCTOR, stranger),
    "a doctor, and the record of a patient who blocked him": (DOCTOR, blocking),
    "a doctor who breaks the glass, and a patient who opposed it": (BREAKING, opposing),
    "a doctor of the care team, and a record that the patient closed": (DOCTOR, closed),
    "a doctor of the care team, and a record that is not active": (DOCTOR, inactive),
    "a doctor of the care team, and a patient who masks everything": (DOCTOR, masking),
    "a dentist of the care team, and a psychological assessment": (DENTIST, typed("83901-9")),
    "a parent, and what is hidden from representatives": (PARENT, labelled("INVISIBLE_REPRESENTANTS_LEGAUX")),
    "a parent, and a child who came of age yesterday": (PARENT_OF_ADULT, adult),
    "an app that reads measurements, and a document": (TRACKER, typed("11502-2")),
    "an app that reads final results, and an amended one": (VIEWER, amended),
}
ALSO_COMMON: dict[str, Resources] = {
    "a doctor of the care team, and a patient who masks everything": [
        patient("2", "Durand"),
        care_team("team-2", "2", "Practitioner/doctor"),
        record_consent("mask", "2", "mask-all", {"type": "deny"}),
    ],
    "a parent, and what is hidden from representatives": [
        patient("1", "Martin", birthDate="2015-01-01"),
        mother("parent", "1"),
    ],
    "an app that reads measurements, and a document": [
        record_consent("pairing", "1", "app-access", READS_MEASUREMENTS),
    ],
}

NAMES = ("h-document", "h-alone", "h-document-result", "v0", "v1")
TYPES = ("Observation", "DocumentReference", "Patient", "Provenance", "List", "Binary", "CareTeam", "Consent")
clauses = st.one_of(
    st.sampled_from(["", "status=final", "subject=Patient/1", "subject=Patient/2", "patient=2", "date=ge2025-01-04"]),
    st.sampled_from(["subject:Patient.name=Durand", "subject:Patient._has:Observation:subject:code=718-7"]),
    codes.map("code={}".format),
    VALUES.map("value-quantity=gt{}".format),
    st.sampled_from(NAMES).map("_id={}".format),
)
observation_sorts = st.sampled_from(
    ["", "_sort=date", "_sort=-date", "_sort=code,-_lastUpdated", "_sort=value-quantity"]
)
pages = st.tuples(st.integers(1, 3).map("_count={}".format), st.sampled_from(["", "_total=accurate", "_summary=count"]))
includes = st.sampled_from(
    [
        "_include=Observation:subject",
        "_include=Observation:subject&_revinclude:iterate=DocumentReference:subject",
        "_include=Observation:performer&_revinclude:iterate=Observation:performer",
        "_revinclude=Provenance:target",
    ]
)
observations = st.tuples(
    clauses, clauses, observation_sorts, pages.map("&".join), st.one_of(st.just(""), includes)
).map(lambda parts: ("search", "Observation", "", "&".join(filter(None, parts))))
others = st.sampled_from(
    [
        ("Patient", "_has:Observation:subject:code=718-7"),
        ("Patient", "_has:Observation:subject:value-quantity=gt4&_total=accurate"),
        ("Patient", "name=Durand"),
        ("Patient", "identifier=ins-2"),
        ("Patient", "_revinclude=Observation:subject&_revinclude=DocumentReference:subject"),
        ("Practitioner", "_has:Observation:performer:code=718-7"),
        ("Practitioner", "_has:DocumentReference:author:description=718-7"),
        ("Practitioner", "_has:Patient:general-practitioner:name=Durand"),
        ("Practitioner", "_revinclude=Observation:performer&_revinclude=DocumentReference:author"),
        ("Practitioner", "_revinclude=Patient:general-practitioner&_revinclude:iterate=List:subject"),
        ("DocumentReference", "_sort=description&_count=1&_total=accurate"),
        ("DocumentReference", "_revinclude=List:item&_revinclude=Provenance:target"),
        ("DocumentReference", "_has:List:item:_id=h-document-list"),
        ("Provenance", "target=DocumentReference/h-document"),
        ("Provenance", "target:DocumentReference.description=718-7"),
        ("List", "item=DocumentReference/h-document"),
        ("AuditEvent", "_count=100"),
        ("AuditEvent", "entity=DocumentReference/h-document"),
        ("Consent", "_total=accurate"),
        ("CareTeam", "_total=accurate"),
        ("Binary", "_total=accurate"),
        ("", "_lastUpdated=gt2026&_count=2&_total=accurate"),
    ]
).map(lambda pair: ("search", pair[0], "", pair[1]))
by_id = st.tuples(
    st.sampled_from(["read", "history", "delete"]), st.sampled_from(TYPES), st.sampled_from(NAMES), st.just("")
)
versions = st.tuples(st.just("vread"), st.sampled_from(TYPES), st.sampled_from(NAMES).map("{}@1".format), st.just(""))
histories = st.tuples(
    st.just("history"),
    st.sampled_from(["Observation", "DocumentReference", "Patient", ""]),
    st.just(""),
    pages.map(lambda one: one[0]),
)
creates = st.sampled_from(
    [
        ("create", "Observation", "", "identifier=urn:lab|h-alone"),
        ("create", "Observation", "", "code=718-7"),
        ("create", "Provenance", "", "target=DocumentReference/h-document"),
    ]
)
requests = st.lists(
    st.one_of(observations, observations, others, others, by_id, versions, histories, creates), min_size=8, max_size=14
)
"""What a caller may ask. The last word is always his trail."""


class Blind:
    """A store that forgets the decision: the prover must notice."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def read(self, resource_type: str, resource_id: str, within: Any = ALWAYS) -> Any:
        return await self._store.read(resource_type, resource_id)

    async def search(self, search: Search) -> Any:
        return await self._store.search(_without(search))

    async def history(self, history: History) -> Any:
        return await self._store.history(replace(history, within=ALWAYS))


def _without(search: Search) -> Search:
    includes = tuple(_open(include) for include in search.includes)
    return replace(search, within=ALWAYS, includes=includes)


def _open(include: Include) -> Include:
    return replace(include, within=tuple((resource_type, ALWAYS) for resource_type, _ in include.within))


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty store, opened once."""
    folder = tmp_path_factory.mktemp("template") / "store"

    async def make() -> None:
        store = SqliteStore(folder)
        await store.open()
        await store.close()

    folder.mkdir()
    asyncio.run(make())
    return folder


async def tell(
    template: Path, grant: Grant, common: Resources, hidden: Resources, asked: list[Ask], wrapped: Any
) -> tuple[Any, Any]:
    """Return the answers of the twins: with the hidden items, and without."""
    answers = []
    with tempfile.TemporaryDirectory() as folder:
        for name, more in (("with", hidden), ("without", [])):
            world = World(template, Path(folder) / name, wrapped)
            await world.opened.open()
            middle = len(common) // 2
            timed = [(10 * second, resource) for second, resource in enumerate(common)]
            timed[middle:middle] = [(10 * middle - 9, resource) for resource in more]
            await world.fill(timed)
            answers.append(await world.answers(grant, asked))
            await world.opened.close()
    return answers[0], answers[1]


drawn_worlds = st.tuples(st.lists(st.tuples(codes, VALUES, st.booleans()), min_size=1, max_size=3), codes, VALUES)


@pytest.mark.parametrize("case", CASES)
@settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.generate])
@given(world=drawn_worlds, asked=requests)
def test_nothing_tells_the_twins_apart(case: str, template: Path, world: Any, asked: list[Ask]) -> None:
    grant, hidden = CASES[case]
    drawn, code, value = world
    asked = [*asked, ("search", "AuditEvent", "", "_count=100")]
    common = [*COMMON, *ALSO_COMMON.get(case, ()), *visible(drawn)]
    with_hidden, without = asyncio.run(tell(template, grant, common, hidden(code, value), asked, lambda store: store))
    # One by one, so that the first difference is the one that is shown.
    for request, one, other in zip(asked, with_hidden, without, strict=True):
        assert (request, one) == (request, other)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(
    "asked",
    [
        ("read", "Observation", "h-alone", ""),
        ("search", "Observation", "", "_total=accurate"),
        ("search", "Practitioner", "", "_revinclude=Observation:performer"),
        ("history", "Observation", "", ""),
    ],
)
def test_the_prover_would_notice_a_forgotten_decision(case: str, template: Path, asked: Ask) -> None:
    grant, hidden = CASES[case]
    common = [*COMMON, *ALSO_COMMON.get(case, ()), *visible([(CODES[0], 1, False)])]
    with_hidden, without = asyncio.run(tell(template, grant, common, hidden(CODES[0], 2), [asked], Blind))
    assert with_hidden != without


FORGOTTEN = {
    "a patient, and a document not yet visible to him": "hidden-from-patient",
    "a doctor of the care team, and a masked document": "masked",
    "a doctor, and the record of a patient who blocked him": "blocked",
    "a doctor who breaks the glass, and a patient who opposed it": "break-glass-opposed",
    "a doctor of the care team, and a record that the patient closed": "record-closed",
    "a doctor of the care team, and a record that is not active": "record-closed",
    "a doctor of the care team, and a patient who masks everything": "all-masked",
    "a dentist of the care team, and a psychological assessment": "matrix",
    "a parent, and what is hidden from representatives": "hidden-from-representatives",
    "an app that reads measurements, and a document": "app-read-documents",
}


@pytest.mark.parametrize("case", FORGOTTEN)
def test_the_prover_would_notice_a_forgotten_rule(case: str, template: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def without(source: Callable[[Grant], Iterable[Rule]]) -> Callable[[Grant], Iterable[Rule]]:
        return lambda grant: [rule for rule in source(grant) if rule.reason != FORGOTTEN[case]]

    monkeypatch.setattr(decision, "SOURCES", tuple(without(source) for source in decision.SOURCES))
    decision.decide.cache_clear()
    grant, hidden = CASES[case]
    asked: list[Ask] = [("search", "Observation", "", "_total=accurate")]
    common = [*COMMON, *ALSO_COMMON.get(case, ())]
    try:
        with_hidden, without_hidden = asyncio.run(
            tell(template, grant, common, hidden(CODES[0], 2), asked, lambda store: store)
        )
    finally:
        decision.decide.cache_clear()
    assert with_hidden != without_hidden
