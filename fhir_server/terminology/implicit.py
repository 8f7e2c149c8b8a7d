"""Implicit value sets: those that a URL defines by itself.

Spec: valueset.html#implicit, snomedct.html#implicit, loinc.html#implicit
"""

import re
from typing import Any, Final
from urllib.parse import unquote

SNOMED_CT: Final = "http://snomed.info/sct"
LOINC: Final = "http://loinc.org"
_SNOMED_EDITION: Final = re.compile(r"http://snomed\.info/sct(/\d+(/version/\d+)?)?")


def implicit_value_set(url: str) -> dict[str, Any] | None:
    """Return the value set that a URL defines, None when it defines none or one that only its system can tell.

    Choice: expressions (`fhir_vs=ecl/...`) and reference sets (`fhir_vs=refset...`) are not evaluated.
    """
    if url == f"{LOINC}/vs":
        return _value_set(url, {"system": LOINC})
    if url.startswith(f"{LOINC}/vs/"):
        return None
    system, mark, question = url.partition("?fhir_vs")
    if not mark or not system:
        return None
    include: dict[str, Any] = {"system": system}
    if _SNOMED_EDITION.fullmatch(system):
        include = {"system": SNOMED_CT} | ({"version": system} if system != SNOMED_CT else {})
    if question.startswith("=isa/"):
        code = unquote(question.removeprefix("=isa/"))
        include["filter"] = [{"property": "concept", "op": "is-a", "value": code}]
    elif question:
        return None
    return _value_set(url, include)


def _value_set(url: str, include: dict[str, Any]) -> dict[str, Any]:
    return {"resourceType": "ValueSet", "url": url, "status": "active", "compose": {"include": [include]}}
