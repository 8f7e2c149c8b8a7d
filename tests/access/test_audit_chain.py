"""The audit chain: whatever is done to one event of many shows, and where."""

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from fhir_server.access.audit.chain import (
    START,
    Break,
    Link,
    Verification,
    chain,
    decode_links,
    encode_links,
    is_link,
)

Chained = list[tuple[Link, bytes | None]]


def chained(contents: list[bytes]) -> Chained:
    found: Chained = []
    previous = START
    for number, content in enumerate(contents):
        previous = chain(previous, f"AuditEvent/{number}", content)
        found.append((previous, content))
    return found


def breaks(links: Chained, after: Link = START, last: Link | None = None) -> list[Break]:
    verification = Verification(after)
    found = [one for link, content in links for one in verification.meet(link, content)]
    return found + ([] if last is None else list(verification.end(last)))


events = st.lists(st.binary(max_size=8), min_size=2, max_size=6)


@given(events, st.data())
def test_what_was_stored_holds_from_any_good_link(contents: list[bytes], data: st.DataObject) -> None:
    whole = chained(contents)
    start = data.draw(st.integers(0, len(whole) - 1))
    after = whole[start - 1][0] if start else START
    assert breaks(whole[start:], after, whole[-1][0]) == []
    links = [link for link, _ in whole]
    assert decode_links(encode_links(links)) == links


@given(events, st.data())
def test_a_changed_event_shows(contents: list[bytes], data: st.DataObject) -> None:
    whole = chained(contents)
    at = data.draw(st.integers(0, len(whole) - 1))
    link = whole[at][0]
    whole[at] = (link, contents[at] + b"!")
    assert breaks(whole) == [Break(at + 1, link.reference, "changed")]
    whole[at] = (link, None)
    assert breaks(whole) == [Break(at + 1, link.reference, "missing")]


@given(events, st.data())
def test_an_event_removed_with_its_link_shows(contents: list[bytes], data: st.DataObject) -> None:
    whole = chained(contents)
    last = whole[-1][0]
    at = data.draw(st.integers(0, len(whole) - 1))
    del whole[at]
    found = breaks(whole, last=last)
    assert found[0] == Break(at + 1, "", "removed" if at < len(whole) else "cut-off")


@given(events, st.data())
def test_moved_events_show(contents: list[bytes], data: st.DataObject) -> None:
    whole = chained(contents)
    at = data.draw(st.integers(0, len(whole) - 2))
    whole[at], whole[at + 1] = whole[at + 1], whole[at]
    assert breaks(whole)[0] == Break(at + 1, "", "removed")


@given(events, st.data())
def test_a_link_made_to_fit_a_changed_event_shows_at_the_next_one(contents: list[bytes], data: st.DataObject) -> None:
    whole = chained(contents)
    at = data.draw(st.integers(0, len(whole) - 2))
    before = whole[at - 1][0] if at else START
    whole[at] = (chain(before, whole[at][0].reference, b"another"), b"another")
    if contents[at] != b"another":
        assert breaks(whole) == [Break(at + 2, whole[at + 1][0].reference, "forged")]


def test_a_link_that_names_another_event_shows() -> None:
    moved = [(replace(link, reference="AuditEvent/x"), content) for link, content in chained([b"1"])]
    assert breaks(moved) == [Break(1, "AuditEvent/x", "forged")]


def test_a_link_is_noted_as_a_text() -> None:
    (link, _) = chained([b"1"])[0]
    assert is_link(str(link))
    assert str(link).startswith("1-")
    assert not is_link("1-abc")
    assert not is_link("")
