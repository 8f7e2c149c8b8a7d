"""The matrix of professions and documents: how it is read, what holds on which day, and that it can be replaced."""

from collections.abc import Iterator
from datetime import UTC, date, datetime

import pytest
from msgspec.structs import replace

from fhir_server.access.decision import decide, use_matrix
from fhir_server.access.matrix.cells import Sight
from fhir_server.access.matrix.load import default_matrix, parse_matrix
from fhir_server.foundation.operation_outcome import Unprocessable
from fhir_server.search.index_row import RELATION
from fhir_server.search.match import Alone, match
from tests.access.world import DOCTOR, resource_of, subject_of

HEAD = "profession,kind,code,allowed,from,to\n"
OTHERS = "*,class,*,no,,\n"


def test_csv_and_json_say_the_same() -> None:
    as_json = (
        b'[{"profession":"10","kind":"type","code":"X","allowed":"no","from":"2026-01-01"},'
        b'{"profession":"*","kind":"class","code":"*","allowed":"no"}]'
    )
    as_csv = (HEAD + "10,type,X,no,2026-01-01,\n" + OTHERS).encode()
    assert parse_matrix(as_json) == parse_matrix(as_csv)
    assert parse_matrix(b"\xef\xbb\xbf" + as_csv) == parse_matrix(as_csv)


@pytest.mark.parametrize(
    "row",
    [
        "10,type,X,perhaps,,",
        "10,kind,X,yes,,",
        ",type,X,yes,,",
        "10,type,,yes,,",
        "10,type,*,yes,,",
        "10,resource,Documents,yes,,",
        "10,type,X,yes,2026-02-30,",
        "10,type,X,yes,2026-02-01,2026-02-01",
    ],
)
def test_a_row_that_is_not_understood_refuses_the_whole(row: str) -> None:
    with pytest.raises(Unprocessable, match="Row 3 "):
        parse_matrix((HEAD + OTHERS + row + "\n").encode())


def test_a_matrix_says_what_other_professions_see() -> None:
    with pytest.raises(Unprocessable):
        parse_matrix((HEAD + "10,class,*,yes,,\n").encode())


def test_rows_hold_from_their_first_day_to_the_day_before_their_last() -> None:
    matrix = parse_matrix((HEAD + OTHERS + "60,class,*,yes,2026-01-01,\n60,type,X,no,2026-03-01,2026-04-01\n").encode())
    assert matrix.sight("60", date(2025, 12, 31)) == Sight({}, {"*": False}, {})
    assert matrix.sight("60", date(2026, 2, 28)).types == {}
    assert matrix.sight("60", date(2026, 3, 1)).types == {"X": False}
    assert matrix.sight("60", date(2026, 4, 1)).types == {}
    assert matrix.sight("60", None).sees_other_documents
    assert not matrix.sight("99", None).sees_other_documents


def test_where_two_rows_disagree_no_holds() -> None:
    matrix = parse_matrix((HEAD + OTHERS + "10,type,X,no,,\n10,type,X,yes,,\n").encode())
    assert matrix.sight("10", None).types == {"X": False}


@pytest.fixture
def another_edition() -> Iterator[None]:
    rows = "10,class,*,yes,,2026-06-01\n10,resource,*,yes,,\n10,class,10,yes,2026-06-01,\n"
    use_matrix(parse_matrix((HEAD + OTHERS + rows).encode()))
    yield
    use_matrix(default_matrix())


@pytest.mark.usefixtures("another_edition")
def test_the_edition_in_use_decides_by_the_day_on_which_the_token_ends() -> None:
    def is_seen(ends: datetime, code: str) -> bool:
        within = decide(replace(DOCTOR, expires_at=ends), "read", "DocumentReference")
        subject = subject_of(resource_of("DocumentReference of the patient", "", ""), "Device/hospital", code)
        return match(within, subject, Alone(0, ((RELATION, "care-team", 0, DOCTOR.actor, "1", -1, 1),)))

    assert is_seen(datetime(2026, 5, 31, 23, tzinfo=UTC), "31")
    assert not is_seen(datetime(2026, 6, 1, tzinfo=UTC), "31")
    assert is_seen(datetime(2026, 6, 1, tzinfo=UTC), "10")


def test_a_profession_that_sees_only_what_is_named_sees_no_other_types_of_resource() -> None:
    use_matrix(parse_matrix((HEAD + OTHERS + "*,resource,Observation,yes,,\n").encode()))
    try:
        relations = ((RELATION, "care-team", 0, DOCTOR.actor, "1", -1, 1),)

        def is_seen(item: str) -> bool:
            within = decide(DOCTOR, "read", item.partition(" ")[0])
            return match(within, subject_of(resource_of(item, "", ""), "Device/hospital"), Alone(0, relations))

        assert is_seen("Observation of the patient")
        assert not is_seen("AllergyIntolerance of the patient")
        assert is_seen("Patient")
    finally:
        use_matrix(default_matrix())
