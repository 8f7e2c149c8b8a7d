"""How the value of a CDA node is written in FHIR: the words to look for. Source: mappings/concept_maps, cda/*."""

from collections.abc import Iterator

from mappings.cda.datatypes import ii_to_identifier
from mappings.cda.dates import ts_to_date_time, ts_to_instant
from mappings.cda.vocabulary import absent_reason, concept_map, translate
from mappings.cda.xml import local_name
from mappings.fidelity_report.nodes import Piece

_TABLES: tuple[str, ...] = (
    "adverse_event_outcomes",
    "severities",
    "clinical_statuses",
    "verification_statuses",
    "priorities",
    "telecom_uses",
)
_GENDERS = {"M": "male", "F": "female", "UN": "other", "U": "unknown"}
_RANGES = {"N": "normal"}
_RELATIONS = {"RPLC": "replaces", "APND": "appends", "XFRM": "transforms"}
_CRITICALITIES = {"CRITL": "low", "CRITH": "high", "CRITU": "unable-to-assess"}


def words_of(piece: Piece) -> Iterator[str]:
    """Give the ways to write a value, the most faithful first."""
    yield from _WRITERS.get(piece.kind, _plain)(piece)


def _plain(piece: Piece) -> Iterator[str]:
    yield piece.value


def _code(piece: Piece) -> Iterator[str]:
    yield piece.value
    if local_name(piece.element) == "statusCode":
        yield from (table[piece.value] for table in concept_map("act_status").values() if piece.value in table)
        return
    yield from (found for name in _TABLES if (found := translate(name, piece.value)))
    yield from (table[piece.value] for table in (_GENDERS, _RANGES, _RELATIONS, _CRITICALITIES) if piece.value in table)
    yield from concept_map("allergy_types").get(piece.value, {}).values()
    yield f"urn:oid:{piece.value}"


def _identifier(piece: Piece) -> Iterator[str]:
    identifier = ii_to_identifier(piece.element)
    yield identifier.get("value", "")
    root = (piece.element.get("root") or "").strip()
    yield piece.element.get("extension") or root
    yield f"urn:oid:{root}"


def _date(piece: Piece) -> Iterator[str]:
    moment = ts_to_date_time(piece.value)
    if moment:
        yield moment
        yield moment[:10]
        yield ts_to_instant(piece.value) or moment
        yield moment[11:19]


def _telecom(piece: Piece) -> Iterator[str]:
    yield piece.value
    yield piece.value.partition(":")[2].strip()


def _null(piece: Piece) -> Iterator[str]:
    yield absent_reason(piece.value)


def _use(piece: Piece) -> Iterator[str]:
    for token in piece.value.split():
        if found := translate("telecom_uses", token):
            yield found
        yield {"L": "usual", "C": "usual", "A": "nickname", "P": "nickname", "I": "usual"}.get(token, token)


def _file(piece: Piece) -> Iterator[str]:
    yield "".join((piece.element.text or "").split())


_WRITERS = {
    "code": _code,
    "identifier": _identifier,
    "date": _date,
    "telecom": _telecom,
    "null": _null,
    "use": _use,
    "file": _file,
}
