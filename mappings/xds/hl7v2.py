"""HL7 v2.5 text in XDS metadata: CX, XCN, XON, CXi, PID and DTM to FHIR datatypes and back.

Source: IHE ITI TF-3, table 4.2.3.1.7-2 (data types); PDSm4DMP 0.1.0 (how the DMP writes them).
"""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import cache

from mappings.cda.dates import CIVIL_TIME
from mappings.cda.vocabulary import concept_map, system_uri, urn
from mappings.fhir import Json, compact

_ESCAPES = {"F": "|", "S": "^", "T": "&", "R": "~", "E": "\\"}
_ESCAPED = re.compile(r"\\([FSTRE])\\")
_DTM = re.compile(r"(\d{4})(\d\d)?(\d\d)?(\d\d)?(\d\d)?(\d\d)?(?:\.\d+)?")
_MOMENT = re.compile(r"(\d{4})(?:-(\d\d)(?:-(\d\d)(T.+)?)?)?")
_OID = re.compile(r"urn:oid:([0-2](?:\.\d+)+)")
_GENDERS: Mapping[str, str] = {"M": "male", "F": "female", "O": "other", "U": "unknown", "A": "other"}
_LETTERS: Mapping[str, str] = {"male": "M", "female": "F", "other": "O"}


def components(text: str) -> list[str]:
    """Split a value into its components, still escaped."""
    return text.split("^")


def part(parts: list[str], number: int) -> str:
    """Give a component by its number in HL7 (from 1), unescaped; "" when it is absent."""
    return unescape(parts[number - 1]) if len(parts) >= number else ""


def unescape(text: str) -> str:
    """Read the escapes of HL7 v2."""
    return _ESCAPED.sub(lambda match: _ESCAPES[match[1]], text).strip()


def escape(text: str) -> str:
    """Write what would be a delimiter as HL7 v2 escapes it."""
    written = text.replace("\\", "\\E\\")
    for letter, character in _ESCAPES.items():
        if letter != "E":
            written = written.replace(character, f"\\{letter}\\")
    return written


def authority(text: str) -> str | None:
    """Give the URI of an HD (namespace & universal id & ISO), or of a bare OID; None when it names none."""
    parts = text.split("&")
    return system_uri(parts[1] if len(parts) > 1 else parts[0])


def format_authority(system: str | None) -> str:
    """Write the URI of an assigner as an HD; "" when it has no OID."""
    found = oid_of(system or "")
    return f"&{found}&ISO" if found else ""


def oid_of(system: str) -> str:
    """Give the OID of `urn:oid:`, or of a URI that the table of code systems knows; "" when there is none."""
    named = _OID.fullmatch(system)
    return named[1] if named else _oids().get(system, "")


@cache
def _oids() -> Mapping[str, str]:
    found: dict[str, str] = {}
    for oid, uri in concept_map("code_systems").items():
        found.setdefault(uri, oid)
    return found


def cx_to_identifier(text: str) -> Json:
    """Convert a CX (number^^^assigner^type) to an Identifier; empty without a number."""
    parts = components(text)
    value = part(parts, 1)
    return compact({"system": authority(part_raw(parts, 4)), "value": value}) if value else {}


def part_raw(parts: list[str], number: int) -> str:
    """Give a component with its sub-components still apart."""
    return parts[number - 1] if len(parts) >= number else ""


def identifier_to_cx(identifier: Json, kind: str = "") -> str:
    """Write an Identifier as a CX; `kind` is the identifier type of HL7 table 0203."""
    text = f"{escape(identifier.get('value', ''))}^^^{format_authority(identifier.get('system'))}"
    return f"{text}^{kind}" if kind else text


def unique_id(identifier: Json) -> str:
    """Write the uniqueId of a document (an OID, or root^extension) from its Identifier."""
    system, value = identifier.get("system", ""), str(identifier.get("value", ""))
    if system == "urn:ietf:rfc:3986":
        return value.removeprefix("urn:oid:").removeprefix("urn:uuid:") if value.startswith("urn:oid:") else value
    return f"{oid_of(system)}^{value}"


def unique_identifier(text: str) -> Json:
    """Read a uniqueId: an OID or UUID alone is a URI, `root^extension` a number of that root."""
    root, _, extension = text.strip().partition("^")
    if extension:
        return compact({"system": urn(root), "value": extension})
    return {"system": "urn:ietf:rfc:3986", "value": urn(root) or text.strip()}


def dtm_to_instant(text: str) -> str | None:
    """Convert a DTM (UTC, by TF-3) to a dateTime of the same precision; None when it is none.

    An hour without minutes becomes its day.
    """
    parts = _DTM.fullmatch(text.strip())
    if parts is None:
        return None
    year, month, day, hour, minute, second = parts.groups()
    date = "-".join(filter(None, (year, month, day)))
    numbers = [int(piece or low) for piece, low in zip(parts.groups(), (1, 1, 1, 0, 0, 0), strict=True)]
    try:
        datetime(numbers[0], numbers[1], numbers[2], numbers[3], numbers[4], numbers[5], tzinfo=UTC)
    except ValueError:
        return None
    return date if minute is None else f"{date}T{hour}:{minute}:{second or '00'}Z"


def moment_to_dtm(text: str) -> str:
    """Write a date, dateTime or instant as a DTM in UTC, at its own precision; "" for what is none."""
    parts = _MOMENT.fullmatch(text)
    if parts is None:
        return ""
    if parts[4] is None:
        return "".join(filter(None, parts.groups()[:3]))
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return ""
    aware = moment if moment.tzinfo else moment.replace(tzinfo=CIVIL_TIME)
    return aware.astimezone(UTC).strftime("%Y%m%d%H%M%S")


def pid_to_patient(lines: Iterable[str]) -> Json:
    """Read sourcePatientInfo (PID-3, PID-5, PID-7, PID-8 ...) as the members of a Patient."""
    patient: Json = {"resourceType": "Patient"}
    for line in lines:
        field_name, _, text = line.partition("|")
        if field_name == "PID-3":
            found = [cx_to_identifier(one) for one in text.split("~")]
            patient.setdefault("identifier", []).extend(one for one in found if one)
        elif field_name == "PID-5":
            patient.setdefault("name", []).extend(name for one in text.split("~") if (name := _name(one)))
        elif field_name == "PID-7":
            patient["birthDate"] = (dtm_to_instant(text[:8]) or "")[:10]
        elif field_name == "PID-8":
            patient["gender"] = _GENDERS.get(text.strip(), "unknown")
    return compact(patient)


def _name(text: str) -> Json:
    parts = components(text)
    given = [one for one in (part(parts, 2), *part(parts, 3).split()) if one]
    use = {"L": "official", "D": "usual", "U": "usual", "S": "nickname"}.get(part(parts, 7))
    prefix = part(parts, 5)
    return compact({"use": use, "family": part(parts, 1), "given": given, "prefix": [prefix] if prefix else None})


def patient_to_pid(patient: Json) -> list[str]:
    """Write the traits of a Patient as sourcePatientInfo."""
    lines = []
    numbers = [identifier_to_cx(one) for one in patient.get("identifier", ()) if "value" in one]
    if numbers:
        lines.append(f"PID-3|{'~'.join(numbers)}")
    names = [_format_name(one) for one in patient.get("name", ()) if "family" in one]
    if names:
        lines.append(f"PID-5|{'~'.join(names)}")
    if patient.get("birthDate"):
        lines.append(f"PID-7|{moment_to_dtm(patient['birthDate'])}")
    if patient.get("gender"):
        lines.append(f"PID-8|{_LETTERS.get(patient['gender'], 'U')}")
    return lines


def _format_name(name: Json) -> str:
    given = [escape(one) for one in name.get("given", ())]
    kind = {"official": "L", "usual": "D"}.get(name.get("use", ""), "")
    text = f"{escape(name['family'])}^{given[0] if given else ''}^{' '.join(given[1:])}"
    return f"{text}^^^^{kind}" if kind else text
