"""How the value of a CDA node is written in FHIR: the words to look for. Source: mappings/concept_maps, cda/*."""

import re
from collections.abc import Iterator

from mappings.cda.datatypes import boolean, ii_to_identifier
from mappings.cda.dates import ts_to_date_time, ts_to_instant
from mappings.cda.vocabulary import concept_map, system_uri, translate
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
_DAY = "YYYYMMDD"
_NAME_USES = {"BR": "official", "OR": "official", "A": "nickname", "P": "nickname"}
_NAME_USES |= dict.fromkeys(("CL", "SP", "L", "C", "I"), "usual")
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
    is_cut = moment is not None and "T" not in moment and len(re.split(r"[+-]", piece.value.strip())[0]) > len(_DAY)
    if moment and not is_cut:
        yield moment
        yield ts_to_instant(piece.value) or moment
        yield moment[11:19]


def _telecom(piece: Piece) -> Iterator[str]:
    yield piece.value
    yield piece.value.partition(":")[2].strip()


def _use(piece: Piece) -> Iterator[str]:
    for token in piece.value.split():
        if found := translate("telecom_uses", token):
            yield found
        yield {
            "BR": "official",
            "CL": "usual",
            "SP": "usual",
            "OR": "official",
            "L": "usual",
            "C": "usual",
            "A": "nickname",
            "P": "nickname",
            "I": "usual",
        }.get(token, token)


def _system(piece: Piece) -> Iterator[str]:
    yield system_uri(piece.value) or piece.value


def _bound(piece: Piece) -> Iterator[str]:
    """A bound that stands alone is a comparator."""
    sign = "<" if local_name(piece.element) == "high" else ">"
    yield sign if boolean(piece.value) is False else f"{sign}="


_WRITERS = {
    "bound": _bound,
    "code": _code,
    "identifier": _identifier,
    "date": _date,
    "telecom": _telecom,
    "use": _use,
    "system": _system,
}
