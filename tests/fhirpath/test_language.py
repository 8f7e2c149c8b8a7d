"""Answers of the language that the public cases leave out."""

from typing import Any

import pytest

from fhir_server import fhirpath

PATIENT: dict[str, Any] = {
    "resourceType": "Patient",
    "birthDate": "1974-12-25",
    "active": True,
    "name": [
        {"use": "official", "family": "Chalmers", "given": ["Peter", "James"]},
        {"use": "usual", "given": ["Jim"]},
        {"use": "maiden", "family": "Windsor", "given": ["Peter", "James"]},
    ],
}
TRUE = [
    "0.power(0) = 1",
    "(2.5 ~ 2).not() and 2.5 ~ 3",
    "(2.5 'mg' ~ 2 'mg').not()",
    "('a' | 'b' | 'c').sort(-$this) = ('c' | 'b' | 'a')",
    "name.sort(family, given.first()).use = ('usual' | 'official' | 'maiden')",
    "name.sort(-family).use = ('usual' | 'maiden' | 'official')",
    "2.0 'cm' * 2.0 'm' = 0.040 'm2'",
    "(1 'm' * 1 'm') / (1 'm' / 1 's') = 1 'm.s'",
    "'1 week'.toQuantity() = 1 'wk'",
    "37 'Cel' = 98.6 '[degF]'",
    "1 'mg' + 1 'g' = 1001 'mg'",
    "1 'm[iU]/mL' = 1 '[iU]/L'",
    "@2014-01-01T08:05-05:00.highBoundary(17) = @2014-01-01T08:05:59.999-05:00",
    "@2014-02.highBoundary() = @2014-02-28",
    "@T10.lowBoundary() = @T10:00:00.000",
    "@T10:30:00.000.precision() = 9",
    "@2014-01-01T08:05:30Z.precision() = 14 and @2014-01-01T08:05:30Z.highBoundary(14) = @2014-01-01T08:05:30Z",
    "@T10:30:05.highBoundary() = @T10:30:05.999 and @T10:30:05.2.highBoundary() = @T10:30:05.299",
    "@2020-01-31 + 1 month = @2020-02-29",
    "@2020-02-29 - 1 year = @2019-02-28",
    "@T23:00 + 2 hours = @T01:00",
    "@2020-01-01T00:00:00Z - 1 second = @2019-12-31T23:59:59Z",
    "@2020-03 + 30 days = @2020-04",
    "@2020-01-01T12:00:00Z < @2020-01-03",
    "@2020-01-01T12:00:00Z < @2020-01-02T12:00:00",
    "@2020-01-01T12:00+02:00 = @2020-01-01T10:00Z",
    "10 div 3 = 3 and -7 div 2 = -3 and 7 mod -2 = 1",
    "1.5.ceiling() = 2 and (-1.5).truncate() = -1 and 2.5.round() = 3",
    "5L + 1 is Long and 5L.toInteger() is Integer",
    "'2020-02-30'.convertsToDate() = false and '10:61'.convertsToTime() = false",
    "'a,b,'.split(',').count() = 3 and 'ab'.toChars().count() = 2",
    "'a-b'.replaceMatches('(\\\\w)-(\\\\w)', '$2-$1$$') = 'b-a$'",
    "'x'.matches('^[^a-c]$') and 'É'.matches('\\\\p{Lu}') and 'A'.matches('[a-z]', 'i')",
    "'\\u00e9\\'' = 'é\\''",
    "`name`.`given`.count() = 5 // a comment",
    "name.given.aggregate($total & $this, '').length() = 23",
    "name.where(use = 'official').given[$this.count() - 1] = 'Peter'",
    "(1 | 2 | 3).where($index > 0).select($this * $index).sum() = 3",
    "name.select($this.given.first() + ' ' + family).first() = 'Peter Chalmers'",
    "name.all(given.exists() and use in ('official' | 'usual' | 'maiden'))",
    "birthDate.is(date) and active and active.is(boolean) and birthDate is System.Date = false",
    "coalesce({}, name.text, 'x') = 'x'",
    "1 + 2 * 3 - 4 / 2 = 5 and -1 + 2 = 1 and true or false and false",
    "true implies (false implies true)",
    "1 | 2 | 2 ~ 2 | 1",
    "'1' & 2.toString() & {} = '12'",
    "(1 year).toString() = '1 year' and 1 'a'.toString() = '1 \\'a\\''",
]
EMPTY = [
    "0.power(-1)",
    "{} = 1",
    "1 'kg' = 1 's'",
    "1 'kg' < 1 's'",
    "birthDate > @1974",
    "@2020-01-01T12:00:00Z < @2020-01-01T15:00:00",
    "1 / 0",
    "'a' + {}",
    "{} in (1 | 2)",
    "2147483647 + 1",
    "@9999-12-31 + 1 day",
    "(-1).sqrt()",
    "1 'Cel' * 2",
    "1 year + 1 'a'",
    "'x'.toInteger()",
    "name[7]",
    "name.period.start",
    "$total",
]


@pytest.mark.spec("fhirpath.html")
@pytest.mark.parametrize("text", TRUE)
def test_it_is_true(text: str) -> None:
    assert fhirpath.evaluate(text, PATIENT) == [True]


@pytest.mark.spec("fhirpath.html")
@pytest.mark.parametrize("text", EMPTY)
def test_it_is_empty(text: str) -> None:
    assert fhirpath.evaluate(text, PATIENT) == []


def test_an_answer_may_be_changed_without_harm() -> None:
    expression = fhirpath.compile("name.exists()")
    expression(PATIENT).append("spoilt")
    assert expression(PATIENT) == [True]


def test_a_condition_is_true_false_or_unknown() -> None:
    assert fhirpath.compile("name.exists()").is_true(PATIENT) is True
    assert fhirpath.compile("photo.exists()").is_true(PATIENT) is False
    assert fhirpath.compile("photo").is_true(PATIENT) is None


def test_an_expression_is_compiled_once() -> None:
    assert fhirpath.compile("name.given") is fhirpath.compile("name.given")
    assert fhirpath.compile("name.given") is not fhirpath.compile("name.given", root_type="Patient", is_strict=True)
