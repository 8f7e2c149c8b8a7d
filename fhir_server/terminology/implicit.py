"""Implicit value sets: those that a URL defines by itself.

Spec: valueset.html#implicit, snomedct.html#implicit, loinc.html#implicit
"""

import re
from typing import Any, Final
from urllib.parse import unquote

SNOMED_CT: Final = "http://snomed.info/sct"
LOINC: Final = "http://loinc.org"
FRENCH: Final = "https://mos.esante.gouv.fr/NOS/"
_SNOMED_EDITION: Final = re.compile(r"http://snomed\.info/sct(/\d+(/version/\d+)?)?")


def implicit_value_set(url: str) -> dict[str, Any] | None:
    """Return the value set that a URL defines, None when it defines none or one that only its system can tell.

    Choice: reference sets (`fhir_vs=refset...`) are not evaluated. `?vs` behind a reference table of
    https://mos.esante.gouv.fr means all of its codes, as French guides use it.
    """
    if url.startswith(f"{LOINC}/vs"):
        return _of_loinc(url)
    if url.startswith(FRENCH) and url.endswith("?vs"):
        return _value_set(url, {"system": url.removesuffix("?vs")})
    system, mark, question = url.partition("?fhir_vs")
    if not mark or not system:
        return None
    include: dict[str, Any] = {"system": system}
    if _SNOMED_EDITION.fullmatch(system):
        include = {"system": SNOMED_CT} | ({"version": system} if system != SNOMED_CT else {})
    kind, _, value = unquote(question).partition("/")
    if kind in _FILTERS:
        name, operator = _FILTERS[kind]
        include["filter"] = [{"property": name, "op": operator, "value": value}]
    elif question:
        return None
    return _value_set(url, include)


_FILTERS: Final = {"=isa": ("concept", "is-a"), "=ecl": ("constraint", "=")}


def _of_loinc(url: str) -> dict[str, Any] | None:
    """Return all of LOINC, the answers of a list (LL), or what is below a part (LP)."""
    code = url.removeprefix(f"{LOINC}/vs").removeprefix("/")
    if not code:
        return _value_set(url, {"system": LOINC})
    if code.startswith("LL"):
        return _value_set(url, {"system": LOINC, "filter": [{"property": "answers-for", "op": "=", "value": code}]})
    if code.startswith("LP"):
        return _value_set(url, {"system": LOINC, "filter": [{"property": "concept", "op": "is-a", "value": code}]})
    return None


def _value_set(url: str, include: dict[str, Any]) -> dict[str, Any]:
    return {"resourceType": "ValueSet", "url": url, "status": "active", "compose": {"include": [include]}}
