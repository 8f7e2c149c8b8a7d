"""Worlds: random resources as index rows, random conditions and orders; and what the oracle says of them."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from hypothesis import strategies as st

from fhir_server.foundation.resource import Version
from fhir_server.search.condition import (
    ALWAYS,
    NEVER,
    And,
    Compare,
    Condition,
    Contains,
    Exists,
    Identity,
    Near,
    Not,
    OfType,
    Or,
    Related,
    Same,
    Test,
    Updated,
)
from fhir_server.search.index_row import (
    COLUMNS,
    COMPARTMENT,
    CONTAINED,
    CONTAINED_FAMILIES,
    DATE,
    MAX_INSTANT,
    MIN_INSTANT,
    NUMBER,
    POSITION,
    QUANTITY,
    REFERENCE,
    RELATION,
    STRING,
    TEXT,
    TOKEN,
    URI,
    IndexRow,
)
from fhir_server.search.match import Subject, match
from fhir_server.storage.store import Include, Sort

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NOW = datetime(2026, 1, 1, tzinfo=UTC)
NOW_MICROSECONDS = (NOW - EPOCH) // timedelta(microseconds=1)
TYPES = ("Patient", "Observation", "Encounter")
IDS = ("a", "b", "c", "d")
GROUNDS = ("care-team", "consent")
ACTORS = ("Practitioner/1", "Organization/1")
INSTANTS = (MIN_INSTANT, -10, 0, 10, 20, 30, MAX_INSTANT)
FLOATS = (float("-inf"), -1.5, 0.0, 0.5, 2.0, float("inf"))
TEXTS = ("", "a", "ab", "abc", "b", "a%", "a_b", "é\U0010ffff", "\ud7ff", "Ab", "1")
PARAMETERS = {
    TOKEN: ("code", "status", "pair"),
    STRING: ("name", "pair"),
    DATE: ("date", "period"),
    NUMBER: ("number", "pair"),
    QUANTITY: ("quantity", "pair"),
    REFERENCE: ("subject", "part"),
    URI: ("url",),
    COMPARTMENT: ("Patient", "Encounter"),
    RELATION: GROUNDS,
    POSITION: ("near",),
    TEXT: ("_text", "_content"),
}
SORTED = tuple(family for family in PARAMETERS if family not in (POSITION, TEXT))
LATITUDES = (-90.0, -89.999, -45.0, 0.0, 0.001, 48.85, 89.5, 90.0)
LONGITUDES = (-180.0, -179.999, -0.002, 0.0, 2.35, 90.0, 179.999, 180.0)
_COLUMN_VALUES: dict[str, Sequence[Any]] = {
    "system": ("", "s", "http://t"),
    "code": TEXTS,
    "folded": TEXTS,
    "exact": TEXTS,
    "target_type": (*TYPES, ""),
    "target_id": (*IDS, "http://elsewhere"),
    "version": ("", "1", "2"),
    "value": TEXTS,
    "compartment_id": IDS,
    "actor": ACTORS,
    "patient_id": IDS,
    "latitude": LATITUDES,
    "longitude": LONGITUDES,
    "words": ("a", "ab abc é", "a b c", "abc 1", "ab 日本語"),
}


class Item(msgspec.Struct, frozen=True):
    """One resource of a world, in its order of creation."""

    version: Version
    rows: tuple[IndexRow, ...]

    @property
    def subject(self) -> Subject:
        updated = (self.version.last_updated - EPOCH) // timedelta(microseconds=1)
        return Subject(self.version.resource_type, self.version.resource_id, updated, self.rows)


class World(msgspec.Struct, frozen=True):
    """What `match` asks of the other resources."""

    items: tuple[Item, ...]

    @property
    def now(self) -> int:
        return NOW_MICROSECONDS

    @property
    def current(self) -> list[Item]:
        return [item for item in self.items if not item.version.is_deleted]

    def find(self, resource_type: str, resource_id: str) -> Subject | None:
        named = (
            i for i in self.current if (i.version.resource_type, i.version.resource_id) == (resource_type, resource_id)
        )
        return next((item.subject for item in named), None)

    def all_of_type(self, resource_type: str) -> Iterable[Subject]:
        return [item.subject for item in self.current if item.version.resource_type == resource_type]

    def relations(self) -> Iterable[IndexRow]:
        return [row for item in self.current for row in item.rows if row[0] == RELATION]


def _ordered(values: Sequence[Any]) -> st.SearchStrategy[tuple[Any, Any]]:
    return st.tuples(st.sampled_from(values), st.sampled_from(values)).map(lambda pair: tuple(sorted(pair)))  # type: ignore[arg-type,return-value]


@st.composite
def rows(draw: st.DrawFn) -> IndexRow:
    family = draw(st.sampled_from(tuple(PARAMETERS)))
    parameter = draw(st.sampled_from(PARAMETERS[family]))
    element = 0 if family == TEXT else draw(st.sampled_from((0, 0, 1, 2)))
    names = COLUMNS[family]
    columns: dict[str, Any] = {}
    if "low" in names:
        pool: Sequence[Any] = FLOATS if family in (NUMBER, QUANTITY) else INSTANTS
        if family == RELATION:
            pool = (MIN_INSTANT, NOW_MICROSECONDS - 1, NOW_MICROSECONDS, NOW_MICROSECONDS + 1, MAX_INSTANT)
        columns["low"], columns["high"] = draw(_ordered(pool))
    for name in names:
        if name not in columns:
            columns[name] = draw(st.sampled_from(_COLUMN_VALUES[name]))
    return (family, parameter, element, *(columns[name] for name in names))


CONTAINED_TYPES = ("Patient", "Medication")
CONTAINED_IDS = ("a", "x")


@st.composite
def contained(draw: st.DrawFn) -> list[IndexRow]:
    """Contained resources, and perhaps references to them."""
    names = draw(st.lists(st.sampled_from(CONTAINED_IDS), max_size=2, unique=True))
    found: list[IndexRow] = []
    to_contained = st.tuples(st.sampled_from(PARAMETERS[REFERENCE]), st.sampled_from(CONTAINED_IDS)).map(
        lambda pair: (REFERENCE, pair[0], 0, "", f"#{pair[1]}", "")
    )
    for name in names:
        own = draw(st.lists(rows().filter(lambda row: row[0] in CONTAINED_FAMILIES), max_size=4))
        own += draw(st.lists(to_contained, max_size=1))
        found.append((CONTAINED, draw(st.sampled_from(CONTAINED_TYPES)), 0, name, tuple(dict.fromkeys(own))))
    return found + draw(st.lists(to_contained, max_size=2))


def _links_to(references: Sequence[tuple[str, str]]) -> st.SearchStrategy[IndexRow]:
    link = st.tuples(st.sampled_from(PARAMETERS[REFERENCE]), st.sampled_from(references))
    return link.map(lambda pair: (REFERENCE, pair[0], 0, *pair[1], ""))


@st.composite
def worlds(draw: st.DrawFn) -> World:
    references = draw(
        st.lists(st.tuples(st.sampled_from(TYPES), st.sampled_from(IDS)), min_size=4, max_size=9, unique=True)
    )
    items = []
    for resource_type, resource_id in references:
        updated = NOW + timedelta(milliseconds=draw(st.integers(-3, 3)))
        is_deleted = draw(st.sampled_from((False, False, False, False, True)))
        content = b"" if is_deleted else f'{{"id":"{resource_id}"}}'.encode()
        version = Version(resource_type, resource_id, 1, updated, content, is_deleted)
        own = draw(st.lists(rows(), min_size=2, max_size=8)) + draw(st.lists(_links_to(references), max_size=3))
        own += draw(contained())
        texts = {row[1]: row for row in own if row[0] == TEXT}
        items.append(Item(version, (*(row for row in own if row[0] != TEXT), *texts.values())))
    return World(tuple(items))


_TEXT_OPERATORS = ("eq", "eq", "eq", "ne", "lt", "le", "gt", "ge", "prefix", "suffix", "contains", "in")
_NUMBER_OPERATORS = ("eq", "ne", "lt", "le", "gt", "ge", "in")


@st.composite
def tests_on(draw: st.DrawFn, family: int, row: IndexRow | None) -> Test:
    """A test; mostly with the value of `row`, so that it is passed by some and not by others."""
    names = COLUMNS[family]
    if family == TEXT:
        words = st.sampled_from(("a", "ab", "a*", "é", "1", "日*", "c", "unknown"))
        return ("words", "words", tuple(draw(st.lists(words, min_size=1, max_size=2))))
    column = draw(st.sampled_from(names))
    pool: Sequence[Any] = _COLUMN_VALUES.get(column, FLOATS if family in (NUMBER, QUANTITY) else INSTANTS)
    operator = draw(st.sampled_from(_NUMBER_OPERATORS if column in ("low", "high") else _TEXT_OPERATORS))
    own = row[3 + names.index(column)] if row is not None else pool[0]
    value = own if row is not None and draw(st.integers(0, 3)) else draw(st.sampled_from(pool))
    if operator == "prefix":
        return (column, operator, value[: draw(st.integers(0, 2))])
    if operator == "suffix":
        return (column, operator, value[draw(st.integers(0, 2)) :])
    if operator != "in":
        return (column, operator, value)
    several = (value, *draw(st.lists(st.sampled_from(pool), max_size=4)))
    return (column, "in", draw(st.sampled_from((several, several * 5, ()))))


@st.composite
def compares(draw: st.DrawFn, known: Sequence[IndexRow]) -> Compare:
    """A comparison, mostly of a parameter that some resource has."""
    if known and draw(st.integers(0, 4)):
        row: IndexRow | None = draw(st.sampled_from(known))
        assert row is not None
        family, parameter = row[:2]
    else:
        row, family = None, draw(st.sampled_from(tuple(PARAMETERS)))
        parameter = draw(st.sampled_from((*PARAMETERS[family], "unused")))
    if family == POSITION:
        return Compare(family, parameter)
    return Compare(family, parameter, tuple(draw(st.lists(tests_on(family, row), max_size=3))))


def _same(known: Sequence[IndexRow]) -> st.SearchStrategy[Condition]:
    composite = [row for row in known if row[2] > 0]
    return st.lists(compares(composite), max_size=3).map(lambda found: Same(tuple(found)))


UPDATES = st.tuples(
    st.just("last_updated"),
    st.sampled_from(("eq", "ne", "lt", "le", "gt", "ge")),
    st.integers(-3, 3).map(lambda step: NOW_MICROSECONDS + 1000 * step),
)


def _leaves(known: Sequence[IndexRow]) -> st.SearchStrategy[Condition]:
    actors, grounds = st.lists(st.sampled_from(ACTORS), max_size=2), st.lists(st.sampled_from(GROUNDS), max_size=2)
    return st.one_of(
        compares(known),
        compares(known),
        compares(known),
        _same(known),
        st.sampled_from((ALWAYS, NEVER)),
        st.lists(st.sampled_from((*IDS, "unknown")), max_size=3).map(lambda ids: Identity(tuple(ids))),
        st.lists(UPDATES, max_size=2).map(lambda tests: Updated(tuple(tests))),
        st.lists(st.sampled_from((*TYPES, "Unused")), max_size=2).map(lambda types: OfType(tuple(types))),
        st.builds(Related, actors.map(tuple), grounds.map(tuple)),
        st.builds(
            Near,
            st.sampled_from(("near", "near", "unused")),
            st.sampled_from(LATITUDES),
            st.sampled_from(LONGITUDES),
            st.sampled_from((0.0, 150.0, 50_000.0, 6_000_000.0, 20_100_000.0)),
        ),
    )


def _nested(inner: st.SearchStrategy[Condition]) -> st.SearchStrategy[Condition]:
    several = st.lists(inner, min_size=1, max_size=3).map(tuple)
    parameters = st.sampled_from((*PARAMETERS[REFERENCE], *PARAMETERS[REFERENCE], "unused"))
    types = st.sampled_from((*TYPES, *TYPES, "Unused"))
    return st.one_of(
        several.map(And),
        several.map(Or),
        inner.map(Not),
        st.builds(Exists, parameters, types, inner, st.booleans()),
        st.builds(
            Contains,
            st.sampled_from((*CONTAINED_TYPES, *CONTAINED_TYPES, "Unused")),
            inner,
            st.sampled_from(("", *PARAMETERS[REFERENCE])),
        ),
    )


def conditions(world: World) -> st.SearchStrategy[Condition]:
    """Conditions that have a chance to part the resources of a world."""
    known = [row for item in world.items for row in item.rows if row[0] != CONTAINED]
    known += [row for item in world.items for held in item.rows if held[0] == CONTAINED for row in held[4]]
    return st.recursive(_leaves(known), _nested, max_leaves=5)


SORTS = st.one_of(
    st.builds(Sort, st.sampled_from(("_id", "_lastUpdated")), st.just(0), st.booleans()),
    st.sampled_from([(family, name) for family in SORTED for name in PARAMETERS[family]]).flatmap(
        lambda pair: st.builds(Sort, st.just(pair[1]), st.just(pair[0]), st.booleans())
    ),
    st.builds(Sort, st.sampled_from(PARAMETERS[DATE]), st.just(DATE), st.booleans()),
)


def sort_value(item: Item, sort: Sort) -> Any:
    """The value that an item is sorted by, None when it has none."""
    if not sort.family:
        return item.version.resource_id if sort.parameter == "_id" else item.subject.last_updated
    position = {TOKEN: 4, REFERENCE: 4}.get(sort.family, 3)
    if sort.family in (DATE, NUMBER, QUANTITY):
        position = 4 if sort.is_descending else 3
    values = [row[position] for row in item.rows if row[:2] == (sort.family, sort.parameter)]
    return (max if sort.is_descending else min)(values, default=None)


def expected(world: World, resource_type: str, condition: Condition, sorts: Sequence[Sort]) -> list[str]:
    """The references of what a search finds, in order."""
    found = [
        item
        for item in world.current
        if resource_type in ("", item.version.resource_type) and match(condition, item.subject, world)
    ]
    for sort in reversed(sorts):
        having = [item for item in found if sort_value(item, sort) is not None]
        lacking = [item for item in found if sort_value(item, sort) is None]
        having.sort(key=lambda item: sort_value(item, sort), reverse=sort.is_descending)
        found = having + lacking
    return [item.version.reference for item in found]


@st.composite
def includes(draw: st.DrawFn) -> Include:
    targets = draw(
        st.lists(
            st.tuples(st.sampled_from(TYPES), st.one_of(st.just(ALWAYS), st.just(ALWAYS), compares(()))),
            min_size=1,
            max_size=2,
        )
    )
    return Include(
        draw(st.sampled_from(PARAMETERS[REFERENCE])),
        draw(st.sampled_from((*TYPES, "", "", ""))),
        tuple(targets),
        draw(st.booleans()),
        draw(st.booleans()),
    )


def _links(world: World, include: Include, source: Item, target: Item) -> bool:
    if not any(
        resource_type == target.version.resource_type and match(condition, target.subject, world)
        for resource_type, condition in include.within
    ):
        return False
    naming, named = (target, source) if include.is_reverse else (source, target)
    if not include.is_reverse and include.source_type not in ("", source.version.resource_type):
        return False
    wanted = (named.version.resource_type, named.version.resource_id)
    return any(row[:2] == (REFERENCE, include.parameter) and row[3:5] == wanted for row in naming.rows)


def expected_included(world: World, matches: Sequence[str], asked: Sequence[Include]) -> set[str]:
    """The references of what is included with matches."""
    by_reference = {item.version.reference: item for item in world.current}
    known, latest = set(matches), set(matches)
    while latest and asked:
        found = {
            target.version.reference
            for include in asked
            for source in latest
            for target in world.current
            if _links(world, include, by_reference[source], target)
        }
        latest = found - known
        known |= latest
        asked = [include for include in asked if include.is_iterated]
    return known - set(matches)
