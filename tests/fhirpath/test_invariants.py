"""R4's own invariants compile, and the official examples keep them but for defects of either."""

import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fhir_server import fhirpath
from fhir_server.fhirpath import Context, InvalidExpression, Node
from fhir_server.fhirpath.node import children
from fhir_server.foundation import fhir_json
from fhir_server.foundation.definitions import INVARIANTS, table
from fhir_server.foundation.structure import Invariant, invariants

EXAMPLES = Path(__file__).parents[2].parent / "shared/data/fhir-packages/hl7.fhir.r4.examples-4.0.1.tgz"
EVERY = 9
PATHS = frozenset(table(INVARIANTS))
ALL = [(path, invariant) for path in sorted(PATHS) for invariant in invariants(path)]
NOT_STRICT = {"cid-0": "ChargeItemDefinition has no element name: the invariant was copied from others"}
VIOLATIONS = {
    ("que-7", "Questionnaire-bb"): "the invariant means FHIR.boolean and says System.Boolean",
    ("sdf-4", "StructureDefinition-FiveWs"): "the example is neither abstract nor based on anything",
}
CONTEXT = Context(resolve=lambda reference: None, checks_html=lambda text: True)


@pytest.mark.parametrize(("path", "invariant"), ALL, ids=lambda one: getattr(one, "key", None))
def test_an_invariant_compiles_and_names_what_exists(path: str, invariant: Invariant) -> None:
    fhirpath.compile(invariant.expression, is_as_filter=True)
    if invariant.key in NOT_STRICT:
        with pytest.raises(InvalidExpression):
            fhirpath.compile(invariant.expression, root_type=path, is_strict=True)
    else:
        fhirpath.compile(invariant.expression, root_type=path, is_strict=True)


def walk(node: Node) -> Iterator[Node]:
    yield node
    for child in children(node):
        yield from walk(child)


def owners(node: Node) -> set[str]:
    """The paths whose invariants a node must keep: its types, and the element that it stands at."""
    names = {name.partition(".")[2] for name in node.type.ancestors} | {node.type.class_name}
    slot = node.parent.type.by_key.get(node.key) if node.parent is not None else None
    if slot is not None and node.parent is not None:
        names |= {f"{node.parent.type.class_name}.{slot.name}", f"{node.parent.type.class_name}.{slot.name}[x]"}
    return names & PATHS


def violations(resource: dict[str, Any]) -> Iterator[str]:
    for node in walk(fhirpath.root(resource)):
        for owner in owners(node):
            for invariant in invariants(owner):
                if invariant.severity == "error":
                    expression = fhirpath.compile(invariant.expression, is_as_filter=True)
                    if expression.is_true(node, CONTEXT) is False:
                        yield invariant.key


@pytest.mark.slow
@pytest.mark.spec("downloads.html")
@pytest.mark.skipif(not EXAMPLES.is_file(), reason="the official examples package is not beside the repository")
def test_official_examples_keep_the_invariants() -> None:
    found, number = set(), 0
    with tarfile.open(EXAMPLES, "r|gz") as archive:
        for member in archive:
            name = member.name.rpartition("/")[2].removesuffix(".json")
            content = archive.extractfile(member)
            if content is None or name in ("package", ".index"):
                continue
            number += 1
            if number % EVERY == 0 or any(name == other for _, other in VIOLATIONS):
                found |= {(key, name) for key in violations(fhir_json.parse(content.read()))}
    assert number > 5000
    assert found == VIOLATIONS.keys()
