"""An oracle of our own making: the codes that R4's required bindings allow, read from the official definitions."""

import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Json = dict[str, Any]


class RequiredCodes:
    """Checks the code elements of a resource against hl7.fhir.r4.core."""

    def __init__(self, package: Path) -> None:
        found: dict[str, dict[str, Json]] = {"StructureDefinition": {}, "ValueSet": {}, "CodeSystem": {}}
        with tarfile.open(package) as archive:
            for member in archive:
                if member.name.startswith(tuple(f"package/{name}-" for name in found)):
                    file = archive.extractfile(member)
                    assert file is not None
                    resource = json.loads(file.read())
                    found[resource["resourceType"]][resource["url"]] = resource
        self._found = found
        self._elements: dict[str, dict[str, Json]] = {}
        for structure in found["StructureDefinition"].values():
            if structure.get("derivation") != "constraint" and "snapshot" in structure:
                elements = structure["snapshot"]["element"]
                self._elements[structure["type"]] = {element["path"]: element for element in elements}

    def problems(self, resource: Json) -> list[str]:
        """List the codes that no required binding allows, and the required elements that are missing."""
        return list(self._walk(resource, resource["resourceType"], resource["resourceType"]))

    def _walk(self, value: Json, path: str, type_name: str) -> Iterator[str]:
        elements = self._elements[type_name]
        direct = {p: e for p, e in elements.items() if p.startswith(f"{path}.") and "." not in p[len(path) + 1 :]}
        for element_path, element in direct.items():
            name = element_path[len(path) + 1 :]
            for key, kind in self._keys(name, element):
                items = value.get(key, [])
                for item in items if isinstance(items, list) else [items]:
                    yield from self._item(item, element_path, element, kind, type_name)
            if element.get("min", 0) > 0 and not any(
                key in value or f"_{key}" in value for key, _ in self._keys(name, element)
            ):
                yield f"{element_path} is missing"

    @staticmethod
    def _keys(name: str, element: Json) -> list[tuple[str, str]]:
        kinds = [kind["code"] for kind in element.get("type", [])]
        if name.endswith("[x]"):
            return [(name[:-3] + kind[0].upper() + kind[1:], kind) for kind in kinds]
        return [(name, kinds[0] if kinds else "")]

    def _item(self, item: Any, path: str, element: Json, kind: str, type_name: str) -> Iterator[str]:
        binding = element.get("binding", {})
        if kind == "code" and binding.get("strength") == "required":
            allowed = self._codes(binding["valueSet"].split("|")[0])
            if allowed and item not in allowed:
                yield f"{path}: {item}"
        if not isinstance(item, dict):
            return
        if kind in ("BackboneElement", "Element"):
            yield from self._walk(item, path, type_name)
        elif kind == "" and "contentReference" in element:
            yield from self._walk(item, element["contentReference"].removeprefix("#"), type_name)
        elif kind == "Resource":
            yield from self.problems(item)
        elif kind in self._elements and not set(item) <= {"extension"}:
            yield from self._walk(item, kind, kind)

    def _codes(self, url: str) -> set[str]:
        codes: set[str] = set()
        for include in self._found["ValueSet"].get(url, {}).get("compose", {}).get("include", []):
            if "concept" in include:
                codes |= {concept["code"] for concept in include["concept"]}
            elif "filter" not in include and include.get("system") in self._found["CodeSystem"]:
                codes |= set(self._all(self._found["CodeSystem"][include["system"]].get("concept", [])))
            else:
                return set()
        return codes

    def _all(self, concepts: list[Json]) -> Iterator[str]:
        for concept in concepts:
            yield concept["code"]
            yield from self._all(concept.get("concept", []))
