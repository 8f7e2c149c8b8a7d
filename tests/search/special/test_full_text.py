from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fhir_server.foundation.operation_outcome import BadRequest, TooCostly
from fhir_server.search.extract import Extractor
from fhir_server.search.index_row import TEXT
from fhir_server.search.parameters import Parameters, UnknownParameter
from fhir_server.search.parse import parse

Finds = Callable[..., list[str]]

XHTML = "http://www.w3.org/1999/xhtml"


def told(condition_id: str, narrative: str, **content: Any) -> dict[str, Any]:
    text = {"status": "generated", "div": f'<div xmlns="{XHTML}"><p>{narrative}</p></div>'}
    return {"resourceType": "Condition", "id": condition_id, "text": text, **content}


BONE = told("bone", "Bone <b>Metastases</b>", note=[{"text": "Seen by Dr Éloïse"}])
LIVER = told("liver", "Liver &amp; metastases")
SKIN = told("skin", "Skin, metastasis", code={"coding": [{"system": "http://liver", "code": "x", "display": "Bone"}]})
SILENT = {
    "resourceType": "Condition",
    "id": "silent",
    "contained": [{"resourceType": "Basic", "code": {"text": "Grippe"}}],
}
WORLD = (BONE, LIVER, SKIN, SILENT)


@pytest.mark.spec("search.html#content")
@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("_text=(bone OR liver) and metastases", ["bone", "liver"]),
        ("_text=metastases", ["bone", "liver"]),
        ("_text=METASTAS*", ["bone", "liver", "skin"]),
        ("_text=metastases bone", ["bone"]),
        ("_text=metas", []),
        ("_text=bone,skin", ["bone", "skin"]),
        ("_text=bone or liver and metastases", ["bone", "liver"]),
        ("_text=(bone or liver) (metastases)", ["bone", "liver"]),
        ("_content=bone", ["bone", "skin"]),
        ("_content=eloise", ["bone"]),
        ("_content=Éloïse bone", ["bone"]),
        ("_content=grippe", ["silent"]),
        ("_content=http", []),
        ("_content=xhtml", []),
        ("_content=amp", []),
        ("_text=bone&_content=dr", ["bone"]),
    ],
)
def test_words_are_found(finds: Finds, query: str, found: list[str]) -> None:
    assert finds(f"Condition?{query}", *WORLD) == found


def test_the_words_of_a_text_are_rows(extractor: Extractor) -> None:
    rows = [row for row in extractor.extract(BONE) if row[0] == TEXT]
    assert rows == [
        (TEXT, "_text", 0, "bone metastases"),
        (TEXT, "_content", 0, "bone by dr eloise generated metastases seen"),
    ]


@pytest.mark.parametrize(
    "value", ["!", "(bone", "bone)", "or", "bone or", "and", "bone and", "()", "(" * 12 + "a" + ")" * 12]
)
def test_what_has_no_words_is_refused(finds: Finds, value: str) -> None:
    with pytest.raises(BadRequest, match=r"_text: .* is not understood; write words"):
        finds(f"Condition?_text={value}")


def test_a_text_is_bounded(finds: Finds) -> None:
    with pytest.raises(TooCostly, match="at most 50 words"):
        finds(f"Condition?_content={' '.join(['a'] * 51)}")


def test_types_without_narrative_have_no_text(finds: Finds) -> None:
    for query in ("Bundle?_text=x", "?_text=x"):
        with pytest.raises(BadRequest, match="no search parameter '_text'"):
            finds(query)
    assert finds("?_content=grippe", *WORLD) == ["silent"]


TEXTS = st.lists(st.sampled_from(["bone", "or", "and", "(", ")", "a*", "!", "É"]), max_size=9).map(" ".join)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(TEXTS.filter(bool))
def test_no_text_makes_a_search_fail_otherwise(finds: Finds, text: str) -> None:
    try:
        found = finds(f"Condition?_text={text}", *WORLD)
    except BadRequest:
        return
    assert set(found) <= {"bone", "liver", "skin"}


@pytest.mark.spec("search.html#content")
@pytest.mark.parametrize("code", ["_text", "_content"])
def test_traces_have_no_words_and_say_so(code: str) -> None:
    assert code in Parameters().of_type("Patient")
    with pytest.raises(UnknownParameter, match=f"AuditEvent has no search parameter '{code}'"):
        parse("AuditEvent", ((code, "word"),), Parameters())
