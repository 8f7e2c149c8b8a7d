"""Rules of data types beyond structure and invariants: codes in their systems, units, identifiers, canonicals, content.

Spec: datatypes.html, references.html
"""

import re
from base64 import b64encode
from binascii import Error as Base64Error
from binascii import a2b_base64
from collections.abc import Mapping
from hashlib import sha1
from typing import Any, Final

from fhir_server.foundation.references import parse_reference
from fhir_server.foundation.structure import Element
from fhir_server.validation.profiles.definitions.snapshot import CORE
from fhir_server.validation.profiles.place import Place
from fhir_server.validation.profiles.run import Run
from fhir_server.validation.profiles.values import Check

URI_IDENTIFIERS: Final = "urn:ietf:rfc:3986"
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:")
_UUID: Final = re.compile(r"urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_OID: Final = re.compile(r"urn:oid:[0-2](\.(0|[1-9][0-9]*))+")
_CONTENT_BYTES: Final = 32 * 1024 * 1024
"""Larger content is not hashed again."""


def is_absolute(uri: str) -> bool:
    """Tell whether a URI starts with a scheme."""
    return _SCHEME.match(uri) is not None


def check_coding(place: Place, run: Run) -> None:
    """Check that the system is one, and that it has the code."""
    system, code = place.value.get("system"), place.value.get("code")
    if not isinstance(system, str):
        return
    at = Place(system, place, "system", "system")
    if not is_absolute(system):
        run.add("system-relative", at, system)
        return
    if run.environment.profiles.is_value_set(system):
        run.add("system-value-set", at, system)
        return
    if run.environment.profiles.is_supplement(system):
        run.add("system-supplement", at, system)
        return
    if isinstance(code, str):
        _check_concept(place, system, code, run)


def _check_concept(place: Place, system: str, code: str, run: Run) -> None:
    concepts = run.environment.concepts
    if concepts is None or (system, code) in run.coded:
        return
    display = place.value.get("display", "")
    verdict = concepts(system, code, display if isinstance(display, str) else "")
    if verdict.result is not False:
        run.coded.add((system, code))
        return
    if display and concepts(system, code, "").result is not False:
        run.add("display", Place(display, place, "display", "display"), display, system, code)
    else:
        run.add("code-unknown", Place(code, place, "code", "code"), code, system)


def check_quantity(place: Place, run: Run) -> None:
    """Check that the coded unit is one of its system: UCUM, or another whose codes are known here."""
    system, code = place.value.get("system"), place.value.get("code")
    if not isinstance(system, str):
        return
    if not is_absolute(system):
        run.add("system-relative", Place(system, place, "system", "system"), system)
    elif isinstance(code, str):
        _check_concept(place._replace(value={"code": code}), system, code, run)


def check_identifier(place: Place, run: Run) -> None:
    """Check that the system is absolute, and that the value is a URI where the system says so."""
    system, value = place.value.get("system"), place.value.get("value")
    if isinstance(system, str) and not is_absolute(system):
        run.add("system-relative", Place(system, place, "system", "system"), system)
    if system == URI_IDENTIFIERS and isinstance(value, str) and not is_absolute(value):
        run.add("identifier-uri", Place(value, place, "value", "value"), value)


def check_reference(place: Place, run: Run) -> None:
    """Check that a literal reference can be one, and leads to the type that it says."""
    reference, kind = place.value.get("reference"), place.value.get("type")
    if not isinstance(reference, str):
        return
    if reference.split() != [reference]:
        run.add("reference-form", Place(reference, place, "reference", "reference"), reference)
    elif isinstance(kind, str):
        target = run.target(reference, place)[1]
        found = str(target.value.get("resourceType")) if target is not None else parse_reference(reference).target_type
        if found and kind.removeprefix(CORE) != found:
            run.add("reference-type", Place(kind, place, "type", "type"), kind, found)


def _check_said(place: Place, allowed: frozenset[str], run: Run) -> None:
    said = place.value.get("type")
    if isinstance(said, str) and said.removeprefix(CORE) not in allowed:
        run.add("reference-leads", Place(said, place, "type", "type"), said, ", ".join(sorted(allowed)))


def targets_check(element: Element) -> Check | None:
    """Return the check of what an element may lead to, where only the target itself tells; None when to anything."""
    allowed = element.targets
    if not allowed or element.type_code not in ("Reference", "canonical"):
        return None
    shown = ", ".join(sorted(allowed))

    def check_target(place: Place, run: Run) -> None:
        _check_said(place, allowed, run)
        reference = place.value.get("reference")
        # The structure has checked those whose text names the type.
        if isinstance(reference, str) and reference.startswith(("#", "urn:")) and reference != "#":
            target = run.target(reference, place)[1]
            if target is not None and target.value.get("resourceType") not in allowed:
                at = Place(reference, place, "reference", "reference")
                run.add("reference-leads", at, target.value.get("resourceType"), shown)

    def check_canonical_target(place: Place, run: Run) -> None:
        if isinstance(place.value, str) and not place.value.startswith("#"):
            found = run.environment.profiles.kind_of(place.value)
            if found and found not in allowed:
                run.add("canonical-type", place, place.value, found, shown)

    return check_target if element.type_code == "Reference" else check_canonical_target


def check_uri(place: Place, run: Run) -> None:
    """Check the form of a urn:uuid and a urn:oid."""
    value = place.value
    if not isinstance(value, str):
        return
    if value.startswith("urn:uuid:") and not _UUID.fullmatch(value.partition("#")[0].partition("|")[0]):
        run.add("uuid-form", place, value)
    elif value.startswith("urn:oid:") and not _OID.fullmatch(value.partition("#")[0].partition("|")[0]):
        run.add("oid-form", place, value)


def check_canonical(place: Place, run: Run) -> None:
    """Check that a canonical is absolute, or leads to what is contained."""
    value = place.value
    if isinstance(value, str) and not value.startswith("#") and not is_absolute(value):
        run.add("canonical-relative", place, value)
    else:
        check_uri(place, run)


def check_attachment(place: Place, run: Run) -> None:
    """Check size and hash against the content that is inside."""
    data = place.value.get("data")
    size, digest = place.value.get("size"), place.value.get("hash")
    if not isinstance(data, str) or (size is None and digest is None) or len(data) > _CONTENT_BYTES:
        return
    try:
        content = a2b_base64(data)
    except Base64Error:
        return  # The structure says so.
    if isinstance(size, int) and size != len(content):
        run.add("attachment-size", Place(size, place, "size", "size"), size, len(content))
    if isinstance(digest, str) and digest != b64encode(sha1(content, usedforsecurity=False).digest()).decode():
        run.add("attachment-hash", Place(digest, place, "hash", "hash"))


_QUANTITIES: Final = ("Quantity", "Age", "Count", "Distance", "Duration")
DATATYPE_RULES: Final[Mapping[str, Check]] = {
    "Attachment": check_attachment,
    "Coding": check_coding,
    "Identifier": check_identifier,
    "Reference": check_reference,
    "canonical": check_canonical,
    "uri": check_uri,
    "url": check_uri,
    **dict.fromkeys(_QUANTITIES, check_quantity),
}
"""Data type -> what is asked of its values."""


def duplicate_ids(resource: Mapping[str, Any]) -> set[str]:
    """Return the element ids that a resource has twice; contained resources count by themselves."""
    seen: set[str] = set()
    twice: set[str] = set()
    waiting = [value for key, value in resource.items() if key not in ("id", "contained")]
    while waiting:
        value = waiting.pop()
        if value.__class__ is list:
            waiting += value
        elif value.__class__ is dict and "resourceType" not in value:
            found = value.get("id")
            if isinstance(found, str):
                (twice if found in seen else seen).add(found)
            waiting += value.values()
    return twice
