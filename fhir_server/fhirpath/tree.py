"""The tree of a parsed expression.

Spec: https://hl7.org/fhirpath/N1/#grammar
"""

from typing import Any

import msgspec


class Tree(msgspec.Struct, frozen=True):
    """Be one part of an expression; `position` is where its name or operator stands."""

    position: int


class Literal(Tree, frozen=True):
    """Hold a system value; `items` is empty for `{}`."""

    items: tuple[Any, ...]


class Special(Tree, frozen=True):
    """Stand for `$this`, `$index` or `$total`: `name` is without the dollar."""

    name: str


class Variable(Tree, frozen=True):
    """Stand for `%name`."""

    name: str


class Member(Tree, frozen=True):
    """Go to the children of that name; `source` None is `$this`."""

    source: "Tree | None"
    name: str


class Call(Tree, frozen=True):
    """Call a function on `source`; None is `$this`."""

    source: "Tree | None"
    name: str
    arguments: tuple[Tree, ...]


class Indexer(Tree, frozen=True):
    """Take one item by its place."""

    source: Tree
    index: Tree


class Unary(Tree, frozen=True):
    """Apply `+` or `-`."""

    operator: str
    operand: Tree


class Binary(Tree, frozen=True):
    """Apply an operator to two expressions."""

    operator: str
    left: Tree
    right: Tree


class TypeOperation(Tree, frozen=True):
    """Apply `is` or `as`; `type_name` is a name or `Namespace.name`."""

    operator: str
    operand: Tree
    type_name: str


def below(tree: Tree) -> tuple[Tree, ...]:
    """Return the parts directly below one."""
    match tree:
        case Member(source=source):
            return () if source is None else (source,)
        case Call(source=source, arguments=arguments):
            return arguments if source is None else (source, *arguments)
        case Indexer(source=source, index=index):
            return (source, index)
        case Unary(operand=operand) | TypeOperation(operand=operand):
            return (operand,)
        case Binary(left=left, right=right):
            return (left, right)
        case _:
            return ()


def depth(tree: Tree) -> int:
    """Return how many parts stand below each other; without recursion, so that no chain is too long to measure."""
    deepest, open_trees = 0, [(tree, 1)]
    while open_trees:
        part, level = open_trees.pop()
        deepest = max(deepest, level)
        open_trees.extend((child, level + 1) for child in below(part))
    return deepest
