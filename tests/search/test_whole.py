"""Whole searches, as clients write them, over random resources: the embedded store answers what the oracle says.

Drawn are every parameter type with its modifiers and prefixes, chains, nested `_has`, contained resources, orders of
several keys, includes (iterated too), totals and counts. Spec: search.html
"""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from fhir_server.foundation.dates import microseconds
from fhir_server.foundation.resource import Version
from fhir_server.search.condition import ALWAYS
from fhir_server.search.extract import Extractor
from fhir_server.search.parameters import Parameters
from fhir_server.search.parse import parse
from fhir_server.search.plan import Planner
from fhir_server.storage.sqlite.store import Options, SqliteStore
from fhir_server.storage.store import Include, Search, Sort, Transaction
from tests.storage.backends import new_folder
from tests.storage.worlds import Item, World, expected, expected_included

Resource = dict[str, Any]
NOW = datetime(2026, 1, 1, tzinfo=UTC)
PARAMETERS = Parameters()
EXTRACTOR = Extractor(PARAMETERS)
PLANNER = Planner(PARAMETERS, lambda resource_type: ALWAYS, now=microseconds(NOW))
UCUM = "http://unitsofmeasure.org"

IDS = st.sampled_from(["1", "2"])
CODES = st.sampled_from(["a", "b"])
SYSTEMS = st.sampled_from(["http://s", "http://t"])
NAMES = st.sampled_from(["Anne", "Ann", "Béatrice", "O'Neil"])
DATES = st.sampled_from(["2020", "2020-05", "2020-05-06", "2021-01-01T10:00:00Z", "2021-01-01T12:00:00+02:00"])
NUMBERS = st.sampled_from([0, 1, 1.5, 100])
UNITS = st.sampled_from(["mg", "g", "mmol"])
PREFIXES = st.sampled_from(["", "eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap"])
URLS = st.sampled_from(["http://u.org/a", "http://u.org/a/b", "urn:oid:1.2"])


def concept() -> st.SearchStrategy[Resource]:
    coding = st.fixed_dictionaries({"code": CODES}, optional={"system": SYSTEMS, "display": NAMES})
    return st.fixed_dictionaries({"coding": st.lists(coding, min_size=1, max_size=2)}, optional={"text": NAMES})


def quantity() -> st.SearchStrategy[Resource]:
    return st.fixed_dictionaries({"value": NUMBERS, "system": st.just(UCUM), "code": UNITS})


def refers(*types: str) -> st.SearchStrategy[Resource]:
    return st.tuples(st.sampled_from(types), IDS).map(lambda pair: {"reference": f"{pair[0]}/{pair[1]}"})


def several(one: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    return st.lists(one, min_size=1, max_size=2)


PRACTITIONER = {
    "name": several(st.fixed_dictionaries({"family": NAMES})),
    "gender": st.sampled_from(["male", "female"]),
}
ELEMENTS: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "Patient": {
        "name": several(st.fixed_dictionaries({"family": NAMES}, optional={"given": several(NAMES)})),
        "gender": st.sampled_from(["male", "female"]),
        "birthDate": st.sampled_from(["2020", "2020-05", "2020-05-06"]),
        "identifier": several(st.fixed_dictionaries({"value": CODES}, optional={"system": SYSTEMS, "type": concept()})),
        "generalPractitioner": several(st.one_of(refers("Practitioner"), st.just({"reference": "#p"}))),
        "managingOrganization": refers("Organization"),
        "contained": st.fixed_dictionaries({}, optional=PRACTITIONER).map(
            lambda own: [{"resourceType": "Practitioner", "id": "p", **own}]
        ),
    },
    "Observation": {
        "subject": refers("Patient", "Patient", "Group"),
        "performer": several(refers("Practitioner", "Patient")),
        "code": concept(),
        "effectiveDateTime": DATES,
        "valueQuantity": quantity(),
        "component": several(
            st.fixed_dictionaries({"code": concept(), "valueQuantity": quantity()}),
        ),
    },
    "Practitioner": PRACTITIONER,
    "RiskAssessment": {
        "subject": refers("Patient"),
        "prediction": several(st.fixed_dictionaries({"probabilityDecimal": NUMBERS})),
        "occurrencePeriod": st.fixed_dictionaries({"start": DATES}, optional={"end": st.just("2022")}),
    },
    "ValueSet": {"url": URLS, "title": NAMES, "date": DATES},
}


@st.composite
def worlds(draw: st.DrawFn) -> World:
    items = []
    for resource_type, elements in ELEMENTS.items():
        for resource_id in draw(st.sampled_from([["1"], ["1", "2"], ["1", "2"], ["2"]])):
            drawn = draw(st.fixed_dictionaries({}, optional=elements))
            resource = {"resourceType": resource_type, "id": resource_id, **drawn}
            content = b'{"id":"%b"}' % resource_id.encode()
            version = Version(resource_type, resource_id, 1, NOW, content)
            items.append(Item(version, tuple(EXTRACTOR.extract(resource))))
    return World(tuple(items))


def listed(value: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.lists(value, min_size=1, max_size=2, unique=True).map(",".join)


def modified(name: str, modifiers: list[str], value: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    either = st.tuples(st.sampled_from(modifiers), listed(value)).map(
        lambda pair: f"{name}{':' + pair[0] if pair[0] else ''}={pair[1]}"
    )
    return st.one_of(either, either, either, st.sampled_from([f"{name}:missing=true", f"{name}:missing=false"]))


TOKEN = st.one_of(
    CODES, st.tuples(st.sampled_from(["http://s", "http://t", ""]), CODES).map("|".join), SYSTEMS.map("{}|".format)
)
TEXT = st.sampled_from(["ann", "ANNE", "beat", "nn", "o neil", "x"])
DATED = st.tuples(PREFIXES, DATES).map("".join).map(lambda text: text.replace("+", "%2B"))
NUMBERED = st.tuples(PREFIXES, NUMBERS.map(str)).map("".join)
MEASURED = st.tuples(NUMBERED, st.sampled_from(["", f"|{UCUM}|mg", f"|{UCUM}|g", "||mmol"])).map("".join)
FAMILY = modified("family", ["", "exact", "contains"], TEXT)
CLAUSES: dict[str, list[st.SearchStrategy[str]]] = {
    "Patient": [
        FAMILY,
        modified("name", ["", "contains"], TEXT),
        modified("gender", ["", "not"], st.sampled_from(["male", "female"])),
        modified("identifier", ["", "not"], TOKEN),
        modified("identifier", ["of-type"], st.sampled_from(["http://s|a|b", "http://t|b|a"])),
        modified("birthdate", [""], DATED),
        modified("general-practitioner", ["", "Practitioner"], IDS),
        modified("_id", ["", "not"], IDS),
        FAMILY.map("general-practitioner.{}".format),
        FAMILY.map("general-practitioner:Practitioner.{}".format),
        modified("_has:Observation:patient:code", ["", "not", "text"], CODES),
        modified("_has:Observation:subject:date", [""], DATED),
        modified("_has:Observation:patient:_has:RiskAssessment:subject:probability", [""], NUMBERED),
    ],
    "Observation": [
        modified("code", ["", "not"], TOKEN),
        modified("code", ["text"], TEXT),
        modified("date", [""], DATED),
        modified("value-quantity", [""], MEASURED),
        modified("component-code-value-quantity", [""], st.tuples(CODES, MEASURED).map("$".join)),
        modified("code-value-quantity", [""], st.tuples(CODES, MEASURED).map("$".join)),
        modified("subject", ["", "Patient", "Group"], IDS),
        modified("patient", [""], IDS.map("Patient/{}".format)),
        FAMILY.map("patient.{}".format),
        FAMILY.map("subject:Patient.{}".format),
        FAMILY.map("patient.general-practitioner.{}".format),
        FAMILY.map("performer:Patient.general-practitioner:Practitioner.{}".format),
        modified("subject:Patient._has:RiskAssessment:subject:date", [""], DATED),
        st.sampled_from(["_filter=code eq a or date ge 2020-05", "_filter=not (subject:Patient.gender eq male)"]),
    ],
    "Practitioner": [
        FAMILY,
        FAMILY.map("{}&_contained=true".format),
        FAMILY.map("{}&_contained=both".format),
        modified("gender", ["", "not"], st.just("male")).map("{}&_contained=both".format),
        modified("_has:Observation:performer:code", [""], CODES),
    ],
    "RiskAssessment": [
        modified("probability", [""], NUMBERED),
        modified("date", [""], DATED),
        FAMILY.map("subject:Patient.{}".format),
    ],
    "ValueSet": [
        modified("url", ["", "above", "below"], st.sampled_from(["http://u.org/a", "http://u.org/a/b"])),
        modified("url", [""], URLS),
        modified("title", ["", "exact", "contains"], TEXT),
        modified("date", [""], DATED),
    ],
}  # fmt: skip
ORDERS = {
    "Patient": ["family", "birthdate", "identifier", "general-practitioner", "gender", "_id"],
    "Observation": ["code", "date", "value-quantity", "subject", "_lastUpdated"],
    "Practitioner": ["_id", "_lastUpdated"],
    "RiskAssessment": ["probability", "date", "subject"],
    "ValueSet": ["url", "title", "date"],
}
INCLUDES = {
    "Patient": ["_revinclude=Observation:subject", "_include=Patient:general-practitioner", "_include=*"],
    "Observation": [
        "_include=Observation:subject",
        "_include=Observation:subject:Patient&_include:iterate=Patient:general-practitioner",
        "_include=Observation:*",
        "_include=Observation:patient&_revinclude:iterate=RiskAssessment:subject",
    ],
    "Practitioner": ["_revinclude=Patient:general-practitioner&_revinclude:iterate=Observation:patient"],
    "RiskAssessment": ["_include=RiskAssessment:subject", "_include:iterate=RiskAssessment:*"],
    "ValueSet": [],
}
RESULTS = ["", "_total=accurate", "_total=none", "_count=0", "_summary=count", "_count=1", "_count=2&_total=accurate"]


@st.composite
def searches(draw: st.DrawFn) -> str:
    resource_type = draw(st.sampled_from(sorted(CLAUSES)))
    parts = draw(st.lists(st.one_of(CLAUSES[resource_type]), max_size=2))
    if sum("_contained" in part for part in parts) > 1:
        parts = parts[:1]
    keys = draw(st.lists(st.sampled_from(ORDERS[resource_type]), max_size=3, unique=True))
    signs = draw(st.lists(st.sampled_from(["", "-"]), min_size=3, max_size=3))
    if keys:
        parts.append("_sort=" + ",".join(sign + key for sign, key in zip(signs, keys, strict=False)))
    parts.append(draw(st.sampled_from(["", "", *INCLUDES[resource_type]])))
    parts.append(draw(st.sampled_from(RESULTS)))
    return f"{resource_type}?{'&'.join(filter(None, parts))}"


async def compare(store: SqliteStore, world: World, text: str) -> None:
    resource_type, _, query = text.partition("?")
    plan = PLANNER.plan(parse(resource_type, parse_qsl(query), PARAMETERS))
    sorts, includes = tuple(Sort(*key) for key in plan.sort), tuple(Include(*include) for include in plan.includes)
    whole = expected(world, plan.resource_type, plan.condition, sorts)
    search = Search(
        plan.resource_type,
        plan.condition,
        plan.within,
        sorts,
        plan.limit,
        needs_total=plan.needs_total,
        includes=includes,
        purpose=plan.purpose,
    )
    found: list[str] = []
    while True:
        page = await store.search(search)
        references = [version.reference for version in page.versions]
        found += references
        assert page.total == (len(whole) if plan.needs_total else None), text
        assert {one.reference for one in page.included} == expected_included(world, references, includes), text
        if not page.cursor:
            break
        search = Search(
            *(getattr(search, name) if name != "cursor" else page.cursor for name in Search.__struct_fields__)
        )
    assert found == (whole if plan.limit else []), text
    event("found" if whole else "nothing")


@pytest.mark.parametrize("factors", [(4, 64), (0, 0), (0, 10**6)], ids=["collecting", "walking", "gathering"])
@settings(deadline=None, max_examples=50, suppress_health_check=[*HealthCheck])
@given(world=worlds(), asked=st.lists(searches(), min_size=8, max_size=16))
def test_a_search_finds_what_the_oracle_says(factors: tuple[int, int], world: World, asked: list[str]) -> None:
    async def ask(folder: str) -> None:
        store = SqliteStore(Path(folder), options=Options(walk_factors=factors))
        await store.open()
        try:

            async def work(transaction: Transaction) -> None:
                for item in world.items:
                    await transaction.put(item.version, item.rows)

            await store.transact(work)
            for text in asked:
                await compare(store, world, text)
        finally:
            await store.close()

    with new_folder() as folder:
        asyncio.run(ask(folder))
