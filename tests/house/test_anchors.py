"""Every clause of http.html and search.html is proven by a test that names it, or listed as not proven."""

import pytest

from tests.house.anchors import PAGES, UNPROVEN, anchors_of

FOLDERS = {"asgi", "interactions", "search", "operations", "storage"}


def test_clauses_stay_proven(request: pytest.FixtureRequest) -> None:
    items = request.session.items
    seen = {part for item in items for part in item.path.relative_to(request.config.rootpath).parts}
    if not seen >= FOLDERS:
        pytest.skip("only a part of the tests is run: clauses are counted over all of them")
    named = anchors_of(items)
    clauses = {f"{page}#{anchor}" for page, anchors in PAGES.items() for anchor in anchors}
    lost = sorted(clause for clause in clauses - UNPROVEN if not named[clause])
    assert not lost, f"no test names {', '.join(lost)} any more: python -m tests.house.anchors prints the table"
    unknown = sorted(anchor for anchor in named if anchor.startswith("http.html#") and anchor not in clauses)
    assert not unknown, f"{', '.join(unknown)}: no such clause in tests/house/anchors.py"
