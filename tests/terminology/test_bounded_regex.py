import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_server.foundation.operation_outcome import TooCostly, Unprocessable
from fhir_server.terminology.bounded_regex import Regex

atoms = st.sampled_from(["a", "b", ".", "[ab]", "[^a]", r"\d", r"\."])


def _grown(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    repeats = st.sampled_from(["*", "+", "?", "{2}", "{1,}", "{0,2}"])
    return st.one_of(
        st.tuples(inner, inner).map("".join),
        st.tuples(inner, inner).map("|".join),
        st.tuples(inner, repeats).map(lambda parts: f"({parts[0]}){parts[1]}"),
    )


@given(st.recursive(atoms, _grown, max_leaves=6), st.text("ab.1", max_size=6))
def test_it_answers_as_the_language_does(pattern: str, text: str) -> None:
    assert Regex(pattern).matches(text) is bool(re.fullmatch(pattern, text))


def test_no_pattern_explodes() -> None:
    assert not Regex("(a|a)*(a+)+(a?){30}b").matches("a" * 500)


@pytest.mark.parametrize("pattern", ["(", ")", "a**b{", "[", "a{3,1}", "(?=a)", "(?P<n>a)", r"\1", "*"])
def test_what_is_not_understood_is_refused(pattern: str) -> None:
    with pytest.raises(Unprocessable):
        Regex(pattern)


@pytest.mark.parametrize("pattern", ["a" * 501, "(a{99}){99}", "(" * 30 + "a" + ")" * 30])
def test_what_costs_too_much_is_refused(pattern: str) -> None:
    with pytest.raises(TooCostly):
        Regex(pattern)


def test_anchors_at_the_ends_are_dropped() -> None:
    assert Regex("^[A-Z]{3}$").matches("FRA")
    assert not Regex("^[A-Z]{3}$").matches("FRAN")
