"""Decide what became of one piece of information, by looking for it where it should be. Spec: none (ours)."""

import re
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from html import unescape

from mappings.cda.datatypes import boolean
from mappings.cda.media import attachment
from mappings.cda.text import plain_text
from mappings.cda.vocabulary import system_uri, translate
from mappings.cda.xml import ACTS, HL7, Element, local_name
from mappings.context import Context
from mappings.fhir import Json
from mappings.fidelity_report.index import Indexes, Place, ValueIndex
from mappings.fidelity_report.nodes import Piece
from mappings.fidelity_report.reasons import ABSENT_SAYS_UNKNOWN, NO_RULE, reason_of
from mappings.fidelity_report.renderings import words_of
from mappings.fidelity_report.report import Node, Outcome

_ACTS = frozenset(ACTS)
_DAY = len("YYYYMMDD")
_SPOKEN = ("text", "display", "quantity", "unit", "code", "identifier", "telecom", "date")
_MARKUP = re.compile(r"<[^>]*>")
_DENIALS = ("not-done", "refuted", "not-taken", "cancelled", "deny", "stopped", "not-performed")


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
            if piece.element.getparent() not in self._owners:
                return self._node(piece, "lost", NO_RULE)
            missing = self._unsaid(plain_text(piece.element))
            outcome: Outcome = "unaccounted" if missing else "narrative"
            return self._node(piece, outcome, f"Not said: {missing}" if missing else "Composition.section.text")
        if self._is_unmapped(piece.element):
            return self._node(piece, *self._of_no_resource(piece))
        place = self._find(piece)
        if place:
            path, full_url = place
            return Node(piece.xpath, piece.kind, piece.value, "kept", path, full_url or None)
        outcome, detail = self._explain(piece)
        return self._node(piece, outcome, detail)

    def _unsaid(self, text: str) -> str:
        """Give the first word of a text that the narratives of the Bundle do not say; empty when they say it all."""
        return next((word for word in text.split() if word not in self._narrative), "")

    def _of_no_resource(self, piece: Piece) -> tuple[Outcome, str]:
        if piece.kind in _SPOKEN and not self._unsaid(piece.value):
            return "narrative", "No resource is made of this act: the words of its section hold it."
        if piece.kind == "link" and piece.value.removeprefix("#") in self._context.narrative:
            return "narrative", "The words that it points to are in Composition.section.text."
        return "lost", "No resource is made of this act, and the words of its section do not say it."

    @staticmethod
    def _node(piece: Piece, outcome: Outcome, detail: str) -> Node:
        return Node(piece.xpath, piece.kind, piece.value, outcome, detail)

    def _find(self, piece: Piece) -> Place | None:
        for index in self._where(piece.element):
            place = self._file(piece, index) if piece.kind == "file" else _search(piece, index)
            if place:
                return place
        return None

    def _file(self, piece: Piece, index: ValueIndex) -> Place | None:
        """Look for the bytes of a file, which FHIR holds without compression and line breaks."""
        return index.words.get(attachment(piece.element, self._context).get("data", ""))

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
        if said := self._explain_kind(piece):
            return said
        for node in self._line(piece.element):
            if node in self._context.implied:
                return "implied", f"The FHIR element that was chosen says what {local_name(node)} says."
        if piece.kind == "null" and piece.value in ABSENT_SAYS_UNKNOWN:
            return "implied", "The element is absent, which says in FHIR that nothing is known."
        if piece.kind == "display" and self._find(replace(piece, kind="code", value=piece.element.get("code") or "")):
            return "implied", "Its code is kept; FHIR has its own words for it, or the first ones of the document."
        return self._left(piece.element) or reason_of(piece) or ("lost", NO_RULE)

    def _explain_kind(self, piece: Piece) -> tuple[Outcome, str] | None:
        """Tell what became of a piece that its kind alone explains."""
        if piece.kind == "link":
            return self._link(piece)
        if piece.kind == "system":
            return self._system(piece)
        if piece.kind == "unit":
            return self._with_value(piece)
        if piece.kind == "date" and self._find(replace(piece, value=piece.value[:_DAY])):
            return "lost", "Its day alone is kept: FHIR has no room for the rest there."
        return None

    def _system(self, piece: Piece) -> tuple[Outcome, str]:
        """Tell what became of a code system that the Bundle does not name: it shares the fate of its code."""
        code = replace(piece, kind="code", value=" ".join((piece.element.get("code") or "").split()))
        if self._find(code) is None:
            return self._explain(code)
        if system_uri(piece.value) is None:
            return "lost", "It is no OID: its code alone is kept."
        return "implied", "Its code is said by an element of FHIR that has a code system of its own."

    def _with_value(self, piece: Piece) -> tuple[Outcome, str] | None:
        """Tell what became of a unit: 1 is no unit, and a unit without its value says nothing."""
        value = (piece.element.get("value") or "").strip()
        if value and self._find(replace(piece, kind="quantity", value=value)):
            return ("implied", "A number without unit.") if piece.value == "1" else None
        return self._explain(replace(piece, kind="quantity", value=value)) if value else None

    def _line(self, element: Element) -> Iterator[Element]:
        """Go up from an element to its act."""
        node: Element | None = element
        while node is not None and node.tag not in _ACTS:
            yield node
            node = node.getparent()

    def _is_unmapped(self, element: Element) -> bool:
        """Tell whether the act of an element was made into nothing."""
        act = next((node for node in (element, *element.iterancestors()) if node.tag in _ACTS), None)
        return act is not None and act not in self._context.taken

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
    if piece.kind == "null":
        return index.absences.get(translate("null_flavors", piece.value) or "")
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
        return _denial(index)
    is_true = boolean(piece.value)
    if is_true is None:
        return None
    found = index.truths.get(is_true) or index.words.get("permit" if is_true else "deny")
    return found or _denial(index)


def _denial(index: ValueIndex) -> Place | None:
    """Find what says that something is not so: a status, a value that is false, a request not to do it."""
    said = next(filter(None, (index.words.get(word) for word in _DENIALS)), None)
    return said or index.denials.get(False) or index.denials.get(True)


def _divs(section: Json) -> str:
    """Join the words of the narratives of all sections, without the markup that may cut a word in two."""
    own = unescape(_MARKUP.sub("", section.get("text", {}).get("div", "")))
    return own + "\n".join(_divs(inner) for inner in section.get("section", []))
