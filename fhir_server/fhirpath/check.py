"""The check before evaluation: every name along a path must exist in the types that the path can have.

Spec: https://hl7.org/fhirpath/N1/#type-safety-and-strict-evaluation
"""

from typing import Final

import msgspec

from fhir_server.fhirpath.compiler import known_function, specifier
from fhir_server.fhirpath.errors import InvalidExpression
from fhir_server.fhirpath.functions.strings import STRINGS
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
    below,
)
from fhir_server.fhirpath.types import SYSTEM_TYPES, Type, resolve_type, system_type, type_of, type_of_value, types_at

_BOOLEAN: Final = frozenset({"=", "!=", "~", "!~", "<", "<=", ">", ">=", "in", "contains"}) | {
    "and", "or", "xor", "implies"
}  # fmt: skip
_POSITIONAL: Final = frozenset({"first", "last", "tail", "skip", "take"})
_UNORDERED: Final = frozenset({"children", "descendants"})
_DATES: Final = frozenset({"Date", "DateTime", "Time"})
_NUMBERS: Final = frozenset({"Integer", "Long", "Decimal"})


class Known(msgspec.Struct, frozen=True):
    """Hold what is known of a collection before evaluation: its possible types, None for any, and its order."""

    types: frozenset[Type] | None = None
    is_ordered: bool = True


_ANY: Final = Known()


def check(tree: Tree, text: str, root_type: str | None) -> None:
    """Raise InvalidExpression at the first name that cannot exist."""
    known = _ANY
    if root_type is not None:
        types = types_at(root_type)
        if not types:
            raise InvalidExpression(f"'{root_type}', which it should start from, is no type or path of FHIR.", text, 0)
        known = Known(frozenset(types))
    _Checker(text).infer(tree, known)


class _Checker:
    def __init__(self, text: str) -> None:
        self.text = text

    def refuse(self, sentence: str, tree: Tree) -> InvalidExpression:
        return InvalidExpression(sentence, self.text, tree.position)

    def infer(self, tree: Tree, this: Known) -> Known:
        match tree:
            case Literal() | Special():
                return _leaf(tree, this)
            case Member():
                return self.member(tree, this)
            case Call():
                return self.call(tree, this)
            case TypeOperation():
                return self.type_operation(tree, this)
            case Binary():
                return self.binary(tree, this)
            case Indexer() | Unary():
                return self.first(tree, this)
            case _:
                return _ANY

    def first(self, tree: Indexer | Unary, this: Known) -> Known:
        found, *_ = [self.infer(part, this) for part in below(tree)]
        if isinstance(tree, Indexer) and not found.is_ordered:
            raise self.refuse("what comes before has no order: an index means nothing.", tree)
        return found

    def member(self, tree: Member, this: Known) -> Known:
        source = this if tree.source is None else self.infer(tree.source, this)
        if source.types is None:
            return _ANY
        if tree.source is None and any(f"FHIR.{tree.name}" in known.ancestors for known in source.types):
            return source
        found: set[Type] = set()
        is_open = False
        for known in source.types:
            below_it = _members(known, tree.name)
            is_open |= below_it is None
            found |= below_it or set()
        if not found and not is_open:
            raise self.missing(tree, source.types)
        return _ANY if is_open else Known(frozenset(found), source.is_ordered)

    def missing(self, tree: Member, types: frozenset[Type]) -> InvalidExpression:
        names = ", ".join(sorted(known.class_name or known.name for known in types)) or "nothing"
        for known in types:
            slot = known.by_key.get(tree.name)
            if slot is not None:
                hint = f"write {slot.name}.ofType({slot.type.name})"
                return self.refuse(f"'{tree.name}' is how JSON names it: {hint}.", tree)
        return self.refuse(f"'{tree.name}' is no element of {names}.", tree)

    def call(self, tree: Call, this: Known) -> Known:
        function = known_function(tree, self.text)
        source = this if tree.source is None else self.infer(tree.source, this)
        if tree.name in _POSITIONAL and not source.is_ordered:
            raise self.refuse(f"what comes before has no order: {tree.name}() means nothing.", tree)
        if tree.name in STRINGS and source.types and all(_is_complex(known) for known in source.types):
            raise self.refuse(f"{tree.name}() takes strings: go down to one.", tree)
        arguments = [
            self.infer(argument, source if kind in ("e", "s") and tree.name != "coalesce" else this)
            for kind, argument in zip(function.parameters, tree.arguments, strict=False)
            if kind != "t"
        ]
        if function.answers == "type":
            return _of_name(specifier(tree.arguments[0]))
        if function.answers == "argument":
            return Known(arguments[0].types, source.is_ordered and arguments[0].is_ordered)
        return self.answer(tree, function.answers, source)

    def answer(self, tree: Call, answers: str, source: Known) -> Known:
        if answers == "input":
            return source
        if answers == "Extension":
            return Known(frozenset({type_of("Extension")}))
        if answers in SYSTEM_TYPES:
            return Known(frozenset({system_type(answers)}))
        return Known(None, is_ordered=tree.name not in _UNORDERED)

    def type_operation(self, tree: TypeOperation, this: Known) -> Known:
        self.infer(tree.operand, this)
        return _of_name(tree.type_name) if tree.operator == "as" else Known(frozenset({system_type("Boolean")}))

    def binary(self, tree: Binary, this: Known) -> Known:
        left, right = self.infer(tree.left, this), self.infer(tree.right, this)
        if tree.operator in _BOOLEAN:
            return Known(frozenset({system_type("Boolean")}))
        if tree.operator in ("+", "-") and _all_of(left, _DATES) and _all_of(right, _NUMBERS):
            raise self.refuse("a number cannot be added to a date: give it a unit, such as 7 days.", tree)
        if tree.operator == "|" and left.types is not None and right.types is not None:
            return Known(left.types | right.types)  # Choice: in order, as the official cases take it.
        return _ANY


def _leaf(tree: Literal | Special, this: Known) -> Known:
    if isinstance(tree, Literal):
        return Known(frozenset(map(type_of_value, tree.items))) if tree.items else _ANY
    return this if tree.name == "this" else Known(frozenset({system_type("Integer")})) if tree.name == "index" else _ANY


def _all_of(known: Known, names: frozenset[str]) -> bool:
    return bool(known.types) and all(one.namespace == "System" and one.name in names for one in known.types or ())


def _is_complex(known: Type) -> bool:
    return bool(known.class_name) and not known.is_primitive and known.name not in ("Element", "Resource")


def _of_name(name: str | None) -> Known:
    names = resolve_type(name or "")
    if not names or not names[0].startswith("FHIR."):
        return _ANY
    return Known(frozenset({type_of(names[0].removeprefix("FHIR."))}))


def _members(known: Type, name: str) -> set[Type] | None:
    """Return the types of a member; None when they cannot be known before evaluation."""
    if known.is_untyped or known.is_any_resource or known.name in ("Element", "Any") or not known.class_name:
        return None
    if known.is_primitive:
        return None if name in ("id", "extension") else set()
    if name == "resourceType" and known.is_resource:
        return {system_type("String")}
    return {slot.type for slot in known.named.get(name, ())}
