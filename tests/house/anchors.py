"""Anchors: the clauses of http.html and search.html, and which of them a test proves (`@pytest.mark.spec`).

`python -m tests.house.anchors` prints the table; `test_anchors.py` keeps it. Spec: http.html, search.html
"""

import contextlib
import io
import sys
from collections import Counter
from collections.abc import Iterable
from typing import Final

import pytest

PAGES: Final[dict[str, dict[str, str]]] = {
    "http.html": {
        "general": "Service base URL: addresses, ids and types are case sensitive",
        "versioning": "Resource metadata and versioning: ETag and Last-Modified",
        "security": "Security: CORS, access denied",
        "Status-Codes": "HTTP status codes: errors come with an OperationOutcome",
        "cread": "Conditional read: If-None-Match, If-Modified-Since, 304",
        "prefer": "Return preference: minimal, representation, OperationOutcome",
        "mime-type": "Content types and encodings: negotiation, 406, 415, UTF-8",
        "version-parameter": "FHIR version parameter",
        "parameters": "General parameters: _format, _pretty, _summary, _elements",
        "versions": "Support for versions",
        "read": "read: 200, 404, 410",
        "vread": "vread: 200, 404, 410",
        "update": "update: ids agree, versionId and lastUpdated are the server's",
        "upsert": "Update as create: 201",
        "rejecting-updates": "Rejecting updates: 400, 404, 405, 409, 412, 422",
        "cond-update": "Conditional update: no match, one, several, with and without an id",
        "concurrency": "Managing resource contention: If-Match, 412",
        "patch": "patch: JSON Patch, XML Patch, FHIRPath Patch; conditional; in bundles; the narrative is safe",
        "delete": "delete: 204, and brought back to life",
        "cdelete": "Conditional delete",
        "create": "create: 201, Location; the id is ignored",
        "ccreate": "Conditional create: If-None-Exist",
        "search": "search by GET and by POST",
        "vsearch": "Variant searches: compartments, several types",
        "capabilities": "capabilities: modes, ETag, short forms",
        "transaction": "batch and transaction: all interactions and operations",
        "brules": "Batch processing rules",
        "trules": "Transaction processing rules: order, identities, links, conditional and version-specific references",
        "transaction-response": "Response: one entry each, in the order of the request",
        "other-bundles": "Accepting other Bundle types",
        "history": "history: _count, _since, _at, _list; newest first; deletions",
        "transactional-integrity": "Transactional integrity: what is sent is what is read",
        "paging": "Paging: self, first, next; stable",
        "head": "HEAD wherever GET is",
        "custom": "Custom headers: X-Request-Id, X-Correlation-Id",
        "summary": "Summary: every row of the tables",
    },
    "search.html": {
        "errors": "Handling errors: unknown parameters, strict and lenient",
        "all": "Parameters for all resources",
        "id": "_id",
        "lastUpdated": "_lastUpdated",
        "tag": "_tag",
        "profile": "_profile",
        "security": "_security",
        "text": "_text",
        "content": "_content",
        "list": "_list",
        "has": "Reverse chaining: _has",
        "type": "_type",
        "filter": "_filter",
        "query": "_query: named queries",
        "modifiers": "Modifiers",
        "missing": ":missing",
        "prefix": "Prefixes",
        "escaping": "Escaping",
        "number": "Number",
        "date": "Date",
        "string": "String",
        "uri": "Uri",
        "token": "Token",
        "quantity": "Quantity",
        "reference": "Reference",
        "versions": "References and versions",
        "recursive": "Hierarchies: :above, :below",
        "composite": "Composite",
        "special": "Special",
        "chaining": "Chained parameters",
        "combining": "Several values, several parameters",
        "return": "Managing returned resources: the self link, what it holds",
        "sort": "_sort",
        "count": "_count",
        "total": "_total",
        "include": "_include, _revinclude, :iterate",
        "contained": "_contained, _containedType",
        "score": "Relevance: search.score",
        "summary": "_summary",
        "elements": "_elements",
        "conformance": "Server conformance: the statement lists what is supported",
    },
}
ALIASES: Final = {
    "http.html#3.1.0.7.1": "http.html#cdelete",
    "http.html#pretty": "http.html#parameters",
    "http.html#root": "http.html#general",
}
UNPROVEN: Final = frozenset(
    {
        "search.html#query",  # No named query is offered; an unknown one is refused.
        "search.html#score",  # Matches are not scored.
    }
)
"""Clauses that no test names, each with the reason. What is not in this list must stay proven."""


def anchors_of(items: Iterable[pytest.Item]) -> Counter[str]:
    """Count the tests by anchor."""
    named: Counter[str] = Counter()
    for item in items:
        for anchor in {ALIASES.get(text, text) for mark in item.iter_markers("spec") for text in mark.args}:
            named[anchor] += 1
    return named


def table(named: Counter[str]) -> str:
    """Return the clauses with the number of their tests, and what is not covered by name."""
    lines, missing = [], []
    for page, clauses in PAGES.items():
        proven = [anchor for anchor in clauses if named[f"{page}#{anchor}"]]
        lines.append(f"{page}: {len(proven)} of {len(clauses)} clauses are proven by a test")
        for anchor, meaning in clauses.items():
            lines.append(f"  {named[f'{page}#{anchor}'] or '-':>5}  {anchor:<24} {meaning}")
        missing += [f"{page}#{anchor}" for anchor in clauses if anchor not in proven]
    return "\n".join([*lines, f"not covered: {', '.join(missing) or 'nothing'}"])


class Collected:
    """Keep what a collection of tests found."""

    def __init__(self) -> None:
        self.items: list[pytest.Item] = []

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Take the items of the session."""
        self.items = [*session.items]


def main() -> int:
    """Collect every test, and print the table."""
    collected = Collected()
    with contextlib.redirect_stdout(io.StringIO()):
        status = pytest.main(["--collect-only", "-qq"], plugins=[collected])
    print(table(anchors_of(collected.items)))  # noqa: T201 - it is what the command is for
    return int(status)


if __name__ == "__main__":
    sys.exit(main())
