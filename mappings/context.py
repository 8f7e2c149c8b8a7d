"""What one conversion knows while it runs: the Bundle it fills, what was read, what was lost.

Spec: bundle.html (fullUrl), RFC 4122 4.3 (name-based identifiers).
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from hashlib import sha1
from typing import cast
from uuid import UUID, uuid5

from lxml import etree

from mappings.cda.text import plain_text
from mappings.cda.xml import HL7, Element, child, location
from mappings.conversion import Issue, Severity
from mappings.fhir import Json

MAX_ISSUES = 1000
_OVERFLOW = Issue("warning", "incomplete", f"There are other kinds of issues than the {MAX_ISSUES} that are listed.")
NAMESPACE = UUID("6f1c2f0a-5a5e-5d52-9b3e-0d5c1a7a4c11")

_IDENTIFIED = etree.XPath("descendant::*[@ID]")
_MEDIA = (HL7 + "observationMedia", HL7 + "regionOfInterest")


ConvertAct = Callable[[Element, "Context"], list[Json]]


class Context:
    """The state of one conversion. Whatever is read through `take` is carried over; the rest is reported."""

    def __init__(self, document: Element, document_id: str, identifier: Json, convert_act: ConvertAct) -> None:
        self.document = document
        self.document_id = document_id
        self.identifier = identifier
        self.resources: dict[str, Json] = {}
        self.taken: set[Element] = set()
        self.implied: set[Element] = set()
        self.origins: dict[Element, str] = {}
        self.devices: dict[str, str] = {}
        self.links: list[tuple[Element, Element]] = []
        self.convert_act = convert_act
        self._families: dict[Element, dict[str, list[Element]]] = {}
        self.owners: list[tuple[Element, str]] = []
        self.patient: Json = {}
        self.patient_keys: set[str] = set()
        self.focus: list[Json] = []
        self.laboratory: list[Json] = []
        self.section_ids: set[str] = set()
        self._issues: dict[tuple[str, str, str], Issue] = {}
        self._paths: dict[Element, str] = {}
        self._seed = uuid5(NAMESPACE, document_id).bytes

    def take(self, element: Element, name: str) -> Element | None:
        """Read the first child of that name, and note that it is carried over."""
        found = self._children(element).get(HL7 + name)
        if not found:
            return None
        self.taken.add(found[0])
        return found[0]

    def take_all(self, element: Element, name: str) -> list[Element]:
        """Read every child of that name, and note that they are carried over."""
        found = self._children(element).get(HL7 + name, [])
        self.taken.update(found)
        return [*found]

    def _children(self, element: Element) -> dict[str, list[Element]]:
        """Read the children of an element once, by tag: a converter asks for a dozen of them."""
        known = self._families.get(element)
        if known is None:
            known = self._families[element] = {}
            for found in element:
                known.setdefault(found.tag, []).append(found)
        return known

    def imply(self, element: Element, *names: str) -> None:
        """Note children that the FHIR element made of their parent says by what it is: the fixed code of a severity."""
        for name in names:
            self.implied.update(self.take_all(element, name))

    def account(self, element: Element, label: str) -> None:
        """Ask that every child of the element which nobody takes becomes an issue that names the label."""
        self.taken.add(element)
        self.owners.append((element, label))

    def path(self, element: Element) -> str:
        """Give the unique place of an element; its siblings are numbered once, so that many of them stay cheap."""
        known = self._paths.get(element)
        parent = element.getparent()
        if known is None and parent is not None:
            before = self.path(parent)
            self._paths |= {sibling: f"{before}/{number}" for number, sibling in enumerate(parent, 1)}
            known = self._paths[element]
        return known or "/"

    def full_url(self, resource_type: str, key: str) -> str:
        """Name a resource of this document by its type and a key that is unique within the type."""
        digest = sha1(self._seed + f"{resource_type}|{key}".encode(), usedforsecurity=False).hexdigest()
        # RFC 4122 4.3, as uuid.uuid5 does and several times faster: version 5, and the variant's two bits.
        variant = "89ab"[int(digest[16], 16) & 3]
        return f"urn:uuid:{digest[:8]}-{digest[8:12]}-5{digest[13:16]}-{variant}{digest[17:20]}-{digest[20:32]}"

    def add(self, resource: Json, key: str) -> Json:
        """Put a resource in the Bundle once, and give the reference to it."""
        full_url = self.full_url(resource["resourceType"], key)
        if full_url not in self.resources:
            identified = {"resourceType": resource["resourceType"], "id": full_url.removeprefix("urn:uuid:")}
            self.resources[full_url] = identified | resource
        return {"reference": full_url}

    def add_at(self, resource: Json, element: Element) -> Json:
        """Put in the Bundle the resource that stands for one element."""
        key = self.path(element)
        self.origins[element] = self.full_url(resource["resourceType"], key)
        return self.add(resource, key)

    def reference_at(self, resource_type: str, element: Element) -> Json:
        """Give the reference of the resource that stands, or will stand, for one element."""
        return {"reference": self.full_url(resource_type, self.path(element))}

    def report(self, severity: Severity, code: str, diagnostics: str, element: Element | None = None) -> None:
        """Note an issue; the same issue again only raises its count."""
        self.note(Issue(severity, code, diagnostics), element)

    def note(self, issue: Issue, element: Element | None = None) -> None:
        """Note an issue that is already made, and place it at the first element it happened to."""
        key = (issue.severity, issue.code, issue.diagnostics)
        known = self._issues.get(key)
        if known is None and len(self._issues) >= MAX_ISSUES:
            issue, element = _OVERFLOW, None
            key = (issue.severity, issue.code, issue.diagnostics)
            known = self._issues.get(key)
        place = known.location if known else issue.location
        if place is None and element is not None:
            place = location(element)
        count = issue.count + (known.count if known else 0)
        self._issues[key] = Issue(*key, place, issue.template_id, issue.template_name, count)

    @property
    def issues(self) -> tuple[Issue, ...]:
        """Give the issues in the order in which they first happened."""
        return tuple(self._issues.values())

    @contextmanager
    def about(self, focus: Json | None) -> Iterator[None]:
        """Convert what follows as statements about someone else than the patient."""
        before = self.focus
        self.focus = [focus] if focus else before
        try:
            yield
        finally:
            self.focus = before

    @cached_property
    def narrative(self) -> dict[str, Element]:
        """Find the elements of the narrative by their ID; the first of several wins."""
        found: dict[str, Element] = {}
        for element in self._identified:
            if element.tag not in _MEDIA:
                found.setdefault(element.get("ID", ""), element)
        return found

    @cached_property
    def _identified(self) -> list[Element]:
        return cast("list[Element]", _IDENTIFIED(self.document))

    @cached_property
    def _media(self) -> dict[str, Element]:
        return {element.get("ID", ""): element for element in reversed(self._identified) if element.tag in _MEDIA}

    def media_full_url(self, identity: str) -> str | None:
        """Name the DocumentReference that holds the observationMedia of that ID; None when there is none."""
        element = self._media.get(identity)
        if element is not None and element.tag != HL7 + "observationMedia":
            element = element.find(f".//{HL7}observationMedia")
        return self.full_url("DocumentReference", self.path(element)) if element is not None else None

    def referenced_text(self, owner: Element | None) -> str | None:
        """Give the text of an ED element: its own words, or the narrative that its reference points to."""
        if owner is None:
            return None
        own = " ".join((owner.text or "").split())
        own = " ".join([own, *[" ".join((child.tail or "").split()) for child in owner]]).strip()
        reference = child(owner, "reference")
        value = reference.get("value", "") if reference is not None else ""
        target = self.narrative.get(value.removeprefix("#")) if value.strip("# ") else None
        if target is not None:
            words = plain_text(target)
            return " ".join(filter(None, [words, own if own not in words else ""])) or None
        if value.strip("# ") and not own and ":" not in value:
            self.report(
                "information", "not-found", "A reference points to an ID that the narrative does not have.", reference
            )
        return own or None
