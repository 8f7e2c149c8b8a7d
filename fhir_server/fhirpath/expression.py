"""Compiled expressions.

Spec: https://hl7.org/fhirpath/N1/, fhirpath.html
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from fhir_server.fhirpath.check import check
from fhir_server.fhirpath.compiler import Scope, build
from fhir_server.fhirpath.context import Context, Frame
from fhir_server.fhirpath.node import Node, root
from fhir_server.fhirpath.operators.singleton import truth
from fhir_server.fhirpath.parser import parse
from fhir_server.foundation.operation_outcome import TooCostly

NOTHING_LENT: Final = Context()
_CACHED: Final = 1024
_CACHED_LENGTH: Final = 1_000

Subject = Mapping[str, Any] | Node


class Expression:
    """Be a compiled expression: call it with a resource, or with a node within one."""

    def __init__(self, text: str, *, root_type: str | None, is_strict: bool, is_as_filter: bool) -> None:
        tree = parse(text)
        if is_strict:
            check(tree, text, root_type)
        self.text = text
        self._run = build(tree, Scope(text, is_as_filter, "defineVariable" in text))

    def __call__(self, subject: Subject, context: Context = NOTHING_LENT) -> list[Any]:
        """Return the items: a Node where the answer is in a resource, else a System value.

        System values are bool, int, Long, Decimal, str, Quantity and Temporal; `node.system` gives a Node's. Raises
        EvaluationFailed (422) and TooCostly (403).
        """
        this = [subject if subject.__class__ is Node else root(subject)]  # type: ignore[arg-type]
        try:
            return list(self._run(Frame(this, this, context, context.steps)))
        except RecursionError:
            raise TooCostly("The FHIRPath nests too deep for this input.") from None

    def is_true(self, subject: Subject, context: Context = NOTHING_LENT) -> bool | None:
        """Return the answer as a condition, such as an invariant; None when it is empty."""
        return truth(self(subject, context))


def compile(  # noqa: A001 - read as fhirpath.compile
    expression: str, *, root_type: str | None = None, is_strict: bool = False, is_as_filter: bool = False
) -> Expression:
    """Compile an expression; raise InvalidExpression (400) with the place of what is wrong. Compiled ones are kept.

    `is_strict` refuses names that no type along the path has; `root_type` is what `$this` will be, such as `Patient`
    or `Patient.contact`. `is_as_filter` lets `as` keep items of a type among several, as R4's own invariants and
    search parameters need (dom-3), where FHIRPath says that several are an error.
    """
    make = _kept if len(expression) <= _CACHED_LENGTH else _kept.__wrapped__
    return make(expression, root_type, is_strict, is_as_filter)


@lru_cache(maxsize=_CACHED)
def _kept(text: str, root_type: str | None, is_strict: bool, is_as_filter: bool) -> Expression:
    return Expression(text, root_type=root_type, is_strict=is_strict, is_as_filter=is_as_filter)


def evaluate(expression: str, subject: Subject, context: Context = NOTHING_LENT) -> list[Any]:
    """Compile an expression and evaluate it on a resource or a node."""
    return compile(expression)(subject, context)
