"""The leak prover: no request tells a world with a hidden item from the same world without it.

And the prover would notice: whatever decision is forgotten, and wherever it is, a request tells the worlds apart.
"""

import ast
import asyncio
import importlib
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from pathlib import Path
from random import Random
from types import ModuleType
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from fhir_server.access import decision
from fhir_server.access.grant import Grant
from fhir_server.access.rule import Rule
from fhir_server.commands.proving.cases import CASES, Case, Drawn, draw
from fhir_server.commands.proving.leaks import Leak, first_leak, smallest, twins
from fhir_server.commands.proving.records import COMMON
from fhir_server.commands.proving.shapes import OBSERVATION, PATCH, PATCHED, TRAIL, draw_calls, replacing
from fhir_server.commands.proving.sides import Databases, Folders, Sides, make_template
from fhir_server.commands.proving.twins import Call, World
from fhir_server.foundation import fhir_json
from fhir_server.search.condition import ALWAYS, Condition
from fhir_server.storage.sqlite.store import Options, SqliteStore
from fhir_server.storage.store import History, Include, Search, Store
from tests.storage.mongod import database_of

BY_NAME = {case.name: case for case in CASES}
STRANGER = BY_NAME["a doctor, and the record of a patient he does not know"]
NOT_YET = BY_NAME["a patient, and a document not yet visible to him"]
MASKED = BY_NAME["a doctor of the care team, and a masked document"]
DRAWN = Drawn((("718-7", 1, False), ("718-7", 2, True), ("2345-7", 3, False)), "718-7", 4)
REQUESTS = 22


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    """An empty store, opened once."""
    folder = tmp_path_factory.mktemp("template")
    return asyncio.run(make_template(folder))


async def leak_of(
    template: Sides, case: Case, calls: Iterable[Call], drawn: Drawn = DRAWN, **options: Any
) -> Leak | None:
    async with twins(template, case, drawn, **options) as pair:
        return await first_leak(pair, case, calls)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
@settings(max_examples=1, deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.generate])
@given(seed=st.integers(0, 2**32))
def test_nothing_tells_the_twins_apart(case: Case, template: Folders, seed: int) -> None:
    random = Random(seed)
    drawn = draw(random)
    leak = asyncio.run(leak_of(template, case, draw_calls(random, REQUESTS), drawn))
    assert leak is None, str(leak)


@pytest.fixture
async def databases(tmp_path: Path) -> AsyncIterator[Databases]:
    """Twin databases beside that of the test."""
    made = Databases(database_of(tmp_path))
    yield made
    await made.drop()


ON_MONGODB = (
    STRANGER,
    MASKED,
    BY_NAME["a doctor of the care team, and a masked document with the one it replaced"],
    BY_NAME["a doctor, and the record of a patient who blocked him"],
    BY_NAME["an app that reads measurements, and a document"],
)


@pytest.mark.anyio
async def test_nothing_tells_the_twins_apart_on_mongodb(databases: Databases) -> None:
    """The decision is the same; what is printed from it is another language."""
    for case in ON_MONGODB:
        random = Random(f"{case.name}")
        leak = await leak_of(databases, case, draw_calls(random, REQUESTS), draw(random))
        assert leak is None, str(leak)


@pytest.mark.anyio
async def test_a_leak_is_noticed_on_mongodb(databases: Databases) -> None:
    wrapped: Callable[[Store], Any] = Blind
    assert await leak_of(databases, NOT_YET, PROBES[5:6], wrapped=wrapped) is not None


def posted(resource: dict[str, Any], **headers: str) -> dict[str, Any]:
    named = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return {"body": fhir_json.format(resource), "headers": named}


EXPLAINED = Call("GET", "Observation/v0/$explain-access", "actor=Practitioner/doctor")
PROBES = (
    Call("GET", "Observation/h-alone"),
    Call("GET", "Observation/h-alone/_history/1"),
    Call("GET", "Observation/h-alone/_history"),
    Call("GET", "Observation/_history"),
    Call("GET", "_history"),
    Call("GET", "Observation", "_total=accurate"),
    Call("GET", "Patient", "_has:Observation:subject:code=718-7"),
    Call("GET", "Practitioner", "_has:Observation:performer:_id=h-alone"),
    Call("GET", "Practitioner", "_has:Patient:general-practitioner:name=Durand"),
    Call("GET", "Practitioner", "_revinclude=Observation:performer"),
    Call("GET", "List", "_include=List:item"),
    Call("GET", "Questionnaire", "_revinclude=QuestionnaireResponse:questionnaire"),
    Call("GET", "Practitioner", "_revinclude=Patient:general-practitioner&_include:iterate=Patient:*"),
    Call("GET", "Patient/1/$everything"),
    Call("GET", "Composition/h-document-composition/$document"),
    Call("GET", "Composition/v-pointing/$document"),
    Call("GET", "Composition", "_include=Composition:entry:Observation"),
    Call("GET", "Composition", "_include=Composition:entry"),
    Call("PATCH", "Observation/h-alone", body=PATCH, headers=PATCHED),
    Call("PUT", "Observation/h-alone", **posted(OBSERVATION | {"id": "h-alone"})),
    Call("DELETE", "Observation/h-alone"),
    Call("PUT", "Observation", "identifier=urn:lab|h-document-result", **posted(OBSERVATION)),
    Call("PUT", "Observation", "identifier=urn:lab|no-such", **posted(OBSERVATION | {"id": "h-alone"})),
    Call("POST", "Observation", **posted(OBSERVATION, if_none_exist="identifier=urn:lab|h-document-result")),
    Call("POST", "DocumentReference", **posted(replacing("h-document"))),
    EXPLAINED,
    TRAIL,
)
"""One request of each kind, that a forgotten decision answers otherwise."""

ROOT = Path(decision.__file__).parents[1]
ASKED_IN = ("interactions", "operations", "documents", "search", "asgi")
ON_WRITING = "It judges what is written, which no twin can tell: test_decision does."
UNTOLD = {
    "interactions/create.py": ON_WRITING,
    "interactions/dispatch.py": "It only refuses: nothing is asked with its answer.",
    "interactions/gathering/care_dates.py": "It meets dates only, within what `$everything` reaches already.",
    "interactions/gathering/value_sets.py": "Value sets are open to all.",
    "documents/record/opening.py": "`$record-status` tells who names an INS that there is a record: TD0.2 is for that.",
    "documents/sharing/metadata_update.py": ON_WRITING,
    "documents/sharing/people.py": ON_WRITING,
    "documents/sharing/relations.py": ON_WRITING,
}
"""Call sites whose decision shows nothing to who asks, and why."""
OTHER_CASES = {"interactions/explaining/question.py": NOT_YET, "interactions/labelling.py": MASKED}


class Site(tuple[Path, int]):
    """A line that asks for a decision."""

    def __str__(self) -> str:
        return f"{self[0].relative_to(ROOT)}:{self[1]}"


def sites() -> Iterator[Site]:
    """Every call of `decide`, and every call by which search asks for it."""
    for room in ASKED_IN:
        for path in sorted((ROOT / room).rglob("*.py")):
            name = "decide" if room != "search" else "within"
            source = path.read_text(encoding="utf-8")
            if f"{name}(" not in source or (room != "search" and "access.decision import" not in source):
                continue
            for node in ast.walk(ast.parse(source)):
                if isinstance(node, ast.Call) and name in (
                    getattr(node.func, "id", ""),
                    getattr(node.func, "attr", ""),
                ):
                    yield Site((path, node.lineno))


SITES = sorted(set(sites()))


def forget_at(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the decision of one line be that all is allowed."""

    def decide(grant: Grant, interaction: str, resource_type: str) -> Condition:
        frame = sys._getframe(1)
        for _ in range(2):
            if (Path(frame.f_code.co_filename), frame.f_lineno) == tuple(site):
                return ALWAYS
            if frame.f_back is None:
                break
            frame = frame.f_back
        return decision.decide(grant, interaction, resource_type)

    for module in asking_modules():
        monkeypatch.setattr(module, "decide", decide)


def asking_modules() -> Iterator[ModuleType]:
    for path in sorted({site[0] for site in SITES}):
        parts = path.relative_to(ROOT.parent).with_suffix("").parts
        module = importlib.import_module(".".join(parts))
        if hasattr(module, "decide"):
            yield module


def test_every_line_that_asks_for_a_decision_is_known() -> None:
    assert len(SITES) > 15
    asked = {str(site).partition(":")[0] for site in SITES}
    assert {"interactions/read.py", "interactions/search.py", "search/plan.py", "search/meaning.py"} <= asked
    assert UNTOLD.keys() <= asked


@pytest.mark.parametrize(
    "site", [site for site in SITES if str(site).partition(":")[0] not in UNTOLD], ids=lambda site: str(site)
)
def test_a_decision_that_is_forgotten_on_one_line_is_noticed(
    site: Site, template: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    forget_at(site, monkeypatch)
    case = OTHER_CASES.get(str(site).partition(":")[0], STRANGER)
    assert asyncio.run(leak_of(template, case, PROBES)) is not None


HIDDEN, ABSENT = "Observation/h-alone", "Observation/absent1"
BY_NAME_ONLY = (
    Call("GET", HIDDEN),
    Call("HEAD", HIDDEN),
    Call("GET", f"{HIDDEN}/_history/1"),
    Call("GET", f"{HIDDEN}/_history"),
    Call("GET", f"{HIDDEN}/$meta"),
    Call("GET", "Observation", "_id=h-alone"),
    Call("GET", "Practitioner", "_has:Observation:performer:_id=h-alone&_revinclude=Observation:performer"),
    Call("DELETE", HIDDEN),
    Call("PATCH", HIDDEN, body=PATCH, headers=PATCHED),
    Call("PUT", HIDDEN, **posted(OBSERVATION | {"id": "h-alone"})),
)


@pytest.mark.parametrize("call", BY_NAME_ONLY, ids=str)
def test_what_is_hidden_and_what_is_absent_cost_the_same_statements(call: Call, template: Folders) -> None:
    """No clock tells them apart either: the store is asked the same."""
    statements: list[str] = []

    async def asked_for(world: World, name: str) -> list[str]:
        own = replace(
            call,
            path=call.path.replace("h-alone", name),
            query=call.query.replace("h-alone", name),
            body=call.body.replace(b"h-alone", name.encode()),
        )
        await world.answers(STRANGER.grant, own)  # names that the store has not met yet
        statements.clear()
        await world.answers(STRANGER.grant, own)
        return [one for one in statements if one.lstrip().startswith(("SELECT", "WITH")) and "journal" not in one]

    async def ask(folder: Path) -> tuple[list[str], list[str]]:
        template.copied(folder / "world")
        options = Options(recorder=statements.append)
        world = World(lambda now: SqliteStore(folder / "world", now=now, options=options))
        await world.opened.open()
        await world.fill(enumerate([*COMMON, *STRANGER.hide("718-7", 4)]))
        try:
            return await asked_for(world, "h-alone"), await asked_for(world, "absent1")
        finally:
            await world.opened.close()

    with tempfile.TemporaryDirectory() as folder:
        hidden, absent = asyncio.run(ask(Path(folder)))
    assert hidden
    assert hidden == absent


class Blind:
    """A store that forgets every decision."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def read(self, resource_type: str, resource_id: str, within: Any = ALWAYS) -> Any:
        return await self._store.read(resource_type, resource_id)

    async def search(self, search: Search) -> Any:
        includes = tuple(_open(include) for include in search.includes)
        return await self._store.search(replace(search, within=ALWAYS, includes=includes))

    async def history(self, history: History) -> Any:
        return await self._store.history(replace(history, within=ALWAYS))


def _open(include: Include) -> Include:
    return replace(include, within=tuple((resource_type, ALWAYS) for resource_type, _ in include.within))


@pytest.mark.parametrize("call", PROBES[:1] + PROBES[3:6] + PROBES[9:10], ids=str)
def test_a_backend_that_forgets_the_decision_is_noticed(call: Call, template: Folders) -> None:
    wrapped: Callable[[Store], Any] = Blind
    assert asyncio.run(leak_of(template, NOT_YET, [call], wrapped=wrapped)) is not None


FORGOTTEN = {
    "a patient, and a document not yet visible to him": "hidden-from-patient",
    "a doctor of the care team, and a masked document": "masked",
    "a doctor, and the record of a patient who blocked him": "blocked",
    "a doctor who breaks the glass, and a patient who opposed it": "break-glass-opposed",
    "a regulating doctor, and a patient who opposed the call centre": "regulation-opposed",
    "a doctor of the care team, and a record that the patient closed": "record-closed",
    "a doctor of the care team, and a record that is not active": "record-closed",
    "a doctor of the care team, and a patient who masks everything": "all-masked",
    "a dentist of the care team, and a psychological assessment": "matrix",
    "a parent, and what is hidden from representatives": "hidden-from-representatives",
    "an app that reads measurements, and a document": "app-read-documents",
}


@pytest.mark.parametrize("name", FORGOTTEN)
def test_a_forgotten_rule_is_noticed(name: str, template: Folders, monkeypatch: pytest.MonkeyPatch) -> None:
    def without(source: Callable[[Grant], Iterable[Rule]]) -> Callable[[Grant], Iterable[Rule]]:
        return lambda grant: [rule for rule in source(grant) if rule.reason != FORGOTTEN[name]]

    monkeypatch.setattr(decision, "SOURCES", tuple(without(source) for source in decision.SOURCES))
    decision.decide.cache_clear()
    try:
        assert asyncio.run(leak_of(template, BY_NAME[name], PROBES[5:6])) is not None
    finally:
        decision.decide.cache_clear()


def test_a_counter_example_is_made_small(template: Folders, monkeypatch: pytest.MonkeyPatch) -> None:
    for site in SITES:
        if str(site).startswith("search/plan.py"):
            forget_at(site, monkeypatch)
            break
    call = Call("GET", "Observation", "status=final&_sort=date&_total=accurate", headers=(("accept", "*/*"),))

    async def found() -> Leak:
        leak = await leak_of(template, STRANGER, [call])
        assert leak is not None
        return await smallest(template, STRANGER, DRAWN, leak)

    leak = asyncio.run(found())
    assert leak.call == Call("GET", "Observation")
    assert "GET /Observation\nwith the hidden items: " in str(leak)
