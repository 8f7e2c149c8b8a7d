"""SearchParameter resources take effect: refused, indexed, offered, withdrawn; in every process.

Spec: searchparameter.html
"""

import json
import tarfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from fhir_server.access.grant import OPEN, Grant, Scope
from fhir_server.app import new_id, now
from fhir_server.conformance.canonicals import Canonicals
from fhir_server.conformance.publish import PUBLISHER
from fhir_server.conformance.search_parameters import SearchParameters
from fhir_server.foundation.operation_outcome import FhirError, Forbidden, Unprocessable
from fhir_server.interactions.canonicals import indexing
from fhir_server.interactions.dispatch import dispatch
from fhir_server.interactions.request import Request, Response, Runtime
from fhir_server.operations import OPERATIONS
from fhir_server.storage.sqlite.store import SqliteStore

pytestmark = [pytest.mark.anyio, pytest.mark.spec("searchparameter.html")]
Resource = dict[str, Any]
BIRTHPLACE = "http://hl7.org/fhir/StructureDefinition/patient-birthPlace"


class Process:
    """A server process: what it knows, and its runtime."""

    def __init__(self, store: SqliteStore) -> None:
        self.searching = SearchParameters(store, now, grace_seconds=0)
        canonicals = Canonicals(store)
        canonicals.refresh_with(self.searching.refresh)
        self.runtime = Runtime(
            store=store,
            now=now,
            new_id=new_id,
            offered=self.searching.offered,
            indexing=self.searching.indexing,
            change_rules={"SearchParameter": self.searching.check},
            canonicals=canonicals,
            operations=OPERATIONS,
        )

    async def ask(self, interaction: str, place: str, body: Any = None, **fields: Any) -> Response:
        resource_type, _, resource_id = place.partition("/")
        fields = {"grant": OPEN, **fields}
        return await dispatch(
            Request(interaction, resource_type=resource_type, resource_id=resource_id, resource=body, **fields),
            self.runtime,
        )

    async def find(self, resource_type: str, **pairs: str) -> list[str]:
        answer = await self.ask("search", resource_type, parameters=tuple(pairs.items()))
        return [entry["resource"]["id"] for entry in msgspec.json.decode(answer.content).get("entry", [])]

    async def told(self, interaction: str, place: str = "", **fields: Any) -> dict[str, Any]:
        parts = msgspec.json.decode((await self.ask(interaction, place, **fields)).content)["parameter"]
        return {part["name"]: next(value for name, value in part.items() if name != "name") for part in parts}

    async def index(self) -> None:
        """Do what the background does, to the end."""
        while await self.searching.index_group() is not None:
            pass
        await self.searching.refresh()


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    store = SqliteStore(tmp_path / "fhir.sqlite")
    await store.open()
    yield store
    await store.close()


@pytest.fixture
async def process(store: SqliteStore) -> Process:
    process = Process(store)
    await process.searching.refresh()
    return process


def defined(code: str = "birthplace", **more: Any) -> Resource:
    return {
        "resourceType": "SearchParameter",
        "id": code,
        "url": f"http://example.org/SearchParameter/{code}",
        "name": "Name",
        "status": "active",
        "description": "A parameter",
        "code": code,
        "base": ["Patient"],
        "type": "string",
        "expression": f"Patient.extension('{BIRTHPLACE}').value.ofType(Address)",
        **more,
    }


def born_in(city: str, name: str) -> Resource:
    place = {"url": BIRTHPLACE, "valueAddress": {"city": city}}
    return {"resourceType": "Patient", "id": name, "extension": [place]}


async def test_a_parameter_is_offered_once_it_is_indexed(process: Process, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(indexing, "GROUP", 2)
    for number in range(5):
        await process.ask("update", f"Patient/{number}", born_in("Lyon", str(number)))
    await process.ask("update", "SearchParameter/birthplace", defined())
    with pytest.raises(FhirError, match="no search parameter 'birthplace'"):
        await process.find("Patient", birthplace="lyon")
    await process.ask("update", "Patient/late", born_in("Lyon", "late"))
    await process.searching.index_group()
    told = await process.told("$reindex-progress")
    assert (told["status"], told["type"][1]["valueInteger"], told["type"][2]["valueInteger"]) == ("in-progress", 2, 6)
    statement = (await process.ask("capabilities", "")).content
    assert b'"birthplace"' not in statement
    await process.index()
    assert await process.find("Patient", birthplace="lyon") == ["0", "1", "2", "3", "4", "late"]
    assert await process.find("Patient", **{"birthplace:missing": "true"}) == []
    assert b'"birthplace"' in (await process.ask("capabilities", "")).content
    told = await process.told("$reindex-progress", "SearchParameter/birthplace")
    assert told["status"] == "complete"


async def test_a_killed_run_goes_on_where_it_stopped_in_another_process(
    store: SqliteStore, process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexing, "GROUP", 2)
    for number in range(4):
        await process.ask("update", f"Patient/{number}", born_in("Lyon", str(number)))
    await process.ask("update", "SearchParameter/birthplace", defined())
    await process.searching.index_group()
    other = Process(store)
    assert await other.searching.index_group() is None  # it does not know the parameter yet, and spoils nothing
    await other.searching.refresh()
    assert (await indexing.state_of(store)).done == 2
    await other.index()
    assert (await indexing.state_of(store)).done == 4
    assert await other.find("Patient", birthplace="lyon") == ["0", "1", "2", "3"]
    await process.searching.refresh()
    assert len(await process.find("Patient", birthplace="lyon")) == 4


@pytest.mark.parametrize("how", ["delete", "retired", "draft"])
async def test_what_is_withdrawn_is_unknown_and_comes_back_indexed_anew(
    store: SqliteStore, process: Process, how: str
) -> None:
    await process.ask("update", "SearchParameter/birthplace", defined())
    await process.index()
    other = Process(store)
    await other.searching.refresh()
    assert await other.find("Patient", birthplace="lyon") == []
    if how == "delete":
        await process.ask("delete", "SearchParameter/birthplace")
    else:
        await process.ask("update", "SearchParameter/birthplace", defined(status=how))
    await other.searching.refresh()
    for one in (process, other):
        with pytest.raises(FhirError, match="no search parameter 'birthplace'"):
            await one.find("Patient", birthplace="lyon")
    await process.ask("update", "Patient/1", born_in("Lyon", "1"))
    await process.ask("update", "SearchParameter/birthplace", defined())
    await process.index()
    assert await process.find("Patient", birthplace="lyon") == ["1"]


async def test_another_definition_finds_other_things(process: Process) -> None:
    await process.ask("update", "Patient/1", {**born_in("Lyon", "1"), "gender": "female"})
    await process.ask("update", "SearchParameter/birthplace", defined())
    await process.index()
    other = defined(type="token", expression="Patient.gender")
    await process.ask("update", "SearchParameter/birthplace", {**other, "url": defined()["url"]})
    with pytest.raises(FhirError):
        await process.find("Patient", birthplace="female")
    await process.index()
    assert await process.find("Patient", birthplace="female") == ["1"]


@pytest.mark.parametrize(
    ("elements", "place"),
    [
        ({"expression": "Patient.nmae"}, "SearchParameter.expression"),
        ({"expression": "Patient.name.firts()"}, "SearchParameter.expression"),
        ({"expression": ""}, "SearchParameter.expression"),
        ({"code": "family", "expression": "Patient.name.given"}, "SearchParameter.code"),
        ({"type": "special"}, "SearchParameter.type"),
        ({"type": "number", "expression": "Patient.birthDate"}, "SearchParameter.type"),
        ({"url": "http://hl7.org/fhir/SearchParameter/individual-family"}, "SearchParameter.url"),
        (
            {
                "type": "composite",
                "expression": "Patient.contact",
                "component": [{"definition": "http://example.org/none", "expression": "name"}],
            },
            "SearchParameter.component[0].definition",
        ),
        (
            {
                "type": "composite",
                "expression": "Patient.contact",
                "component": [
                    {"definition": "http://hl7.org/fhir/SearchParameter/individual-family", "expression": "nmae"}
                ],
            },
            "SearchParameter.component[0].expression",
        ),
    ],
)
async def test_what_cannot_work_is_refused_and_the_element_named(
    process: Process, elements: Resource, place: str
) -> None:
    body = {name: value for name, value in {**defined(), **elements}.items() if value}
    with pytest.raises(Unprocessable) as refused:
        await process.ask("update", "SearchParameter/birthplace", body)
    assert refused.value.issues[0].expression == (place,)
    # What is no more than a draft may be wrong; what a package brings is kept, and its problem told.
    await process.ask("update", "SearchParameter/birthplace", {**body, "status": "draft"})
    await process.ask("update", "SearchParameter/birthplace", body, grant=PUBLISHER)
    assert (await process.told("$reindex-progress"))["searchParameter"][1]["name"] == "problem"
    with pytest.raises(Unprocessable, match="has no effect: SearchParameter"):
        await process.told("$reindex", "SearchParameter/birthplace")


async def test_a_parameter_is_used_as_its_definition_allows(process: Process) -> None:
    bounded = [
        defined("one-city", multipleOr=False, multipleAnd=False, modifier=["exact"]),
        defined("day", type="date", expression="Patient.birthDate", comparator=["ge", "lt"]),
        defined("doctor", type="reference", expression="Patient.generalPractitioner", chain=["family"]),
        defined("of-two", base=["Patient", "Practitioner"], expression="Patient.name.given | Practitioner.name.given"),
    ]
    for one in bounded:
        await process.ask("update", f"SearchParameter/{one['id']}", one)
    await process.index()
    patient = {**born_in("Lyon", "1"), "birthDate": "1980-01-01", "name": [{"given": ["Ana"]}]}
    contained = [{"resourceType": "Practitioner", "id": "d", "name": [{"family": "Martin"}]}]
    await process.ask(
        "update", "Patient/1", {**patient, "contained": contained, "generalPractitioner": [{"reference": "#d"}]}
    )
    assert await process.find("Patient", **{"one-city:exact": "Lyon"}) == ["1"]
    assert await process.find("Patient", day="ge1980") == ["1"]
    assert await process.find("Patient", **{"doctor:Practitioner.family": "martin"}) == ["1"]
    assert await process.find("Patient", **{"of-two": "ana"}) == ["1"]
    assert await process.find("Practitioner", **{"of-two": "ana"}) == []
    assert await process.find("Patient", _sort="day") == ["1"]
    for name, value in (
        ("one-city", "Lyon,Paris"),
        ("one-city:contains", "Lyon"),
        ("day", "gt1980"),
        ("doctor:Practitioner.given", "x"),
        ("doctor:Device.model", "x"),
    ):
        with pytest.raises(FhirError):
            await process.find("Patient", **{name: value})
    with pytest.raises(FhirError, match="may be given once"):
        await process.ask("search", "Patient", parameters=(("one-city", "a"), ("one-city", "b")))


async def test_everything_is_indexed_again_on_demand(store: SqliteStore, process: Process) -> None:
    await process.ask("update", "Patient/1", born_in("Lyon", "1"))

    async def lose_rows(transaction: Any) -> None:
        await transaction.index("Patient", "1", [])

    await store.transact(lose_rows)
    assert await process.find("Patient", _content="lyon") == []
    assert (await process.told("$reindex"))["status"] == "in-progress"
    waiting = (await process.told("$reindex"))["waiting"]
    assert waiting > 140
    await process.index()
    assert await process.find("Patient", _content="lyon") == ["1"]
    assert (await process.told("$reindex-progress"))["status"] == "complete"


async def test_only_operators_index_and_see_how_far_it_is(process: Process) -> None:
    feeder = Grant("system", "Device/1", "lab", (Scope("system", "*", frozenset("cruds")),))
    for interaction in ("$reindex", "$reindex-progress"):
        with pytest.raises(Forbidden):
            await process.ask(interaction, "", grant=feeder)
        assert (await process.ask(interaction, "", grant=replace(feeder, is_operator=True))).status == 200


def guide(shared: Path, pattern: str) -> list[Resource]:
    folder = shared / "data" / "fhir-packages"
    packages = sorted(folder.glob(pattern))
    if not packages:
        pytest.skip(f"the package {pattern} is not beside the project")
    with tarfile.open(packages[0]) as archive:
        members = [member for member in archive if "SearchParameter" in member.name and member.name.endswith(".json")]
        return [json.load(content) for member in members if (content := archive.extractfile(member)) is not None]


ARCHIVED = "https://interop.esante.gouv.fr/ig/fhir/pdsm/StructureDefinition/pdsm-ext-is-archived"
AUTHOR_ORGANIZATION = "https://profiles.ihe.net/ITI/MHD/StructureDefinition/ihe-authorOrg"


async def test_the_parameters_of_pdsm_find(process: Process, shared: Path) -> None:
    document = {
        "resourceType": "DocumentReference",
        "id": "cda",
        "status": "current",
        "content": [{"attachment": {"contentType": "text/xml"}}],
        "context": {"period": {"start": "2024-02-01", "end": "2024-02-03"}},
        "extension": [{"url": ARCHIVED, "valueBoolean": True}],
    }
    submission = {
        "resourceType": "List",
        "id": "lot",
        "status": "current",
        "mode": "working",
        "source": {"reference": "PractitionerRole/r"},
        "extension": [
            {"url": AUTHOR_ORGANIZATION, "valueReference": {"reference": "Organization/chu"}},
            {"url": ARCHIVED, "valueBoolean": False},
        ],
    }
    await process.ask("update", "DocumentReference/cda", document)
    await process.ask("update", "List/lot", submission)
    definitions = guide(shared, "ans.fhir.fr.pdsm-*.tgz")
    assert len(definitions) == 6
    for definition in definitions:
        await process.ask("create", "SearchParameter", definition)
    await process.index()
    assert await process.find("DocumentReference", **{"period-start": "2024-02-01"}) == ["cda"]
    assert await process.find("DocumentReference", **{"period-end": "ge2024-02-04"}) == []
    assert await process.find("DocumentReference", isArchived="true") == ["cda"]
    assert await process.find("List", isArchived="true") == []
    assert await process.find("List", isArchived="false") == ["lot"]
    assert await process.find("List", authorOrg="Organization/chu") == ["lot"]
    assert await process.find("List", source="PractitionerRole/r") == ["lot"]


@pytest.mark.parametrize("name", ["annuaire", "cds", "gap", "nde", "sas", "tde"])
async def test_the_parameters_of_other_french_guides_are_taken(process: Process, shared: Path, name: str) -> None:
    definitions = guide(shared, f"ans.fhir.fr.{name}-*.tgz")
    for definition in definitions:
        # The translations of one guide are extensions that break ext-1.
        told = {key: value for key, value in definition.items() if key[0] != "_"}
        await process.ask("create", "SearchParameter", told)
    await process.index()
    state = await indexing.state_of(process.runtime.store)
    assert state.refused == {}
    assert all(one.is_complete for one in state.parameters.values())
