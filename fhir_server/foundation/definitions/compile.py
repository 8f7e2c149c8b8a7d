"""Compile the official FHIR package into the tables of this folder.

Run: `python -m fhir_server.foundation.definitions.compile hl7.fhir.r4.core-4.0.1.tgz`

Spec: structuredefinition.html, searchparameter.html, compartmentdefinition.html, elementdefinition.html
"""

import hashlib
import sys
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from fhir_server.foundation.definitions import (
    CODE_SETS,
    COMPARTMENTS,
    INVARIANTS,
    SEARCH_PARAMETERS,
    SOURCE,
    STRUCTURES,
)
from fhir_server.foundation.definitions.code_sets import CodeSets

Resource = dict[str, Any]

FHIR: Final = "http://hl7.org/fhir/"
SYSTEM_TYPE: Final = "http://hl7.org/fhirpath/"
FHIR_TYPE_EXTENSION: Final = FHIR + "StructureDefinition/structuredefinition-fhir-type"
KINDS: Final = ("resource", "complex-type")


def read_package(path: Path) -> Iterator[Resource]:
    """Yield the conformance resources of a FHIR package."""
    with tarfile.open(path, "r|gz") as archive:
        for member in archive:
            content = archive.extractfile(member)
            if member.name.startswith("package/") and member.name.endswith(".json") and content:
                resource = msgspec.json.decode(content.read())
                if "resourceType" in resource:
                    yield resource


def structures(definitions: Iterable[Resource], code_sets: CodeSets) -> dict[str, list[Any]]:
    """Return class name -> [kind, base, rows]: a class is a type, or an element with elements of its own."""
    classes: dict[str, list[Any]] = {}
    for definition in sorted(definitions, key=lambda definition: str(definition["type"])):
        root, elements = definition["type"], definition["snapshot"]["element"]
        base = definition.get("baseDefinition", "").rpartition("/")[2]
        classes[root] = [definition["kind"], base, []]
        parents = {element["path"].rpartition(".")[0] for element in elements}
        for element in elements[1:]:
            parent = element["path"].rpartition(".")[0]
            if element["max"] != "0":
                classes[parent][2].append(element_row(element, parents, code_sets))
            if element["path"] in parents:
                classes[element["path"]] = ["element", element["type"][0]["code"], []]
    return classes


def element_row(element: Resource, parents: set[str], code_sets: CodeSets) -> list[Any]:
    """Return [name, min, is_list, flags, types, code set]; flags: S in the summary, M modifier."""
    flags = ("S" if element.get("isSummary") else "") + ("M" if element.get("isModifier") else "")
    binding = element.get("binding", {})
    code_set = code_sets.name(binding.get("valueSet", "")) if binding.get("strength") == "required" else ""
    name = element["path"].rpartition(".")[2]
    return [name, element["min"], int(element["max"] != "1"), flags, list(element_types(element, parents)), code_set]


def element_types(element: Resource, parents: set[str]) -> Iterator[list[str]]:
    """Yield [type, class, target type ...] for each type that the element may have."""
    if "contentReference" in element:
        yield ["BackboneElement", element["contentReference"].removeprefix("#")]
        return
    for kind in element["type"]:
        code = type_code(element, kind)
        name = element["path"] if element["path"] in parents else code
        targets = (profile.rpartition("/")[2] for profile in kind.get("targetProfile", ()))
        yield [code, name, *targets]


def type_code(element: Resource, kind: Resource) -> str:
    """Return the FHIR type, also where the definition names the FHIRPath one."""
    code: str = kind["code"]
    if not code.startswith(SYSTEM_TYPE):
        return code
    if element["base"]["path"] == "Resource.id":
        return "id"  # The definition says string; resource.html#id says id.
    for extension in kind.get("extension", ()):
        if extension["url"] == FHIR_TYPE_EXTENSION:
            return str(extension["valueUrl"])
    return code.rpartition(".")[2].lower()


def search_parameters(definitions: Iterable[Resource]) -> dict[str, dict[str, Any]]:
    """Return id -> parameter, without examples and without those that say neither base nor expression."""
    return {
        definition["id"]: search_parameter(definition)
        for definition in sorted(definitions, key=lambda definition: str(definition["id"]))
        if not definition["id"].startswith("example") and is_usable(definition)
    }


def is_usable(definition: Resource) -> bool:
    """Tell whether a server can know what a search parameter means."""
    base = definition.get("base", [])
    return bool(base) and ("expression" in definition or base[0] in ("Resource", "DomainResource"))


def search_parameter(definition: Resource) -> dict[str, Any]:
    """Return the facts of one parameter; what is absent keeps the default of `SearchParameter`."""
    facts: dict[str, Any] = {
        key: definition[key] for key in ("code", "base", "type", "expression") if key in definition
    }
    facts["url"] = definition["url"]
    if "target" in definition:
        facts["targets"] = definition["target"]
    if definition.get("multipleOr") is False:
        facts["is_or_allowed"] = False
    if "component" in definition:
        facts["components"] = [[part["definition"], part["expression"]] for part in definition["component"]]
    return facts


def compartments(definitions: Iterable[Resource]) -> dict[str, dict[str, list[str]]]:
    """Return compartment type -> resource type -> inclusion parameters."""
    return {
        definition["code"]: {entry["code"]: entry["param"] for entry in definition["resource"] if entry.get("param")}
        for definition in sorted(definitions, key=lambda definition: str(definition["code"]))
        if definition["url"].startswith(FHIR) and definition["id"] != "example"
    }


def invariants(definitions: Iterable[Resource]) -> dict[str, list[list[str]]]:
    """Return element path -> [key, severity, expression, sentence], each where it is declared first."""
    paths: dict[str, list[list[str]]] = {}
    for definition in sorted(definitions, key=lambda definition: str(definition["type"])):
        for element in definition["snapshot"]["element"]:
            for rule in element.get("constraint", ()):
                if rule.get("source", definition["url"]) == definition["url"] and "expression" in rule:
                    row = [rule["key"], rule["severity"], rule["expression"], rule["human"]]
                    paths.setdefault(element["path"], []).append(row)
    return paths


def tables(path: Path) -> dict[str, dict[str, Any]]:
    """Return file name -> table of everything that a package says."""
    kinds: dict[str, list[Resource]] = {}
    for resource in read_package(path):
        kinds.setdefault(resource["resourceType"], []).append(resource)
    types = [
        definition
        for definition in kinds["StructureDefinition"]
        if definition["kind"] in KINDS and definition.get("derivation") != "constraint"
    ]
    code_sets = CodeSets(kinds["CodeSystem"], kinds["ValueSet"])
    package, _, version = path.stem.rpartition("-")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return {
        STRUCTURES: structures(types, code_sets),
        CODE_SETS: code_sets.named(),
        SEARCH_PARAMETERS: search_parameters(kinds["SearchParameter"]),
        COMPARTMENTS: compartments(kinds["CompartmentDefinition"]),
        INVARIANTS: invariants(types),
        SOURCE: {"package": package, "version": version, "sha256": digest, "license": "CC0-1.0"},
    }


def text(rows: dict[str, Any]) -> bytes:
    """Return a table as JSON with one row a line, so that a change of source can be reviewed."""
    encode = msgspec.json.encode
    lines = (encode(key) + b":" + encode(row) for key, row in rows.items())
    return b"{\n" + b",\n".join(lines) + b"\n}\n"


def main(path: Path) -> None:
    """Write every table, and beside them where they come from."""
    for name, rows in tables(path).items():
        Path(__file__).with_name(name).write_bytes(text(rows))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
