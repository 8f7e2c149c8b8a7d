"""Whole queries: what a store finds is what `match` says, from the parameters of the specification's examples on."""

import tempfile
from collections.abc import AsyncIterator, Callable, Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import msgspec
import pytest

from fhir_server.foundation.resource import Version
from fhir_server.search.compartment import in_compartment
from fhir_server.search.condition import ALWAYS, Compare, Condition, Not, all_of
from fhir_server.search.extract import Extractor
from fhir_server.search.index_row import TOKEN, IndexRow
from fhir_server.search.match import Subject, match
from fhir_server.search.parameters import Parameters
from fhir_server.search.parse import parse
from fhir_server.search.plan import Plan, Planner
from fhir_server.storage.store import Search, Sort, Store, Transaction
from tests.storage.backends import BACKENDS

pytestmark = pytest.mark.anyio
Resource = dict[str, Any]

NOW = datetime(2026, 1, 1, tzinfo=UTC)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
UCUM, LOINC = "http://unitsofmeasure.org", "http://loinc.org"
PARAMETERS = Parameters()
EXTRACTOR = Extractor(PARAMETERS)


def refer(name: str) -> dict[str, str]:
    return {"reference": name}


def coded(code: str, system: str = LOINC, **more: Any) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code, **more}]}


def named(name: str, /, **elements: Any) -> Resource:
    resource_type, resource_id = name.split("/")
    return {"resourceType": resource_type, "id": resource_id, **elements}


def told(text: str) -> dict[str, Any]:
    return {"status": "generated", "div": f'<div xmlns="http://www.w3.org/1999/xhtml">{text}</div>'}


def measured(name: str, value: str, unit: str, day: str, **more: Any) -> Resource:
    quantity = {"value": Decimal(value), "system": UCUM, "code": unit}
    elements = {"status": "final", "effectiveDateTime": day, "valueQuantity": quantity, **more}
    return named(f"Observation/{name}", **elements)


RESOURCES: list[Resource] = [
    named("Organization/h", name="Hôpital Necker", partOf=refer("Organization/aphp")),
    named("Organization/aphp", name="AP-HP"),
    named("Practitioner/d", name=[{"family": "Dupont", "given": ["Éléonore"]}]),
    named(
        "Patient/p",
        active=True,
        gender="male",
        birthDate="1974-12-25",
        name=[{"family": "Chalmers", "given": ["Peter", "James"]}],
        identifier=[{"system": "urn:mrn", "value": "12345", "type": coded("MR", "http://v2")}],
        generalPractitioner=[refer("Practitioner/d")],
        managingOrganization=refer("Organization/h"),
        meta={"tag": [{"system": "urn:t", "code": "needs-review"}], "profile": ["http://example.org/p|2.1"]},
    ),
    named("Patient/q", gender="female", birthDate="2001", name=[{"family": "Levêque", "given": ["Anne"]}]),
    named(
        "Patient/r", name=[{"family": "Evert", "given": ["Carney"]}], managingOrganization=refer("Organization/aphp")
    ),
    named("Location/site", name="Site", position={"latitude": 48.846, "longitude": 2.315}),
    named("Location/ward", name="Ward", partOf=refer("Location/site"), position={"latitude": 45.76, "longitude": 4.84}),
    named(
        "Encounter/e", status="finished", subject=refer("Patient/p"), location=[{"location": refer("Location/ward")}]
    ),
    measured("o1", "5.4", "mmol/L", "2020-01-01", code=coded("1234-5"), subject=refer("Patient/p")),
    measured(
        "o2",
        "0.0061",
        "mol/L",
        "2020-03",
        code=coded("1234-5"),
        subject=refer("Patient/q"),
        performer=[refer("Practitioner/d")],
    ),
    measured(
        "o3",
        "37.2",
        "Cel",
        "2021-06-01T10:00:00Z",
        code=coded("8310-5", display="Body temperature"),
        subject=refer("Patient/p"),
        encounter=refer("Encounter/e"),
    ),
    named("Observation/o4", status="amended", code={"text": "Tension artérielle"}, subject=refer("Group/1")),
    named(
        "Observation/o5",
        status="final",
        code=coded("85354-9"),
        component=[
            {"code": coded("8480-6"), "valueQuantity": {"value": 107, "system": UCUM, "code": "mm[Hg]"}},
            {"code": coded("8462-4"), "valueQuantity": {"value": 60, "system": UCUM, "code": "mm[Hg]"}},
        ],
    ),
    named(
        "Condition/c1",
        subject=refer("Patient/p"),
        code=coded("diabetes"),
        text=told("Bone metastases"),
        onsetDateTime="2019",
    ),
    named("Condition/c2", subject=refer("Patient/q"), code=coded("asthma"), text=told("Liver metastases, sévères")),
    named(
        "Condition/c3",
        subject=refer("Patient/q"),
        code=coded("gout"),
        text=told("Bone fracture"),
        note=[{"text": "metastases?"}],
    ),
    named(
        "List/42",
        status="current",
        mode="working",
        entry=[{"item": refer("Condition/c1")}, {"item": refer("Patient/q")}],
    ),
    named("ValueSet/v", url="http://acme.org/fhir/ValueSet/123", status="draft", version="1.2"),
    named(
        "QuestionnaireResponse/a",
        status="completed",
        questionnaire="http://example.org/q|1.2.3",
        subject=refer("Patient/p"),
    ),
    named(
        "RiskAssessment/k",
        status="final",
        subject=refer("Patient/p"),
        prediction=[{"probabilityDecimal": Decimal("0.8")}],
    ),
    named(
        "DocumentReference/x",
        status="current",
        relatesTo=[{"code": "replaces", "target": refer("DocumentReference/y")}],
        content=[],
    ),
    named(
        "DocumentReference/y",
        status="superseded",
        relatesTo=[{"code": "appends", "target": refer("DocumentReference/x")}],
        content=[],
    ),
    named("Procedure/w", status="completed", subject=refer("Patient/p"), location=refer("Location/ward")),
    named(
        "Provenance/n",
        recorded="2020-01-01T00:00:00Z",
        target=[refer("Observation/o1")],
        agent=[{"who": refer("Practitioner/d")}],
    ),
]

QUERIES = """
Patient?_id=p
Patient?_lastUpdated=gt2010-10-01
Patient?_tag=urn:t|needs-review
Patient?_profile=http://example.org/p
Patient?gender=male
Patient?gender:not=male
Patient?gender:missing=true
Patient?name=eve
Patient?name:contains=eve
Patient?name:exact=Chalmers
Patient?family=leveque
Patient?identifier=urn:mrn|12345
Patient?identifier:of-type=http://v2|MR|12345
Patient?birthdate=ge1974-12-25
Patient?birthdate=lt2001-05
Patient?given=peter&given=james
Patient?given=peter,anne
Patient?general-practitioner.name=dupont
Patient?general-practitioner:Practitioner.name=eleonore
Patient?_has:Observation:patient:code=1234-5
Patient?_has:Observation:patient:_has:Provenance:target:agent=Practitioner/d
Patient?organization:below=aphp
Patient?organization:above=Organization/h
Patient?_list=42
Patient?_filter=given eq "peter" and birthdate ge 1970
Patient?_filter=name co "eve" or not (gender pr true)
Patient?_filter=organization.name co "necker"
Patient?_filter=family ew "ert"
Observation?code=http://loinc.org|1234-5&subject.name=peter
Observation?code=1234-5,8310-5
Observation?code:text=tension
Observation?code:not=1234-5
Observation?status:in=http://hl7.org/fhir/ValueSet/observation-status
Observation?status:not-in=http://hl7.org/fhir/ValueSet/observation-status
Observation?subject=Patient/p
Observation?subject:Patient=q
Observation?subject:missing=true
Observation?subject:Patient.gender=female
Observation?date=ge2020-01-01&date=lt2020-04
Observation?date=sa2020-02
Observation?date=ap2020-03
Observation?value-quantity=5.4|http://unitsofmeasure.org|mmol/L
Observation?value-quantity=gt6|http://unitsofmeasure.org|mmol/L
Observation?value-quantity=lt6.0e-3|http://unitsofmeasure.org|mol/L
Observation?value-quantity=ne5.4|http://unitsofmeasure.org|mmol/L
Observation?value-quantity=99.0|http://unitsofmeasure.org|[degF]
Observation?value-quantity=5.4||mmol/L
Observation?code-value-quantity=http://loinc.org|1234-5$gt0.006|http://unitsofmeasure.org|mol/L
Observation?component-code-value-quantity=http://loinc.org|8480-6$gt100
Observation?component-code-value-quantity=http://loinc.org|8480-6$gt14|http://unitsofmeasure.org|kPa
Observation?_filter=subject:Patient[gender eq male].name co "pet" and date po 2021
Observation?_filter=value-quantity gt 36.9|http://unitsofmeasure.org|Cel
Observation?_filter=code ne 1234-5
Observation?encounter.location.name=ward
Observation?performer:Practitioner.family=dupont
Condition?_text=(bone OR liver) and metastases
Condition?_text=metastas*
Condition?_text=bone,liver
Condition?_content=metastases
Condition?_content=SEVERES
Condition?_text=bone&patient.gender=male
Condition?_list=42
Condition?onset-date=2019&_content=bone
?_content=necker
?_list=42
?_type=Observation,Condition&patient=p
?_type=Condition,Procedure&_filter=patient.gender eq male
?_id=p,o1
Location?near=48.8566|2.3522|5|km
Location?near=48.8566|2.3522|1000|km
Location?near=48.8566|2.3522|2000|[mi_i]&name=ward
Location?near:missing=false
Location?partof:below=site
Procedure?location:below=site
Procedure?location:above=ward
ValueSet?url:below=http://acme.org/fhir
ValueSet?url:above=http://acme.org/fhir/ValueSet/123/_history/5
ValueSet?_filter=url sw "http://acme"
QuestionnaireResponse?questionnaire:below=http://example.org/q|1.2
QuestionnaireResponse?questionnaire:above=http://example.org/q|1.2.3.4
RiskAssessment?probability=gt0.75
RiskAssessment?probability=0.8
DocumentReference?relatesto:missing=false
DocumentReference?relationship=replaces$DocumentReference/y
Organization?_has:Patient:organization:name=chalmers
Organization?name=hopital
Encounter?location:below=site
""".strip().splitlines()


class World:
    """What `match` asks of the other resources."""

    now = (NOW - EPOCH) // timedelta(microseconds=1)

    def __init__(self) -> None:
        self.subjects = [
            Subject(one["resourceType"], one["id"], self.now + number * 1_000, EXTRACTOR.extract(one))
            for number, one in enumerate(RESOURCES)
        ]

    def find(self, resource_type: str, resource_id: str) -> Subject | None:
        return next((one for one in self.all_of_type(resource_type) if one.resource_id == resource_id), None)

    def all_of_type(self, resource_type: str) -> Iterable[Subject]:
        return [one for one in self.subjects if resource_type in ("", one.resource_type)]

    def relations(self) -> Iterable[IndexRow]:
        return ()


WORLD = World()
HIDDEN = Not(Compare(TOKEN, "_tag", (("code", "eq", "needs-review"),)))


def planned(text: str, within: Condition) -> Plan:
    resource_type, _, query = text.partition("?")
    planner = Planner(PARAMETERS, lambda _: within, now=WORLD.now)
    return planner.plan(parse(resource_type, parse_qsl(query), PARAMETERS))


def told_by_match(condition: Condition, resource_type: str) -> list[str]:
    found = [one for one in WORLD.all_of_type(resource_type) if match(condition, one, WORLD)]
    return [f"{one.resource_type}/{one.resource_id}" for one in found]


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """The loop of the whole module, as its store is."""
    return "asyncio"


@pytest.fixture(scope="module", params=BACKENDS.values(), ids=BACKENDS.keys())
async def store(request: pytest.FixtureRequest) -> AsyncIterator[Store]:
    """One store for all queries: nothing here writes to it."""
    backend: Callable[..., Store] = request.param

    async def work(transaction: Transaction) -> None:
        for number, one in enumerate(RESOURCES):
            content = msgspec.json.encode({"id": one["id"]})
            updated = NOW + timedelta(milliseconds=number)
            await transaction.put(Version(one["resourceType"], one["id"], 1, updated, content), EXTRACTOR.extract(one))

    with tempfile.TemporaryDirectory() as folder:
        opened = backend(Path(folder), now=lambda: NOW)
        await opened.open()
        await opened.transact(work)
        yield opened
        await opened.close()


async def found(store: Store, search: Search) -> list[str]:
    return [version.reference for version in (await store.search(search)).versions]


@pytest.mark.spec("search.html")
@pytest.mark.parametrize("within", [ALWAYS, HIDDEN], ids=["all", "some"])
@pytest.mark.parametrize("query", QUERIES)
async def test_a_query_finds_what_match_says(store: Store, query: str, within: Condition) -> None:
    plan = planned(query, within)
    search = Search(plan.resource_type, plan.condition, plan.within, limit=100, needs_total=True)
    expected = told_by_match(all_of(plan.condition, plan.within), plan.resource_type)
    assert await found(store, search) == expected
    assert (await store.search(search)).total == len(expected)
    if within is ALWAYS and "not-in" not in query:
        assert expected
        assert len(expected) < len(RESOURCES)


@pytest.mark.spec("compartmentdefinition.html")
@pytest.mark.parametrize(
    ("compartment", "resource_type", "expected"),
    [
        (("Patient", "p"), "Observation", ["Observation/o1", "Observation/o3"]),
        (("Patient", "q"), "", ["Patient/q", "Observation/o2", "Condition/c2", "Condition/c3", "List/42"]),
        (("Practitioner", "d"), "Observation", ["Observation/o2"]),
        (("Practitioner", "d"), "", ["Practitioner/d", "Patient/p", "Observation/o2", "Provenance/n"]),
        (("Encounter", "e"), "", ["Encounter/e", "Observation/o3"]),
        (("Device", "none"), "", []),
    ],
)
async def test_a_compartment_holds_what_match_says(
    store: Store, compartment: tuple[str, str], resource_type: str, expected: list[str]
) -> None:
    condition = in_compartment(compartment, resource_type)
    told = told_by_match(condition, resource_type)
    assert await found(store, Search(resource_type, condition, limit=100)) == told
    assert [name for name in told if name != "List/42"] == [name for name in expected if name != "List/42"]


@pytest.mark.spec("search.html#sort")
@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("Patient?_sort=family", ["p", "r", "q"]),
        ("Patient?_sort=-family", ["q", "r", "p"]),
        ("Patient?_sort=given", ["q", "r", "p"]),
        ("Patient?_sort=birthdate", ["p", "q", "r"]),
        ("Patient?_sort=-birthdate", ["q", "p", "r"]),
        ("Patient?_sort=gender,-_id", ["q", "p", "r"]),
        ("Patient?_sort=-gender", ["p", "q", "r"]),
        ("Patient?_sort=organization", ["r", "p", "q"]),
        ("Patient?_sort=-_id", ["r", "q", "p"]),
        ("Patient?_sort=_lastUpdated,-birthdate", ["p", "q", "r"]),
        ("Observation?_sort=-_lastUpdated", ["o5", "o4", "o3", "o2", "o1"]),
        ("Observation?_sort=status,-date", ["o4", "o3", "o2", "o1", "o5"]),
        ("Observation?_sort=value-quantity", ["o2", "o1", "o3", "o4", "o5"]),
        ("Observation?_sort=-value-quantity", ["o3", "o1", "o2", "o4", "o5"]),
        ("Observation?_sort=code,date", ["o1", "o2", "o3", "o5", "o4"]),
        ("Patient?_sort=_profile", ["p", "q", "r"]),
    ],
)
async def test_an_order_puts_what_is_missing_last(store: Store, query: str, expected: list[str]) -> None:
    plan = planned(query, ALWAYS)
    sort = tuple(Sort(*key) for key in plan.sort)
    whole = await found(store, Search(plan.resource_type, sort=sort, limit=100))
    assert [name.partition("/")[2] for name in whole] == expected
    pages: list[str] = []
    search = Search(plan.resource_type, sort=sort, limit=1)
    for _ in expected:
        page = await store.search(search)
        pages += [version.reference for version in page.versions]
        search = msgspec.structs.replace(search, cursor=page.cursor)
    assert (pages, search.cursor) == (whole, "")
