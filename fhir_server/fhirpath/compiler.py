"""A tree to one plain Python closure.

Spec: https://hl7.org/fhirpath/N1/#expressions
"""

from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Any, Final

import msgspec

from fhir_server.fhirpath.context import Frame, Items, Run
from fhir_server.fhirpath.errors import InvalidExpression
from fhir_server.fhirpath.functions import FUNCTIONS
from fhir_server.fhirpath.functions.signature import Function
from fhir_server.fhirpath.operators import OPERATORS
from fhir_server.fhirpath.operators.arithmetic import affirm, negate
from fhir_server.fhirpath.operators.logic import LOGIC
from fhir_server.fhirpath.operators.singleton import EMPTY, integer
from fhir_server.fhirpath.operators.typing import Names, as_type, is_type, of_type
from fhir_server.fhirpath.paths import presence, start, step, this
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
)
from fhir_server.fhirpath.types import resolve_type
from fhir_server.fhirpath.variables import variable


class Scope(msgspec.Struct, frozen=True):
    """Hold what the whole expression shares.

    `is_as_filter`: `as` keeps what is of the type among several items, where it else takes one. `defines` tells
    that defineVariable is used, so that variables must be forgotten where their scope ends.
    """

    text: str
    is_as_filter: bool
    defines: bool


def build(tree: Tree, scope: Scope) -> Run:
    """Return the closure of a tree; raise InvalidExpression for a function or type that does not exist."""
    return _BUILDERS[type(tree)](tree, scope)


def _literal(tree: Literal, scope: Scope) -> Run:
    items = list(tree.items)
    return lambda frame: items


def _special(tree: Special, scope: Scope) -> Run:
    if tree.name == "this":
        return this
    if tree.name == "index":
        return lambda frame: [frame.index]
    return lambda frame: EMPTY if frame.total is None else frame.total


def _variable(tree: Variable, scope: Scope) -> Run:
    return variable(tree.name)


def _member(tree: Member, scope: Scope) -> Run:
    if tree.source is None:
        return start(tree.name)
    return step(build(tree.source, scope), tree.name)


def _indexer(tree: Indexer, scope: Scope) -> Run:
    source, index = build(tree.source, scope), _scoped(tree.index, scope)

    def run(frame: Frame) -> Items:
        place = integer(index(frame), "[ ]")
        return EMPTY if place is None or place < 0 else source(frame)[place : place + 1]

    return run


def _unary(tree: Unary, scope: Scope) -> Run:
    operand = build(tree.operand, scope)
    apply = negate if tree.operator == "-" else affirm
    return lambda frame: apply(operand(frame))


def _scoped(tree: Tree, scope: Scope) -> Run:
    """Return the closure of a part whose variables end with it."""
    inner = build(tree, scope)
    if not scope.defines:
        return inner

    def run(frame: Frame) -> Items:
        variables = frame.variables
        found = inner(frame)
        frame.variables = variables
        return found

    return run


def _binary(tree: Binary, scope: Scope) -> Run:
    left, right = _scoped(tree.left, scope), _scoped(tree.right, scope)
    if tree.operator in LOGIC:
        return LOGIC[tree.operator](left, right)
    operate = OPERATORS[tree.operator]
    return lambda frame: operate(frame, left(frame), right(frame))


def _type_operation(tree: TypeOperation, scope: Scope) -> Run:
    operand = build(tree.operand, scope)
    names = _names(tree.type_name, tree, scope)
    apply = is_type if tree.operator == "is" else of_type if scope.is_as_filter else as_type
    return lambda frame: apply(operand(frame), names)


def _names(name: str, tree: Tree, scope: Scope) -> Names:
    names = resolve_type(name)
    if names is None:
        raise InvalidExpression(f"'{name}' is no type of FHIR or System.", scope.text, tree.position)
    return names


def specifier(tree: Tree) -> str | None:
    """Return the type's name that an argument spells; None when it spells none."""
    if not isinstance(tree, Member):
        return None
    if tree.source is None:
        return tree.name
    before = specifier(tree.source)
    return None if before is None else f"{before}.{tree.name}"


def known_function(tree: Call, text: str) -> Function:
    """Return the function that is called; raise InvalidExpression when there is none, or its arguments do not fit."""
    function = FUNCTIONS.get(tree.name)
    if function is None:
        near = get_close_matches(tree.name, FUNCTIONS, 1)
        hint = f" Do you mean {near[0]}()?" if near else ""
        raise InvalidExpression(f"there is no function {tree.name}().{hint}", text, tree.position)
    if not function.required <= len(tree.arguments) <= len(function.parameters):
        wanted = f"{function.required} to {len(function.parameters)}"
        wanted = str(function.required) if function.required == len(function.parameters) else wanted
        sentence = f"{tree.name}() takes {wanted} arguments, not {len(tree.arguments)}."
        raise InvalidExpression(sentence, text, tree.position)
    return function


def _call(tree: Call, scope: Scope) -> Run:
    function = known_function(tree, scope.text)
    if tree.name in ("exists", "empty") and not tree.arguments:
        source = tree.source
        if isinstance(source, Member) and source.source is None and not source.name[:1].isupper():
            return presence(source.name, if_there=tree.name == "exists")
    source_run = this if tree.source is None else build(tree.source, scope)
    if scope.is_as_filter and tree.name == "as":
        function = FUNCTIONS["ofType"]
    return _applied(function, source_run, tree, scope)


def _applied(function: Function, source: Run, tree: Call, scope: Scope) -> Run:
    call = function.call
    kinds = function.parameters[: len(tree.arguments)]
    if not kinds:
        return lambda frame: call(frame, source(frame))
    arguments = [_argument(kind, argument, scope) for kind, argument in zip(kinds, tree.arguments, strict=True)]
    if kinds == "v":
        argument = arguments[0]
        return lambda frame: call(frame, source(frame), argument(frame))
    if "v" not in kinds:
        return lambda frame: call(frame, source(frame), *arguments)
    rows = tuple((kind == "v", argument) for kind, argument in zip(kinds, arguments, strict=True))

    def run(frame: Frame) -> Items:
        items = source(frame)
        return call(frame, items, *[one(frame) if is_value else one for is_value, one in rows])

    return run


def _argument(kind: str, tree: Tree, scope: Scope) -> Any:
    if kind == "s":
        is_reversed = isinstance(tree, Unary) and tree.operator == "-"
        return _scoped(tree.operand if isinstance(tree, Unary) else tree, scope), -1 if is_reversed else 1
    if kind != "t":
        return _scoped(tree, scope)
    name = specifier(tree)
    if name is None:
        raise InvalidExpression("the name of a type is missing here.", scope.text, tree.position)
    return _names(name, tree, scope)


_BUILDERS: Final[Mapping[type[Tree], Callable[[Any, Scope], Run]]] = {
    Literal: _literal,
    Special: _special,
    Variable: _variable,
    Member: _member,
    Call: _call,
    Indexer: _indexer,
    Unary: _unary,
    Binary: _binary,
    TypeOperation: _type_operation,
}
