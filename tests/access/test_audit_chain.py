"""The audit chain: whatever is done to one event of many shows, and where."""

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from fhir_server.access.audit.chain import START, Break, Link, breaks, chain, decode_link, encode_link, is_seal_of, seal

Chained = list[tuple[Link, bytes | None]]


def chained(contents: list[bytes]) -> Chained:
    found: Chained = []
    previous = START
    for number, content in enumerate(contents):
        previous = chain(previous, f"AuditEvent/{number}", content)
        found.append((previous, content))
    return found


events = st.lists(st.binary(max_size=8), min_size=2, max_size=6)


@given(events, st.data())
def test_what_was_stored_holds_from_any_good_link(contents: list[bytes], data: st.DataObject) -> None:
    whole = chained(contents)
    start = data.draw(st.integers(0, len(whole) - 1))
    after = whole[start - 1][0] if start else START
    assert list(breaks(whole[start:], after, whole[-1][0])) == []
    assert decode_link(encode_link(whole[0][0])) == whole[0][0]


@given(events, st.data())
def test_a_changed_event_shows(contents: list[bytes], data: st.DataObject) -> None:
    whole = chained(contents)
    at = data.draw(st.integers(0, len(whole) - 1))
    link = whole[at][0]
    whole[at] = (link, contents[at] + b"!")
    assert list(breaks(whole)) == [Break(at + 1, link.reference, "changed")]
    whole[at] = (link, None)
    assert list(breaks(whole)) == [Break(at + 1, link.reference, "missing")]


@given(events, st.data())
def test_an_event_removed_with_its_link_shows(contents: list[bytes], data: st.DataObject) -> None:
    whole = chained(contents)
    last = whole[-1][0]
    at = data.draw(st.integers(0, len(whole) - 1))
    del whole[at]
    found = list(breaks(whole, last=last))
    assert found[0] == Break(
        at + 1, "" if at < len(whole) else last.reference, "removed" if at < len(whole) else "cut-off"
    )


@given(events, st.data())
def test_a_link_made_to_fit_a_changed_event_shows_at_the_next_one(contents: list[bytes], data: st.DataObject) -> None:
    whole = chained(contents)
    at = data.draw(st.integers(0, len(whole) - 2))
    before = whole[at - 1][0] if at else START
    whole[at] = (chain(before, whole[at][0].reference, b"another"), b"another")
    if contents[at] != b"another":
        assert list(breaks(whole)) == [Break(at + 2, whole[at + 1][0].reference, "forged")]


def test_a_chain_forged_to_its_end_differs_from_the_link_kept_elsewhere() -> None:
    kept = chained([b"1", b"2"])[-1][0]
    assert list(breaks(chained([b"1", b"3"]), last=kept)) == [Break(2, kept.reference, "forged")]
    moved = [(replace(link, reference="AuditEvent/x"), content) for link, content in chained([b"1"])]
    assert list(breaks(moved)) == [Break(1, "AuditEvent/x", "forged")]


def test_a_seal_is_of_one_link_and_one_key() -> None:
    one, two = chained([b"1", b"2"])
    signature = seal(b"key", two[0])
    assert is_seal_of(signature, b"key", two[0])
    assert not is_seal_of(signature, b"other", two[0])
    assert not is_seal_of(signature, b"key", one[0])
