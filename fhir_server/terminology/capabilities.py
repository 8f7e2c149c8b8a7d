"""What is really held: the content of TerminologyCapabilities.

Spec: terminologycapabilities.html
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from fhir_server.foundation.canonical_index import version_order
from fhir_server.terminology import definitions
from fhir_server.terminology.tables.folder import Tables

ABSENT: Final = "not-present"
SUPPLEMENT: Final = "supplement"
SUBSUMING: Final = frozenset({"is-a", "classified-with"})
FILTERS: Final = {"concept": ("is-a", "is-not-a", "descendent-of", "generalizes", "=", "in", "not-in", "regex")}
"""The filters of large code systems, which have no resource that tells them."""
TEXT: Final = "Every word is somewhere in the code, the display or a designation; case and accents do not count."

Element = dict[str, Any]
Resource = Mapping[str, Any]


def describe(
    stored: Iterable[Resource], tables: Tables | None, grammars: Iterable[str], parameters: Iterable[str]
) -> Element:
    """Return the elements of the resource that tell of terminology: systems, expansion, validation, translation.

    A system of which no concept is here, be it known by name, is not listed. `parameters` are those of $expand.
    """
    found: dict[str, dict[str, Resource]] = {}
    for resource in (*definitions.code_systems(), *stored):
        if resource.get("content") not in (ABSENT, SUPPLEMENT) and resource.get("url"):
            found.setdefault(str(resource["url"]), {})[str(resource.get("version", ""))] = resource
    large: dict[str, dict[str, Resource]] = {}
    for system in tables.systems() if tables is not None else ():
        large.setdefault(system["url"], {})[system.get("version", "")] = system
    systems: list[Element] = [
        *(_system(url, versions, {}) for url, versions in found.items() if url not in large),
        *(_system(url, versions, FILTERS) for url, versions in large.items()),
        *({"uri": uri, "version": [{"compositional": True}]} for uri in grammars if uri not in found),
    ]
    return {
        "codeSystem": sorted(systems, key=lambda system: str(system["uri"])),
        "expansion": {
            "hierarchical": True,
            "paging": True,
            "incomplete": False,
            "parameter": [{"name": name} for name in sorted(parameters)],
            "textFilter": TEXT,
        },
        "codeSearch": "all",
        "validateCode": {"translations": True},
        "translation": {"needsMap": True},
    }


def _system(url: str, versions: Mapping[str, Resource], filters: Mapping[str, tuple[str, ...]]) -> Element:
    told = [_version(version, versions[version], filters) for version in sorted(versions, key=version_order)]
    if len(told) > 1:
        told[-1]["isDefault"] = True
    kinds = (str(resource.get("hierarchyMeaning", "")) in SUBSUMING for resource in versions.values())
    listed = [version for version in told if version]
    return {"uri": url, **({"version": listed} if listed else {}), "subsumption": any(kinds)}


def _version(version: str, resource: Resource, filters: Mapping[str, tuple[str, ...]]) -> Element:
    element: Element = {"code": version} if version else {}
    if resource.get("language"):
        element["language"] = [resource["language"]]
    if filters:
        element["filter"] = [{"code": code, "op": list(operators)} for code, operators in filters.items()]
    return element
