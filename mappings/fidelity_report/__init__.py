"""What became of every node of a CDA document: kept in FHIR, in the narrative only, or lost and why.

Source: the converted Bundle itself. A node is kept only when its value is found in the resources made of its act, so
the report does not trust the converters.
"""

from mappings.cda.xml import MAX_BYTES, MAX_DEPTH, parse
from mappings.convert import traced
from mappings.fidelity_report.judge import Judge
from mappings.fidelity_report.nodes import nodes_of
from mappings.fidelity_report.report import Fidelity, Node

__all__ = ["Fidelity", "Node", "fidelity"]


def fidelity(content: bytes, *, max_bytes: int = MAX_BYTES, max_depth: int = MAX_DEPTH) -> Fidelity:
    """Convert a CDA document and account for each of its nodes; raises CdaRefused as `convert` does."""
    parsed = parse(content, max_bytes, max_depth)
    conversion, context = traced(parsed, content)
    judge = Judge(conversion.bundle, context)
    nodes = tuple(judge.judge(node) for node in nodes_of(parsed.document))
    return Fidelity(conversion.document.document_id, nodes)
