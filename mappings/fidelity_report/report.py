"""The report of a conversion's fidelity: rows and counts, as JSON and as HTML. Spec: none (ours)."""

from collections import Counter
from dataclasses import dataclass
from html import escape
from typing import Literal

from mappings.fhir import Json

Outcome = Literal["kept", "implied", "narrative", "lost", "unaccounted"]
OUTCOMES: tuple[Outcome, ...] = ("kept", "implied", "narrative", "lost", "unaccounted")
CODED = "code"

_HEAD = (
    '<!DOCTYPE html><html lang="fr"><head><meta charset="utf-8"><title>Fidélité de la conversion</title><style>'
    "body{font-family:sans-serif}table{border-collapse:collapse}td,th{border:1px solid #ccc;padding:2px 6px;"
    "text-align:left;overflow-wrap:anywhere}tr.lost td{background:#fff2e0}tr.unaccounted td{background:#ffe0e0}"
    "</style></head><body><h1>Fidélité de la conversion</h1>"
)


@dataclass(frozen=True, slots=True)
class Node:
    """One piece of information of the CDA and what became of it."""

    xpath: str
    kind: str
    """code, system, display, identifier, date, quantity, unit, bound, boolean, telecom, text, link, null, file, use or
    narrative."""
    value: str
    outcome: Outcome
    detail: str
    """The FHIR path for a kept node, the reason for any other."""
    full_url: str | None = None
    """The resource that holds a kept node."""


@dataclass(frozen=True, slots=True)
class Fidelity:
    """Every node of a document with its outcome.

    kept: the value is in the Bundle. implied: the FHIR element that was chosen says it (the fixed code of a severity).
    narrative: its words are in Composition.section.text. lost: nowhere, with the reason. unaccounted: a narrative whose
    words are not all there, which is a defect of ours.
    """

    document_id: str
    nodes: tuple[Node, ...]

    def counts(self, kind: str | None = None) -> dict[str, int]:
        """Count the nodes by outcome, of one kind or of all."""
        found = Counter(node.outcome for node in self.nodes if kind in (None, node.kind))
        return {outcome: found.get(outcome, 0) for outcome in OUTCOMES}

    def share_kept(self, kind: str | None = None) -> float:
        """Give the share of nodes that are FHIR elements (kept or implied), from 0 to 1; 1 for no node."""
        counts = self.counts(kind)
        total = sum(counts.values())
        return (counts["kept"] + counts["implied"]) / total if total else 1.0

    def as_json(self) -> Json:
        """Write the report as a JSON object."""
        return {
            "document": self.document_id,
            "counts": self.counts(),
            "coded": self.counts(CODED),
            "nodes": [_row(node) for node in self.nodes],
        }

    def as_html(self) -> str:
        """Write the report as a page that a person can read."""
        counts = "".join(f"<li>{outcome} : {number}</li>" for outcome, number in self.counts().items())
        rows = "".join(_html_row(node) for node in self.nodes)
        head = "<tr><th>XPath</th><th>Nature</th><th>Valeur</th><th>Issue</th><th>FHIR ou raison</th></tr>"
        title = f"<p>{escape(self.document_id)}</p><ul>{counts}</ul>"
        return f"{_HEAD}{title}<table>{head}{rows}</table></body></html>"


def _row(node: Node) -> Json:
    row = {"xpath": node.xpath, "kind": node.kind, "value": node.value, "outcome": node.outcome, "detail": node.detail}
    return row | ({"full_url": node.full_url} if node.full_url else {})


def _html_row(node: Node) -> str:
    cells = (node.xpath, node.kind, node.value, node.outcome, node.detail)
    return f'<tr class="{node.outcome}">' + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>"
