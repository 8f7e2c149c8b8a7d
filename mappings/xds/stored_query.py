"""A registry stored query as searches, and the values that its parameters are written in.

Source: IHE ITI-18, 3.18.4.1.2 (stored queries, coding of values).
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from mappings.cda.vocabulary import system_uri
from mappings.xds import hl7v2
from mappings.xds.ebrim import Element, MetadataRefused
from mappings.xds.vocabulary import APPROVED, ARCHIVED, DELETED, DEPRECATED, RIM, STABLE

FIND_DOCUMENTS: Final = "urn:uuid:14d4debf-8f97-4251-9a74-a90016b0af0d"
FIND_DOCUMENTS_BY_REFERENCE_ID: Final = "urn:uuid:12941a89-e02e-4be5-967c-ce4bfc8fe492"
FIND_SUBMISSION_SETS: Final = "urn:uuid:f26abbcb-ac74-4422-8a30-edb644bbc1a9"
FIND_FOLDERS: Final = "urn:uuid:958f3006-baad-4929-a4de-ff1114824431"
GET_ALL: Final = "urn:uuid:10b545ea-725c-446d-9b95-8aeb444eddf3"
GET_DOCUMENTS: Final = "urn:uuid:5c4f972b-d56b-40ac-a5fc-c8ca9b40b9d4"
GET_FOLDERS: Final = "urn:uuid:5737b14c-8a1a-4539-b659-e03a34a5e1e4"
GET_ASSOCIATIONS: Final = "urn:uuid:a7ae438b-4bc2-4642-93e9-be891f7bb155"
GET_DOCUMENTS_AND_ASSOCIATIONS: Final = "urn:uuid:bab9529a-4a10-40b3-a01f-f68a615d247a"
GET_SUBMISSION_SETS: Final = "urn:uuid:51224314-5390-4169-9b91-b1980040715a"
GET_SUBMISSION_SET_AND_CONTENTS: Final = "urn:uuid:e8e3cb2c-e39c-46b9-99e4-c12f57260b83"
GET_FOLDER_AND_CONTENTS: Final = "urn:uuid:b909a503-523d-4517-8acf-8e5834dfc4c7"
GET_FOLDERS_FOR_DOCUMENT: Final = "urn:uuid:10cae35a-c7f9-4cf5-b61e-fc3278ffb578"
GET_RELATED_DOCUMENTS: Final = "urn:uuid:d90e5407-b356-4d91-a89f-873917b4b0e6"

_LITERAL: Final = re.compile(r"'((?:[^']|'')*)'|(-?\d+(?:\.\d+)?)")
Criteria = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class StoredQuery:
    """One stored query: its id, each use of a slot with its values, and whether objects or references are wanted."""

    query_id: str
    slots: tuple[tuple[str, tuple[str, ...]], ...]
    is_leaf: bool

    def uses(self, name: str) -> list[tuple[str, ...]]:
        """Give the values of each use of a parameter: uses are joined by AND, the values of one by OR."""
        return [values for slot, values in self.slots if slot == name]

    def values(self, name: str) -> tuple[str, ...]:
        """Give the values of all uses of a parameter."""
        return tuple(value for values in self.uses(name) for value in values)

    def required(self, name: str) -> str:
        """Give the one value of a parameter; raise MetadataRefused when it is not there."""
        values = self.values(name)
        if len(values) != 1:
            text = f"{name} must be given, with one value."
            raise MetadataRefused(
                text, name, "XDSStoredQueryMissingParam" if not values else "XDSStoredQueryParamNumber"
            )
        return values[0]


def parse_query(request: Element) -> StoredQuery:
    """Read an AdhocQueryRequest; raise MetadataRefused for values that are not written as ITI-18 says."""
    query = request.find(f"{RIM}AdhocQuery")
    if query is None:
        raise MetadataRefused("The request holds no AdhocQuery.", code="XDSRegistryError")
    slots = []
    for slot in query.iterchildren(f"{RIM}Slot"):
        name = slot.get("name", "")
        literals = [(value.text or "").strip() for value in slot.iter(f"{RIM}Value")]
        slots.append((name, tuple(one for literal in literals for one in _values(literal, name))))
    option = next((one for one in request if one.tag.endswith("}ResponseOption")), None)
    wanted = option.get("returnType", "LeafClass") if option is not None else "LeafClass"
    if wanted not in ("LeafClass", "ObjectRef"):
        raise MetadataRefused(f"returnType is '{wanted[:40]}': LeafClass or ObjectRef.", code="XDSRegistryError")
    return StoredQuery(query.get("id", ""), tuple(slots), wanted == "LeafClass")


def _values(literal: str, name: str) -> list[str]:
    """Read `'text'`, a number, or several of these in parentheses; a quote in a text is written twice."""
    inside = literal[1:-1] if literal.startswith("(") and literal.endswith(")") else literal
    found, position = [], 0
    while position < len(inside):
        match = _LITERAL.match(inside, position)
        if match is None:
            text = f"{name} has the value {literal[:60]}: write 'text', a number, or ('a','b')."
            raise MetadataRefused(text, name, "XDSRegistryError")
        found.append(match[1].replace("''", "'") if match[1] is not None else match[2])
        position = match.end()
        rest = inside[position:].lstrip()
        position = len(inside) - len(rest.removeprefix(",").lstrip())
    return found


_CODES: Final[Mapping[str, str]] = {
    "ClassCode": "category",
    "TypeCode": "type",
    "PracticeSettingCode": "setting",
    "HealthcareFacilityTypeCode": "facility",
    "EventCodeList": "event",
    "ConfidentialityCode": "security-label",
    "FormatCode": "format",
}
_TIMES: Final[Mapping[str, str]] = {
    "CreationTime": "date",
    "ServiceStartTime": "period-start",
    "ServiceStopTime": "period-end",
}
METADATA_LEVEL: Final = "$MetadataLevel"
DOCUMENT: Final = "$XDSDocumentEntry"
_PACKAGE_SLOTS: Final[Mapping[str, tuple[str, ...]]] = {
    "submissionset": (
        *("PatientId", "Status", "SourceId", "AuthorPerson", "ContentType"),
        *("SubmissionTimeFrom", "SubmissionTimeTo"),
    ),
    "folder": ("PatientId", "Status", "CodeList", "LastUpdateTimeFrom", "LastUpdateTimeTo"),
}
KNOWN_DOCUMENT_SLOTS: Final = frozenset(
    (
        *(f"{DOCUMENT}{name}" for name in ("PatientId", "Status", "AuthorPerson", "Type", "ReferenceIdList")),
        *(f"{DOCUMENT}{name}" for name in _CODES),
        *(f"{DOCUMENT}{name}{end}" for name in _TIMES for end in ("From", "To")),
    )
)


def document_searches(query: StoredQuery) -> list[Criteria]:
    """Give the DocumentReference searches (joined by OR) of FindDocuments, without the patient.

    Raises MetadataRefused for an unknown parameter, a missing status, or a value that cannot be read.
    """
    _refuse_unknown(query, KNOWN_DOCUMENT_SLOTS)
    types = query.values(f"{DOCUMENT}Type")
    if types and STABLE not in types:
        return []
    common = [*_coded(query, DOCUMENT, _CODES), *_timed(query)]
    for values in query.uses(f"{DOCUMENT}ReferenceIdList"):
        numbers = (hl7v2.cx_to_identifier(value) for value in values)
        tokens = (f"{one.get('system', '')}|{_token(one['value'])}" for one in numbers if one)
        common.append(("related:identifier", ",".join(tokens)))
    return [(*common, *status) for status in _statuses(query, f"{DOCUMENT}Status")]


def _refuse_unknown(query: StoredQuery, known: Collection[str]) -> None:
    """Refuse a parameter that would be left unread: the answer would hold more than was asked."""
    for name, _ in query.slots:
        if name not in known and name != METADATA_LEVEL:
            text = f"{name} is no parameter of this stored query."
            raise MetadataRefused(text, name, "XDSRegistryError")


def package_searches(query: StoredQuery, prefix: str, kind: str) -> list[Criteria]:
    """Give the List searches of FindSubmissionSets or FindFolders, without the patient and the author."""
    _refuse_unknown(query, [f"{prefix}{name}" for name in _PACKAGE_SLOTS[kind]])
    kinds = {"ContentType": "designationType", "CodeList": "designationType"}
    common: list[tuple[str, str]] = [("code", f"https://profiles.ihe.net/ITI/MHD/CodeSystem/MHDlistTypes|{kind}")]
    common += _coded(query, prefix, kinds)
    for name, sign in (("SubmissionTimeFrom", "ge"), ("SubmissionTimeTo", "lt")):
        common += _moments(query, f"{prefix}{name}", "date", sign)
    for name, sign in (("LastUpdateTimeFrom", "ge"), ("LastUpdateTimeTo", "lt")):
        common += _moments(query, f"{prefix}{name}", "date", sign)
    for values in query.uses(f"{prefix}SourceId"):
        common.append(("sourceId", ",".join(f"urn:ietf:rfc:3986|urn:oid:{_token(value)}" for value in values)))
    return [(*common, *status) for status in _statuses(query, f"{prefix}Status")]


def _coded(query: StoredQuery, prefix: str, codes: Mapping[str, str]) -> list[tuple[str, str]]:
    found = []
    for name, parameter in codes.items():
        for values in query.uses(f"{prefix}{name}"):
            found.append((parameter, ",".join(_code(value, f"{prefix}{name}") for value in values)))
    return found


def _code(value: str, name: str) -> str:
    code, _, scheme = value.partition("^^")
    if not code or not scheme:
        raise MetadataRefused(
            f"{name} is written as code^^codingScheme, not as {value[:60]}.", name, "XDSRegistryError"
        )
    return f"{system_uri(scheme) or _token(scheme)}|{_token(code)}"


def _timed(query: StoredQuery) -> list[tuple[str, str]]:
    found = []
    for name, parameter in _TIMES.items():
        found += _moments(query, f"{DOCUMENT}{name}From", parameter, "ge")
        found += _moments(query, f"{DOCUMENT}{name}To", parameter, "lt")
    return found


def _moments(query: StoredQuery, name: str, parameter: str, sign: str) -> list[tuple[str, str]]:
    found = []
    for value in query.values(name):
        moment = hl7v2.dtm_to_instant(value)
        if moment is None:
            raise MetadataRefused(f"{name} is '{value[:40]}': write YYYYMMDDHHMMSS in UTC.", name, "XDSRegistryError")
        found.append((parameter, sign + moment))
    return found


def _statuses(query: StoredQuery, name: str) -> list[Criteria]:
    values = set(query.values(name))
    if not values:
        raise MetadataRefused(f"{name} must be given.", name, "XDSStoredQueryMissingParam")
    found: list[Criteria] = []
    if {APPROVED, ARCHIVED} <= values:
        found.append((("status", "current"),))
    elif values & {APPROVED, ARCHIVED}:
        found.append((("status", "current"), ("isArchived" if ARCHIVED in values else "isArchived:not", "true")))
    for status, code in ((DEPRECATED, "superseded"), (DELETED, "entered-in-error")):
        if status in values:
            found.append((("status", code),))
    return found


def _token(text: str) -> str:
    """Write a text so that search takes it as it is. Spec: search.html#escaping."""
    return re.sub(r"([\\,|$])", r"\\\1", text)
