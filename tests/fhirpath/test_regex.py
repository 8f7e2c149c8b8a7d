"""The automaton agrees with Python's matcher wherever both know a pattern."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_server.fhirpath.regex.engine import compile_regex
from fhir_server.fhirpath.regex.pattern import BadPattern

ATOMS = st.sampled_from(["a", "b", ".", "[ab]", "[^a]", "\\d", "\\w", "\\b", "^", "$", "c", "\\."])


def joined(parts: list[str]) -> str:
    return "".join(parts)


PATTERNS = st.recursive(
    st.lists(ATOMS, min_size=1, max_size=3).map(joined),
    lambda inner: st.one_of(
        st.tuples(inner, inner).map(lambda pair: f"{pair[0]}|{pair[1]}"),
        inner.map(lambda one: f"({one})"),
        st.tuples(inner, st.sampled_from(["*", "+", "?", "{2}", "{1,2}", "*?", "+?"])).map(
            lambda pair: f"(?:{pair[0]}){pair[1]}"
        ),
    ),
    max_leaves=5,
)
TEXTS = st.text("ab1. \n", max_size=8)


def uncounted(_: int) -> None:
    """Work is counted by the caller, here by none."""


@given(pattern=PATTERNS, text=TEXTS)
def test_it_agrees_on_whether_a_text_matches(pattern: str, text: str) -> None:
    ours, theirs = compile_regex(pattern), re.compile(pattern.replace("$", "\\Z"), re.DOTALL | re.ASCII)
    assert ours.is_match(text, uncounted) == bool(theirs.search(text))
    assert ours.is_match(text, uncounted, is_full=True) == bool(theirs.fullmatch(text))


@given(pattern=PATTERNS.filter(lambda text: "?" not in text.replace("(?:", "")), text=TEXTS)
def test_it_agrees_on_the_first_match(pattern: str, text: str) -> None:
    theirs = re.compile(pattern.replace("$", "\\Z"), re.DOTALL | re.ASCII).search(text)
    ours = compile_regex(pattern).search(text, 0, uncounted)
    assert (ours is None) == (theirs is None)
    if ours is not None and theirs is not None:
        assert ours.marks[0] == theirs.start()


@pytest.mark.parametrize(
    ("pattern", "text", "groups"),
    [
        ("(a+)(b*)", "xaab", (1, 4, 1, 3, 3, 4)),
        ("(a|ab)(c|bcd)", "abcd", (0, 4, 0, 1, 1, 4)),
        ("(x)?y", "y", (0, 1, None, None)),
        ("(a+?)b?", "aab", (0, 1, 0, 1)),
    ],
)
def test_groups_are_those_of_the_preferred_way(pattern: str, text: str, groups: tuple[int | None, ...]) -> None:
    found = compile_regex(pattern).search(text, 0, uncounted)
    assert found is not None
    assert found.marks == groups


def test_groups_have_names() -> None:
    pattern = compile_regex("(?<day>\\d+)-(?P<month>\\d+)")
    found = pattern.search("on 12-03", 0, uncounted)
    assert pattern.names == {"day": 1, "month": 2}
    assert found is not None
    assert found.marks == (3, 8, 3, 5, 6, 8)


@pytest.mark.parametrize("pattern", ["(?=a)", "(?<=a)b", "(?<a>.)(?<a>.)", "(?<1a>.)", "(?<a.)"])
def test_what_is_no_group_is_refused(pattern: str) -> None:
    with pytest.raises(BadPattern):
        compile_regex(pattern)
