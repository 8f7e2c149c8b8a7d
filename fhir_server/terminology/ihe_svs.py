"""Value sets in the XML of IHE Sharing Value Sets, as the French agency publishes its JDV, to ValueSet resources;
its reference tables (TRE), in the same form, to CodeSystem resources.

Spec: https://profiles.ihe.net/ITI/TF/Volume1/ch-21.html (SVS), valueset.html

Choice: a concept that has ended stays a member, as documents of its time carry it. A value set whose file names its
page of https://mos.esante.gouv.fr/NOS has the canonical that French profiles bind to, any other its OID.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec
from lxml import etree

from fhir_server.foundation.operation_outcome import TooLarge, Unprocessable
from fhir_server.terminology.systems import known_systems

TABLE: Final = "TRE"
"""The kind of file that lists all codes of one system: a reference table (terminologie de référence)."""
MAX_BYTES: Final = 64_000_000
_SVS: Final = "{urn:ihe:iti:svs:2008}"
_VALUE_SETS: Final = (f"{_SVS}ValueSet", f"{_SVS}DescribedValueSet")
_LANG: Final = "{http://www.w3.org/XML/1998/namespace}lang"
_OID: Final = re.compile(r"[0-2](\.(0|[1-9]\d*))+")
_DATE_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(Z|[+-]\d\d:\d\d)|\d{4}-\d\d-\d\d")
_NOT_OF_ID: Final = re.compile(r"[^A-Za-z0-9.-]+")
Node = etree._Element


class UnreadableValueSet(Unprocessable):
    """The file is no value set of IHE SVS."""


class Imported(msgspec.Struct, frozen=True):
    """Hold a ValueSet or CodeSystem resource, and a sentence on each concept that had to be left out."""

    resource: dict[str, Any]
    issues: tuple[str, ...] = ()


def import_value_sets(content: bytes, systems: Mapping[str, str] | None = None) -> list[Imported]:
    """Return the value sets of one file; `systems` adds OID -> URL to those that are known.

    Other systems keep their OID, as `urn:oid:`. Raises UnreadableValueSet (422) or TooLarge (413).
    """
    known = {**known_systems(), **(systems or {})}
    found = list(_root(content).iter(*_VALUE_SETS))
    if not found:
        raise UnreadableValueSet("The file holds no ValueSet of urn:ihe:iti:svs:2008.")
    return [_imported(node, known) for node in found]


def _root(content: bytes) -> Node:
    if len(content) > MAX_BYTES:
        raise TooLarge(f"The file has more than {MAX_BYTES} bytes: split it.")
    if not content.strip():
        raise UnreadableValueSet("The file is empty.")
    if b"<!DOCTYPE" in content or b"\x00" in content:
        raise UnreadableValueSet("The file declares a document type, or is not UTF-8: remove the declaration.")
    # The encoding is given, so no declaration can hide a document type from the check above.
    parser = etree.XMLParser(
        encoding="utf-8", resolve_entities=False, no_network=True, load_dtd=False, remove_comments=True, remove_pis=True
    )
    try:
        return etree.fromstring(content, parser)
    except etree.XMLSyntaxError as error:
        raise UnreadableValueSet(f"The file is no XML: {error.msg or 'syntax error'}.") from None


def _imported(node: Node, systems: Mapping[str, str]) -> Imported:
    oid = (node.get("id") or "").strip()
    if not _OID.fullmatch(oid):
        raise UnreadableValueSet(f"Line {node.sourceline}: the value set has the id {oid!r}, which is no OID.")
    name = (node.get("displayName") or oid).strip().removesuffix(".tabs")
    issues: list[str] = []
    resource: dict[str, Any] = {
        "resourceType": "ValueSet",
        "id": _NOT_OF_ID.sub("-", name.replace("_", "-"))[:64],
        "language": "fr-FR",
        "url": _canonical(node) or f"urn:oid:{oid}",
        "identifier": [{"system": "urn:ietf:rfc:3986", "value": f"urn:oid:{oid}"}],
        **_described(node),
        "name": name,
        "title": name,
        "status": "retired" if node.get("dateFin") else "active",
    }
    listed = _listed(node, issues)
    if TABLE in (node.get("typeFichier"), name[: len(TABLE)]) and len(listed) == 1:
        return Imported(_code_system(resource, *listed.popitem()), tuple(issues))
    if listed:
        included = [{"system": systems.get(oid, f"urn:oid:{oid}"), "concept": found} for oid, found in listed.items()]
        resource["compose"] = {"include": included}
    return Imported(resource, tuple(issues))


def _code_system(resource: dict[str, Any], oid: str, concepts: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the code system that a reference table (TRE) is, under the OID of its codes."""
    return {
        **resource,
        "resourceType": "CodeSystem",
        "identifier": [{"system": "urn:ietf:rfc:3986", "value": f"urn:oid:{oid}"}],
        "caseSensitive": True,
        "valueSet": f"{resource['url']}?vs",
        "content": "complete",
        "count": len(concepts),
        "concept": concepts,
    }


def _canonical(node: Node) -> str:
    page = (node.get("urlFichier") or "").rstrip("/")
    return f"{page}/FHIR/{page.rpartition('/')[2].replace('_', '-')}" if page.startswith("https://") else ""


def _described(node: Node) -> dict[str, str]:
    date = node.get("revisionDate") or node.get("effectiveDate") or ""
    found = {
        "version": node.get("version") or node.get("dateMaj") or "",
        "date": date if _DATE_TIME.fullmatch(date) else "",
        "description": node.get("description") or "",
    }
    return {name: value for name, value in found.items() if value}


def _listed(node: Node, issues: list[str]) -> dict[str, list[dict[str, Any]]]:
    """Return OID -> concepts, in the order of the file, each code once."""
    parts: dict[str, dict[str, dict[str, Any]]] = {}
    for language, found in _concepts(node):
        code, oid = (found.get("code") or "").strip(), (found.get("codeSystem") or "").strip()
        display = (found.get("displayName") or "").strip()
        if not code or not _OID.fullmatch(oid):
            issues.append(
                f"Line {found.sourceline}: {display!r} has the code {code!r} of the system {oid!r}: left out."
            )
            continue
        listed = parts.setdefault(oid, {})
        before = listed.get(code)
        if before is None:
            listed[code] = {"code": code} | ({"display": display} if display else {})
        elif language and display:
            before.setdefault("designation", []).append({"language": language, "value": display})
    return {oid: list(listed.values()) for oid, listed in parts.items()}


def _concepts(node: Node) -> Iterator[tuple[str, Node]]:
    """Yield each concept; with a language, when its list is in another one than the first."""
    lists = list(node.iter(f"{_SVS}ConceptList"))
    for concepts in lists:
        language = concepts.get(_LANG) or ""
        other = language if language != (lists[0].get(_LANG) or "") else ""
        for found in concepts.iter(f"{_SVS}Concept"):
            yield other, found
