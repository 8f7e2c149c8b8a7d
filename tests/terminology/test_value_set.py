from collections.abc import Iterator
from typing import Any

import pytest

from fhir_server.foundation.operation_outcome import FhirError, TooCostly, Unprocessable
from fhir_server.terminology.terminology import Terminology
from fhir_server.terminology.value_set import MAX_INCLUDED, Expanding, Unexpandable, ValueSet
from tests.terminology.samples import ANIMALS, code_system, held, value_set

ALL = ["animal", "bird", "emu", "fish", "pet"]
URL = "http://example.org/vs"
OTHER = "http://example.org/unknown"


def terminology(*resources: dict[str, Any]) -> Terminology:
    known = {resource["url"]: resource for resource in (code_system(), *resources)}
    known[f"{ANIMALS}|2"] = code_system()
    return Terminology(held(known))


def codes(*include: dict[str, Any], **compose: Any) -> list[str]:
    return [member.code for member in terminology(value_set(URL, *include, **compose)).members(URL)]


def condition(name: str, operator: str, value: str) -> dict[str, Any]:
    return {"system": ANIMALS, "filter": [{"property": name, "op": operator, "value": value}]}


@pytest.mark.spec("valueset-filter-operator.html")
@pytest.mark.parametrize(
    ("definition", "expected"),
    [
        (condition("concept", "is-a", "bird"), ["bird", "emu"]),
        (condition("concept", "descendent-of", "animal"), ["bird", "emu", "fish"]),
        (condition("concept", "is-not-a", "bird"), ["animal", "fish", "pet"]),
        (condition("concept", "generalizes", "emu"), ["animal", "bird", "emu", "pet"]),
        (condition("concept", "in", "emu, fish"), ["emu", "fish"]),
        (condition("code", "not-in", "emu,fish"), ["animal", "bird", "pet"]),
        (condition("code", "regex", "[a-f].*"), ["animal", "bird", "emu", "fish"]),
        (condition("legs", "=", "2"), ["bird", "emu"]),
        (condition("display", "=", "Fish"), ["fish"]),
        (condition("legs", "exists", "false"), ["animal", "fish", "pet"]),
        (condition("legs", "exists", "true"), ["bird", "emu"]),
        (condition("parent", "=", "animal"), ["bird", "fish"]),
        (condition("child", "exists", "false"), ["emu", "fish"]),
        (condition("concept", "is-a", "stone"), []),
    ],
)
def test_filters_select_and_validate_alike(definition: dict[str, Any], expected: list[str]) -> None:
    known = terminology(value_set(URL, definition))
    assert [member.code for member in known.members(URL)] == expected
    assert [code for code in ALL if known.contains(URL, ANIMALS, code)] == expected
    assert known.contains(URL, ANIMALS, "stone") is False


@pytest.mark.parametrize(
    "definition", [condition("code", "like", "a"), condition("code", "regex", "("), condition("legs", "exists", "so")]
)
def test_a_filter_that_is_not_understood_is_refused_and_not_checked(definition: dict[str, Any]) -> None:
    known = terminology(value_set(URL, definition))
    with pytest.raises(Unprocessable):
        list(known.members(URL))
    assert known.contains(URL, ANIMALS, "bird") is None


@pytest.mark.spec("valueset.html#compositions")
def test_all_conditions_of_an_include_hold_and_excludes_win() -> None:
    birds = value_set("http://example.org/birds", condition("concept", "is-a", "bird"))
    whole = value_set(
        URL,
        {"system": ANIMALS, "valueSet": [birds["url"]]},
        {"valueSet": [birds["url"]]},
        {"system": ANIMALS, "concept": [{"code": "pet", "display": "Compagnon"}]},
        exclude=[{"system": ANIMALS, "concept": [{"code": "emu"}]}],
    )
    known = terminology(birds, whole)
    assert [(member.code, member.display) for member in known.members(URL)] == [("bird", "Bird"), ("pet", "Compagnon")]
    assert [code for code in ALL if known.contains(URL, ANIMALS, code)] == ["bird", "pet"]
    assert known.validate_code(URL, ANIMALS, "pet", "compagnon").result is True
    assert known.validate_code(URL, ANIMALS, "pet", "Rock").result is False


def test_inactive_codes_may_be_left_out() -> None:
    assert codes({"system": ANIMALS}, inactive=False) == ["animal", "bird", "emu", "pet"]
    known = terminology(value_set(URL, {"system": ANIMALS}, inactive=False))
    assert known.contains(URL, ANIMALS, "fish") is False


def test_what_is_not_here_could_not_be_checked() -> None:
    known = terminology(
        value_set(URL, {"system": OTHER}),
        value_set(f"{URL}/nested", {"valueSet": ["http://example.org/absent"]}),
        value_set(f"{URL}/version", {"system": ANIMALS, "version": "3"}),
        value_set(f"{URL}/excluding", {"system": ANIMALS}, exclude=[{"valueSet": ["http://example.org/absent"]}]),
    )
    for url in (URL, f"{URL}/nested", f"{URL}/version", f"{URL}/excluding"):
        system = OTHER if url == URL else ANIMALS
        assert known.contains(url, system, "bird") is None
        assert "could not be checked" in known.validate_code(url, system, "bird").message
        with pytest.raises(Unexpandable):
            list(known.members(url))
    assert known.contains("http://example.org/absent", ANIMALS, "bird") is None
    assert known.contains(URL, ANIMALS, "bird") is False


def test_the_version_that_is_named_is_used() -> None:
    assert codes({"system": ANIMALS, "version": "2"}) == ALL
    assert codes({"system": ANIMALS, "version": "*"}) == ALL


def test_a_fragment_lists_what_it_has_and_checks_no_more() -> None:
    known = Terminology(held({ANIMALS: code_system(content="fragment"), URL: value_set(URL, {"system": ANIMALS})}))
    assert known.contains(URL, ANIMALS, "bird") is True
    assert known.contains(URL, ANIMALS, "stone") is None
    with pytest.raises(Unexpandable, match="fragment"):
        list(known.members(URL))


def test_lists_need_no_code_system() -> None:
    known = terminology(value_set(URL, {"system": OTHER, "concept": [{"code": "x", "display": "X"}]}))
    assert known.contains(URL, OTHER, "x") is True
    assert known.contains(URL, OTHER, "y") is False
    assert known.contains(URL, "", "x") is True
    assert [member.display for member in known.members(URL)] == ["X"]


def test_an_oid_and_a_url_may_name_one_system() -> None:
    oid = "urn:oid:1.2.3"
    known = terminology(value_set(URL, {"system": oid, "concept": [{"code": "bird"}]}))
    assert known.contains(URL, oid, "bird") is True
    assert known.contains(URL, OTHER, "bird") is None
    assert known.contains(URL, ANIMALS, "bird") is None
    assert known.contains(URL, OTHER, "stone") is False
    assert known.contains(URL, "urn:oid:1.2.4", "bird") is False
    both = terminology(value_set(URL, {"system": oid, "concept": [{"code": "bird"}]}), code_system(url=oid))
    assert both.contains(URL, ANIMALS, "bird") is False


def test_circles_are_said() -> None:
    known = terminology(
        value_set(URL, {"valueSet": [f"{URL}/b"]}), value_set(f"{URL}/b", {"system": ANIMALS}, {"valueSet": [URL]})
    )
    assert known.contains(URL, ANIMALS, "bird") is True
    assert known.contains(URL, ANIMALS, "stone") is None
    with pytest.raises(TooCostly, match="includes itself"):
        list(known.members(URL))


def test_a_web_of_includes_is_bounded() -> None:
    asked: list[str] = []

    def resolve(canonical: str, resource_type: str) -> dict[str, Any] | None:
        asked.append(canonical)
        level = canonical.count("/")
        return value_set(canonical, *({"valueSet": [f"{canonical}/{n}"]} for n in range(9 if level < 9 else 0)))

    assert Terminology(resolve).contains("vs", ANIMALS, "bird") is None
    assert len(asked) <= MAX_INCLUDED + 1


def test_contained_value_sets() -> None:
    inner = {**value_set("", {"system": ANIMALS, "concept": [{"code": "emu"}]}), "id": "in"}
    outer = {**value_set(URL, {"valueSet": ["#in"]}), "contained": [inner]}
    assert terminology().contains(outer, ANIMALS, "emu") is True
    assert [member.code for member in terminology().members(outer)] == ["emu"]


def test_a_stored_expansion_answers_when_there_is_no_definition() -> None:
    contains = [{"abstract": True, "display": "group", "contains": [{"system": OTHER, "code": "x"}]}]
    known = terminology(
        {"resourceType": "ValueSet", "url": URL, "expansion": {"contains": contains, "total": 1}},
        {"resourceType": "ValueSet", "url": f"{URL}/page", "expansion": {"contains": contains, "total": 9}},
    )
    assert known.contains(URL, OTHER, "x") is True
    assert known.contains(URL, OTHER, "y") is False
    assert known.contains(f"{URL}/page", OTHER, "y") is None
    assert known.expand(URL) == {OTHER: {"x"}}


@pytest.mark.spec("valueset.html#implicit")
def test_implicit_value_sets() -> None:
    known = terminology()
    assert [member.code for member in known.members(f"{ANIMALS}?fhir_vs")] == ALL
    assert [member.code for member in known.members(f"{ANIMALS}?fhir_vs=isa/bird")] == ["bird", "emu"]
    for url in ("http://loinc.org/vs/LG1", "http://loinc.org/vs/LL1", "http://loinc.org/vs"):
        assert known.contains(url, "http://loinc.org", "1") is None
    for question in ("=ecl/<100001", "=refset/100001", ""):
        assert known.contains(f"http://snomed.info/sct?fhir_vs{question}", "http://snomed.info/sct", "100001") is None
    french = "https://mos.esante.gouv.fr/NOS/TRE_X/FHIR/TRE-X"
    assert known.contains(f"{french}?vs", french, "1") is None
    assert known.contains("http://snomed.info/sct?fhir_vs", ANIMALS, "bird") is False


@pytest.mark.parametrize(
    ("coded", "answer"),
    [
        ("bird", True),
        ({"system": ANIMALS, "code": "bird"}, True),
        ({"code": "bird"}, False),
        ({"coding": [{"system": OTHER, "code": "x"}, {"system": ANIMALS, "code": "bird"}]}, True),
        ({"text": "bird"}, False),
        ("stone", False),
    ],
)
def test_member_of(coded: Any, answer: bool) -> None:
    assert terminology(value_set(URL, {"system": ANIMALS})).member_of(URL, coded) is answer


def test_grammars_answer_for_their_systems() -> None:
    mime, tags = "urn:ietf:bcp:13", "urn:ietf:bcp:47"
    known = Terminology(held({URL: value_set(URL, {"system": mime}, {"system": tags})}), {OTHER: str.isdigit})
    assert known.contains(URL, mime, "application/fhir+json; fhirVersion=4.0") is True
    assert known.contains(URL, mime, "pdf") is False
    assert known.contains(URL, tags, "fr-FR") is None
    assert known.contains(URL, tags, "français") is False
    assert known.validate_in_system(OTHER, "1").result is True
    assert known.validate_in_system(OTHER, "x").result is False
    assert known.validate_in_system("http://example.org/absent", "x").result is None


def test_searches_expand_and_walk_hierarchies() -> None:
    known = terminology(value_set(URL, condition("concept", "is-a", "bird")), value_set(f"{URL}/b", {"system": OTHER}))
    assert known.expand(URL) == {ANIMALS: {"bird", "emu"}}
    assert known.below(ANIMALS, "bird") == {"bird", "emu"}
    assert known.above(ANIMALS, "bird") == {"bird", "animal", "pet"}
    for ask in (lambda: known.expand(OTHER), lambda: known.expand(f"{URL}/b"), lambda: known.below(OTHER, "x")):
        with pytest.raises(FhirError) as refused:
            ask()
        assert refused.value.status == 400


def test_members_come_one_by_one() -> None:
    read: list[str] = []

    class Watched(list[dict[str, Any]]):
        def __iter__(self) -> Iterator[dict[str, Any]]:
            for concept in super().__iter__():
                read.append(concept["code"])
                yield concept

    listed = Watched([{"code": str(number)} for number in range(10_000)])
    known = terminology()
    members = known.members({**value_set(URL), "compose": {"include": [{"system": OTHER, "concept": listed}]}})
    assert [next(members).code for _ in range(3)] == ["0", "1", "2"]
    assert len(read) == 3


def test_a_change_is_seen_once_the_rest_is_forgotten() -> None:
    known = {URL: value_set(URL, {"system": ANIMALS}), ANIMALS: code_system()}
    asked = Terminology(held(known))
    assert asked.contains(URL, ANIMALS, "stone") is False
    known[ANIMALS] = code_system(concept=[{"code": "stone"}])
    asked.forget()
    assert asked.contains(URL, ANIMALS, "stone") is True


def test_an_expansion_looks_at_no_more_than_the_bound() -> None:
    test = {"property": "legs", "op": "exists", "value": "false"}
    many = value_set(URL, *({"system": ANIMALS, "filter": [test] * 40} for _ in range(100)))
    opened = ValueSet(many, terminology())
    assert len(list(opened._members(Expanding(left=100_000)))) == 3
    with pytest.raises(TooCostly):
        list(opened._members(Expanding(left=1_000)))
