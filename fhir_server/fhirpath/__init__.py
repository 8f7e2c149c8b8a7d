"""FHIRPath: text to a tree to a plain Python closure, over typed nodes that know where they stand."""

from fhir_server.fhirpath.context import Context
from fhir_server.fhirpath.errors import EvaluationFailed, InvalidExpression
from fhir_server.fhirpath.expression import Expression, compile, evaluate  # noqa: A004 - read as fhirpath.compile
from fhir_server.fhirpath.node import Node, path, root, system, typed

__all__ = [
    "Context",
    "EvaluationFailed",
    "Expression",
    "InvalidExpression",
    "Node",
    "compile",
    "evaluate",
    "path",
    "root",
    "system",
    "typed",
]
