"""Decide what became of one piece of information, by looking for it where it should be. Spec: none (ours)."""

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal

from mappings.cda.narrative import XHTML
from mappings.cda.xml import ACTS, HL7, Element, local_name
from mappings.context import Context
from mappings.fhir import Json
from mappings.fidelity_report.index import Indexes, Place, ValueIndex
from mappings.fidelity_report.nodes import Piece
from mappings.fidelity_report.reasons import ABSENT_SAYS_UNKNOWN, reason_of
from mappings.fidelity_report.renderings import words_of
from mappings.fidelity_report.report import Node, Outcome

_ACTS = frozenset(ACTS)


class Judge:
    """Knows a Bundle and the conversion that made it."""

    def __init__(self, bundle: Json, context: Context) -> None:
        self._context = context
        self._owners = {owner for owner, _ in context.owners}
        self._indexes = Indexes(bundle)
        self._narrative = _divs(bundle["entry"][0]["resource"])
        composition = bundle["entry"][0]
        self._composition = ValueIndex()
        self._composition.add(composition["resource"], composition["fullUrl"])

    def judge(self, piece: Piece) -> Node:
        """Give the outcome of one piece."""
        if piece.kind == "narrative":
            is_there = piece.value.split(" ")[0] in self._narrative
            outcome: Outcome = "narrative" if is_there else "unaccounted"
            return self._node(piece, outcome, "Composition.section.text" if is_there else "")
        if self._is_unmapped(piece.element):
            return self._node(piece, "narrative", "No resource is made of this act: the words of its section hold it.")
        place = self._find(piece)
        if place:
            path, full_url = place
            return Node(piece.xpath, piece.kind, piece.value, "kept", path, full_url or None)
        outcome, detail = self._explain(piece)
        return self._node(piece, outcome, detail)

    @staticmethod
    def _node(piece: Piece, outcome: Outcome, detail: str) -> Node:
        return Node(piece.xpath, piece.kind, piece.value, outcome, detail)

    def _find(self, piece: Piece) -> Place | None:
        for index in self._where(piece.element):
            place = _search(piece, index)
            if place:
                return place
        return None

    def _where(self, element: Element) -> Iterator[ValueIndex]:
        """Go through the resources made of the element and of what it lies in, up to the nearest act that is one."""
        node: Element | None = element
        in_section = False
        while node is not None:
            if node in self._context.origins:
                yield self._indexes.of(self._context.origins[node])
                if node.tag in _ACTS:
                    return
            in_section = in_section or node.tag == HL7 + "section"
            node = node.getparent()
        yield self._composition if in_section else self._indexes.header()
        if in_section and next(element.iterancestors(HL7 + "entry"), None) is None:
            yield self._indexes.everything()

    def _explain(self, piece: Piece) -> tuple[Outcome, str]:
        if piece.kind == "link":
            return self._link(piece)
        for node in self._line(piece.element):
            if node in self._context.implied:
                return "implied", f"The FHIR element that was chosen says what {local_name(node)} says."
        if piece.kind == "null" and piece.value in ABSENT_SAYS_UNKNOWN:
            return "implied", "The element is absent, which says in FHIR that nothing is known."
        if piece.kind == "display" and self._find(replace(piece, kind="code", value=piece.element.get("code") or "")):
            return "implied", "Its code is kept; FHIR has its own words for it, or the first ones of the document."
        left = self._left(piece.element)
        if left is not None:
            return left
        return reason_of(piece) or ("unaccounted", "")

    def _line(self, element: Element) -> Iterator[Element]:
        """Go up from an element to its act."""
        node: Element | None = element
        while node is not None and node.tag not in _ACTS:
            yield node
            node = node.getparent()

    def _is_unmapped(self, element: Element) -> bool:
        """Tell whether the act of an element, or one that it lies in, was made into nothing."""
        taken = self._context.taken
        acts = (node for node in (element, *element.iterancestors()) if node.tag in _ACTS)
        return any(node not in taken for node in acts)

    def _left(self, element: Element) -> tuple[Outcome, str] | None:
        """Tell that a converter left the act or the element aside, which the issues of the conversion count."""
        node: Element | None = element
        taken = self._context.taken
        while node is not None:
            parent = node.getparent()
            if parent is None:
                return None
            if (
                parent in taken
                and (parent.tag in _ACTS or parent in self._owners)
                and node not in taken
                and not _holds_act(node)
            ):
                return "lost", f"The resource made of this act has no element for {local_name(node)}."
            node = parent
        return None

    def _link(self, piece: Piece) -> tuple[Outcome, str]:
        name = piece.value.removeprefix("#")
        if name in self._context.narrative:
            return "narrative", "The words that it points to are in Composition.section.text."
        if self._context.media_full_url(name):
            return "implied", "The file that it points to is a DocumentReference."
        return "lost", "It points to an ID that the narrative does not have."


def _holds_act(relation: Element) -> bool:
    return any(child.tag in _ACTS for child in relation)


def _search(piece: Piece, index: ValueIndex) -> Place | None:
    if piece.kind == "quantity":
        return _number(piece.value, index)
    if piece.kind == "boolean":
        return _truth(piece, index)
    for words in words_of(piece):
        if words in index.words:
            return index.words[words]
    if piece.kind in ("text", "display"):
        return index.containing(piece.value)
    return None


def _number(value: str, index: ValueIndex) -> Place | None:
    try:
        found = index.numbers.get(Decimal(value.replace(",", ".")))
    except ArithmeticError:
        found = None
    return found or index.words.get(value) or index.saying(value)


def _truth(piece: Piece, index: ValueIndex) -> Place | None:
    if piece.attribute == "negationInd":
        words = (index.words.get(word) for word in ("not-done", "refuted", "not-taken", "cancelled", "deny", "stopped"))
        return next(filter(None, words), None) or index.truths.get(False) or index.truths.get(True)
    is_true = piece.value in ("true", "1")
    found = index.truths.get(is_true)
    if not is_true and (place := index.truths.get(True)) and place[0].endswith("doNotPerform"):
        return place
    return found or index.words.get("permit" if is_true else "deny") or (index.truths.get(False) if is_true else None)


def _divs(section: Json) -> str:
    """Join the narratives of all sections."""
    own = section.get("text", {}).get("div", "").replace(f' xmlns="{XHTML}"', "")
    return str(own) + "".join(_divs(inner) for inner in section.get("section", []))
