"""The tree of an expression, as the FHIRPath Lab draws it.

Spec: https://github.com/brianpos/fhirpath-lab/blob/develop/server-api.md (AST definition)
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from fhir_server.fhirpath.parser import parse
from fhir_server.fhirpath.tree import (
    Binary,
    Call,
    Indexer,
    Literal,
    Member,
    Special,
    Tree,
    TypeOperation,
    Unary,
    Variable,
    below,
)


def tree_of(expression: str) -> str:
    """Return the tree as JSON text. Raises InvalidExpression (400)."""
    return msgspec.json.encode(_node(parse(expression))).decode()


def _node(tree: Tree) -> dict[str, Any]:
    kind, name = _described(tree)
    found: dict[str, Any] = {"ExpressionType": kind, "Name": name, "Position": tree.position}
    arguments = [_node(part) for part in below(tree)]
    if isinstance(tree, Member | Call) and tree.source is None:
        arguments.insert(0, {"ExpressionType": "AxisExpression", "Name": "builtin.that"})
    return {**found, "Arguments": arguments} if arguments else found


def _described(tree: Tree) -> tuple[str, str]:
    if isinstance(tree, Literal):
        return "ConstantExpression", ", ".join(map(str, tree.items))
    if isinstance(tree, TypeOperation):
        return "BinaryExpression", f"{tree.operator} {tree.type_name}"
    kind = _KINDS[type(tree)]
    name = getattr(tree, "operator", "") or getattr(tree, "name", "[]")
    return kind, f"builtin.{name}" if isinstance(tree, Special) else name


_KINDS: Final[Mapping[type[Tree], str]] = {
    Special: "AxisExpression",
    Variable: "VariableRefExpression",
    Member: "ChildExpression",
    Call: "FunctionCallExpression",
    Indexer: "IndexerExpression",
    Unary: "UnaryExpression",
    Binary: "BinaryExpression",
}
