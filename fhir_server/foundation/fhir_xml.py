"""FHIR XML: bytes to the same dict that JSON gives, and back, driven by the element index.

Spec: xml.html, security.html#xml
"""

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import cache
from itertools import islice, zip_longest
from typing import Any, Final, cast

from lxml import etree

from fhir_server.foundation.fhir_json import MAX_DEPTH
from fhir_server.foundation.operation_outcome import Issue, Unparsable
from fhir_server.foundation.structure import RESOURCE_TYPES, Element, structure

LARGE_BYTES: Final = 5_000_000
"""A value of more than 10 MB, such as a Binary's, needs a parser without bounds of its own: ours hold still."""
FHIR: Final = "{http://hl7.org/fhir}"
XHTML: Final = "{http://www.w3.org/1999/xhtml}"
_INSTANCE: Final = "{http://www.w3.org/2001/XMLSchema-instance}"
_INTEGER: Final = re.compile(r"-?(?:0|[1-9][0-9]{0,999})", re.ASCII)
_DECIMAL: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?", re.ASCII)
# Line breaks and tabs in attributes become spaces unless escaped; the rest of these cannot stand in XML 1.0 at all.
_SPECIAL: Final = re.compile('[&<"\x00-\x1f\ufffe\uffff]')
_ESCAPES: Final = {"&": "&amp;", "<": "&lt;", '"': "&quot;", "\t": "&#9;", "\n": "&#10;", "\r": "&#13;"}
_WITH_TEXT: Final = etree.XPath("//f:*[text()[normalize-space()]]", namespaces={"f": FHIR[1:-1]})

Node = etree._Element


def parse(content: bytes, *, max_depth: int = MAX_DEPTH) -> dict[str, Any]:
    """Parse a resource; raise Unparsable (400) with the line of what is wrong.

    A DTD is refused, comments and processing instructions are dropped, entities are not resolved. Numbers and booleans
    that are none stay texts, so that validation tells them with their path. Choice: elements may come in any order.
    """
    root = _root(content)
    for node in cast("list[Node]", _WITH_TEXT(root)):
        raise _refuse(node, f"'{_name(node)}' holds text: values go into the attribute 'value'.")
    return _read_resource(root, max_depth)


def _root(content: bytes) -> Node:
    if not content.strip():
        raise Unparsable("The body is empty: send a resource.")
    if b"<!DOCTYPE" in content or b"\x00" in content:
        raise Unparsable("The body declares a document type, or is not UTF-8: send UTF-8 XML without a DTD.")
    # The encoding is given, so no declaration can hide a DTD from the check above.
    parser = etree.XMLParser(
        encoding="utf-8",
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        remove_comments=True,
        remove_pis=True,
        huge_tree=len(content) > LARGE_BYTES,
    )
    try:
        return etree.fromstring(content, parser)
    except etree.XMLSyntaxError as error:
        raise Unparsable(f"The body is no XML: {error.msg or 'syntax error'}.") from None


def _refuse(node: Node, sentence: str) -> Unparsable:
    line = cast("int", node.sourceline)  # None for what was made here alone.
    told = f"Line {line}: {sentence}"
    ways = [node, *islice(node.iterancestors(), MAX_DEPTH)]
    # A way that is longer than any resource is no help, and as long as its sender likes.
    path = (".".join(map(_step, reversed(ways))),) if len(ways) <= MAX_DEPTH else ()
    return Unparsable(
        told, issues=(Issue("error", Unparsable.code, told, path, message_id="xml", line=line, column=1),)
    )


def _step(node: Node) -> str:
    """Return one step of the path to an element: its name, with its place among those of the same name."""
    parent, name = node.getparent(), _name(node)
    same = [] if parent is None else list(parent.iterchildren(str(node.tag)))
    return f"{name}[{same.index(node)}]" if len(same) > 1 else name


def _name(node: Node) -> str:
    return str(node.tag).rpartition("}")[2]


@cache
def _tags(class_name: str) -> Mapping[str, Element]:
    elements = structure(class_name).elements.values()
    return {(XHTML if element.type_code == "xhtml" else FHIR) + element.name: element for element in elements}


def _read_resource(node: Node, depth: int) -> dict[str, Any]:
    name = _name(node)
    if node.tag != FHIR + name or name not in RESOURCE_TYPES:
        raise _refuse(node, f"'{name}' is no resource of the namespace http://hl7.org/fhir.")
    for attribute in node.attrib:
        if not str(attribute).startswith(_INSTANCE):  # Such as schemaLocation.
            raise _refuse(node, f"'{name}' has no attribute '{attribute!s}'.")
    return _read_members(node, name, {"resourceType": name}, depth)


def _read_members(node: Node, class_name: str, members: dict[str, Any], depth: int) -> dict[str, Any]:
    if depth == 0:
        raise _refuse(node, "the body nests too deep: flatten it.")
    tags = _tags(class_name)
    has_extended_list = False
    for child in node:
        element = tags.get(str(child.tag))
        if element is None:
            raise _refuse(child, f"'{_name(child)}' is no element of {class_name}.")
        if element.is_primitive:
            has_extended_list |= _read_primitive(child, element, members, depth)
        else:
            _put(child, element, members, _read_object(child, element, depth))
    if has_extended_list:
        _align(members)
    return members


def _put(node: Node, element: Element, members: dict[str, Any], value: Any) -> None:
    if element.is_list:
        members.setdefault(element.name, []).append(value)
    elif element.name in members or "_" + element.name in members:
        raise _refuse(node, f"'{element.name}' appears more than once: keep one.")
    else:
        members[element.name] = value


def _read_object(node: Node, element: Element, depth: int) -> dict[str, Any]:
    if element.type_code == "Resource":
        if len(node) != 1 or node.attrib:
            raise _refuse(node, f"'{element.name}' holds one resource and no attribute.")
        return _read_resource(node[0], depth - 1)
    names = ("id", "url") if element.type_code == "Extension" else ("id",)
    members: dict[str, Any] = _attributes(node, names)
    return _read_members(node, element.class_name, members, depth - 1)


def _attributes(node: Node, names: tuple[str, ...]) -> dict[str, str]:
    attributes = {str(name): str(value) for name, value in node.items()}
    for name in attributes:
        if name not in names:
            raise _refuse(node, f"'{_name(node)}' has no attribute '{name}'.")
    return attributes


def _read_primitive(node: Node, element: Element, members: dict[str, Any], depth: int) -> bool:
    """Put a value and its extensions into `members`; tell whether they belong to lists, which must be aligned."""
    if element.type_code == "xhtml":
        _put(node, element, members, etree.tostring(node, encoding="unicode", with_tail=False))
        return False
    attributes: dict[str, Any] = _attributes(node, ("id", "value"))
    text = attributes.pop("value", None)
    extension = _read_members(node, "Element", attributes, depth - 1) if len(node) else attributes
    if text is None and not extension:
        raise _refuse(node, f"'{element.name}' has neither a value nor an extension.")
    value = _VALUES.get(element.type_code, str)(text) if text is not None else None
    if element.is_list or text is not None:
        _put(node, element, members, value)
    if not extension:
        return False
    if not element.is_list:
        members["_" + element.name] = extension
        return False
    extensions = members.setdefault("_" + element.name, [])
    extensions.extend([None] * (len(members[element.name]) - 1 - len(extensions)))
    extensions.append(extension)
    return True


def _align(members: dict[str, Any]) -> None:
    """Fill the arrays of extensions up to their values; an array of values that holds none goes."""
    for name in [name for name, value in members.items() if name.startswith("_") and isinstance(value, list)]:
        values = members[name[1:]]
        members[name].extend([None] * (len(values) - len(members[name])))
        if not any(value is not None for value in values):
            del members[name[1:]]


def _integer(text: str) -> int | str:
    return int(text) if _INTEGER.fullmatch(text) else text


def _decimal(text: str) -> Decimal | int | str:
    if not _DECIMAL.fullmatch(text):
        return text
    return int(text) if _INTEGER.fullmatch(text) and text != "-0" else Decimal(text)


def _boolean(text: str) -> bool | str:
    return text == "true" if text in ("true", "false") else text


_VALUES: Final[Mapping[str, Callable[[str], Any]]] = {
    "boolean": _boolean,
    "decimal": _decimal,
    "integer": _integer,
    "positiveInt": _integer,
    "unsignedInt": _integer,
}


def format(resource: Mapping[str, Any]) -> bytes:  # noqa: A001 - read as fhir_xml.format
    """Write a valid resource as XML, elements in the order of their definition."""
    parts = ['<?xml version="1.0" encoding="UTF-8"?>']
    _write_resource(resource, parts, ' xmlns="http://hl7.org/fhir"')
    return "".join(parts).encode()


def pretty(content: bytes) -> bytes:
    """Indent XML that `format` wrote; narratives stay as they are, as white space counts there."""
    try:
        is_large = len(content) > LARGE_BYTES
        parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=is_large)
        root = etree.fromstring(content, parser)
    except etree.XMLSyntaxError:
        return content  # A narrative of more levels than the parser takes.
    _indent(root, "\n")
    return etree.tostring(root, encoding="UTF-8", xml_declaration=True)


def _indent(node: Node, outer: str) -> None:
    inner = outer + "  "
    if not str(node.tag).startswith(FHIR) or not len(node):
        return
    node.text = inner
    for child in node:
        _indent(child, inner)
        child.tail = inner
    child.tail = outer


def _write_resource(resource: Mapping[str, Any], parts: list[str], namespace: str = "") -> None:
    name = resource["resourceType"]
    parts.append(f"<{name}{namespace}>")
    _write_members(resource, name, parts)
    parts.append(f"</{name}>")


def _write_members(members: Mapping[str, Any], class_name: str, parts: list[str]) -> None:
    facts = structure(class_name)
    present = {name.removeprefix("_") for name in members}
    is_resource = facts.kind == "resource"
    for name in sorted(present & facts.elements.keys(), key=lambda name: facts.elements[name].order):
        element = facts.elements[name]
        if not is_resource and (name == "id" or (name == "url" and class_name == "Extension")):
            continue  # Attributes.
        if element.is_primitive:
            _write_primitives(element, members, parts)
        else:
            values = members[name]
            for value in values if element.is_list else (values,):
                _write_object(value, element, parts)


def _write_object(value: Mapping[str, Any], element: Element, parts: list[str]) -> None:
    parts.append(f"<{element.name}")
    if element.type_code == "Resource":
        parts.append(">")
        _write_resource(value, parts)
    else:
        _write_attribute("id", value.get("id"), parts)
        if element.type_code == "Extension":
            _write_attribute("url", value.get("url"), parts)
        parts.append(">")
        _write_members(value, element.class_name, parts)
    parts.append(f"</{element.name}>")


def _write_primitives(element: Element, members: Mapping[str, Any], parts: list[str]) -> None:
    value, extension = members.get(element.name), members.get("_" + element.name)
    if element.type_code == "xhtml":
        parts.append(value or "")
    elif element.is_list:
        for one, other in zip_longest(value or (), extension or ()):
            _write_primitive(element.name, one, other, parts)
    else:
        _write_primitive(element.name, value, extension, parts)


def _write_primitive(name: str, value: Any, extension: Mapping[str, Any] | None, parts: list[str]) -> None:
    parts.append(f"<{name}")
    if extension:
        _write_attribute("id", extension.get("id"), parts)
    _write_attribute("value", value, parts)
    if not extension:
        parts.append("/>")
        return
    parts.append(">")
    _write_members(extension, "Element", parts)
    parts.append(f"</{name}>")


def _write_attribute(name: str, value: Any, parts: list[str]) -> None:
    if value is None:
        return
    text = str(value) if not isinstance(value, bool) else str(value).lower()
    if _SPECIAL.search(text):
        text = _SPECIAL.sub(lambda match: _ESCAPES.get(match[0], "\ufffd"), text)
    parts.append(f' {name}="{text}"')
