"""Comparison: the tests of a Compare, as a query on the rows of a document.

Source: https://www.mongodb.com/docs/v6.0/reference/operator/query/
Spec: search.html#prefix
"""

from typing import Any, Final

from fhir_server.foundation.operation_outcome import TooCostly
from fhir_server.search.condition import Compare, Test
from fhir_server.storage.mongodb.fields import SHORT, Document, finite, row_field

NOTHING: Final[Document] = {"$alwaysFalse": 1}
EVERYTHING: Final[Document] = {}
PATTERN_CHARACTERS: Final = 8_000
"""The engine bounds the length of a pattern, in which each character may take four."""

_SIGNS: Final = {"eq": "$eq", "ne": "$ne", "lt": "$lt", "le": "$lte", "gt": "$gt", "ge": "$gte"}
_LAST_CHARACTER: Final = 0x10FFFF
_SURROGATES: Final = range(0xD800, 0xE000)


def both(*queries: Document) -> Document:
    """Return the query that all of the queries hold."""
    asked = [query for query in queries if query]
    if len(asked) == 1:
        return asked[0]
    return {"$and": asked} if asked else EVERYTHING


def passing_row(compare: Compare) -> Document:
    """Return the query, on what holds rows by their names, that some row passes every test."""
    name = row_field(compare.family, compare.parameter)
    if not compare.tests:
        return {name: {"$exists": True}}
    tests = [{SHORT[column]: operation(operator, value)} for column, operator, value in compare.tests]
    return {name: {"$elemMatch": tests[0] if len(tests) == 1 else {"$and": tests}}}


def has_words(compare: Compare) -> Document:
    """Return the query that a text passes every test."""
    return all_words([word for _, _, listed in compare.tests for word in listed], compare.parameter)


def all_words(words: list[str], parameter: str) -> Document:
    """Return the query that a text has all of these words; presence when there is none."""
    if not words:
        return {"w": f"{parameter}>"}
    return {"$and": [{"w": _word(f"{parameter}>{word}")} for word in words]}


def _word(key: str) -> Any:
    return {"$elemMatch": operation("prefix", key[:-1])} if key.endswith("*") else key


def operation(operator: str, value: Any) -> Document:
    """Return the comparison of a column that every row has."""
    if operator == "in":
        return {"$in": [finite(one) for one in value]}
    if operator == "prefix":
        return _prefix(value)
    if operator == "suffix":
        return {"$regex": f"{_pattern(value)}\\z"} if value else {"$exists": True}
    if operator == "contains":
        return {"$regex": _pattern(value)} if value else {"$exists": True}
    return {_SIGNS[operator]: finite(value)}


def tests_of(tests: tuple[Test, ...], field: str) -> Document:
    """Return the query that a field of the document passes every test."""
    if not tests:
        return EVERYTHING
    return {"$and": [{field: operation(operator, value)} for _, operator, value in tests]}


def _prefix(prefix: str) -> Document:
    if not prefix:
        return {"$exists": True}
    high = after(prefix)
    return {"$gte": prefix, "$lt": high} if high else {"$gte": prefix}


def _pattern(text: str) -> str:
    if len(text) > PATTERN_CHARACTERS:
        raise TooCostly(f"A text that is looked for inside others has at most {PATTERN_CHARACTERS} characters.")
    return "".join(one if one.isalnum() or ord(one) > 127 else f"\\x{ord(one):02x}" for one in text)


def after(prefix: str) -> str:
    """Return the smallest text that is greater than all texts with the prefix; "" when there is none."""
    for position in range(len(prefix) - 1, -1, -1):
        following = ord(prefix[position]) + 1
        if following in _SURROGATES:
            following = _SURROGATES.stop
        if following <= _LAST_CHARACTER:
            return prefix[:position] + chr(following)
    return ""
