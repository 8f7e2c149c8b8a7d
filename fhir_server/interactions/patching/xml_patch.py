"""XML Patch: a `<diff>` of add, replace and remove, done to the resource as XML.

Spec: RFC 5261, http.html#patch
"""

from collections.abc import Callable
from copy import deepcopy
from typing import Final

from lxml import etree

from fhir_server.foundation import fhir_xml
from fhir_server.foundation.operation_outcome import BadRequest, Unparsable, Unprocessable
from fhir_server.interactions.patching.change import Change, Inapplicable, Looks, Resource
from fhir_server.interactions.patching.xml_path import Node, Selector, read_selector, select

OPERATIONS_MAXIMUM: Final = 1_000
POSITIONS: Final = ("", "prepend", "before", "after")

Step = Callable[[Node, Looks], None]


def xml_patch(content: bytes) -> Change:
    """Return what an XML Patch does. Raises BadRequest for a document that is no patch."""
    root = _parse(content)
    if _local(root) != "diff":
        raise BadRequest(f"An XML Patch is a diff, and this is a {_local(root)[:80]}.")
    if len(root) > OPERATIONS_MAXIMUM:
        raise BadRequest(f"A patch has at most {OPERATIONS_MAXIMUM} operations.")
    steps = [_read(operation) for operation in root]

    def change(resource: Resource) -> Resource:
        tree = _parse(fhir_xml.format(resource))
        looks = Looks()
        for step in steps:
            step(tree, looks)
        try:
            return fhir_xml.parse(etree.tostring(tree))
        except Unparsable as refusal:
            raise Unprocessable(f"What the patch makes is no resource. {refusal}") from None

    return change


def _parse(content: bytes) -> Node:
    if b"<!DOCTYPE" in content or b"\x00" in content:
        raise Unparsable("The body declares a document type, or is not UTF-8: send UTF-8 XML without a DTD.")
    parser = etree.XMLParser(
        encoding="utf-8", resolve_entities=False, no_network=True, load_dtd=False, remove_comments=True, remove_pis=True
    )
    try:
        return etree.fromstring(content, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise Unparsable(f"The body is no XML: {str(error)[:200]}.") from None


def _local(node: Node) -> str:
    return str(node.tag).rpartition("}")[2]


def _read(operation: Node) -> Step:
    selector = read_selector(operation.get("sel") or "", operation.nsmap)
    match _local(operation):
        case "add":
            return _read_add(operation, selector)
        case "replace":
            return _read_replace(operation, selector)
        case "remove":
            return lambda root, looks: _remove(root, selector, looks)
    raise BadRequest(f"A diff holds add, replace and remove, and not {_local(operation)[:80]}.")


def _read_add(operation: Node, selector: Selector) -> Step:
    kind, position = operation.get("type") or "", operation.get("pos") or ""
    if selector.attribute or position not in POSITIONS:
        raise BadRequest(f"sel={selector.text!r}: an add names an element, and pos is prepend, before or after.")
    if kind.startswith("@") and kind != "@":
        value = operation.text or ""
        return lambda root, looks: _add_attribute(select(root, selector, looks), kind[1:], value)
    if kind or not len(operation):
        raise BadRequest(f"sel={selector.text!r}: an add holds elements, or has the type @attribute.")
    return lambda root, looks: _add(select(root, selector, looks), operation, position, selector)


def _read_replace(operation: Node, selector: Selector) -> Step:
    if selector.attribute:
        value = operation.text or ""
        return lambda root, looks: _replace_attribute(select(root, selector, looks), selector, value)
    if len(operation) != 1:
        raise BadRequest(f"sel={selector.text!r}: a replace of an element holds one element.")
    return lambda root, looks: _replace(root, selector, operation[0], looks)


def _add_attribute(node: Node, name: str, value: str) -> None:
    if name in node.attrib:
        raise Inapplicable(f"{_local(node)} has the attribute {name[:80]} already: replace it.")
    try:
        node.set(name, value)
    except ValueError:
        raise BadRequest(f"{name[:80]!r} is no name of an attribute.") from None


def _add(node: Node, operation: Node, position: str, selector: Selector) -> None:
    added = [deepcopy(child) for child in operation]
    parent = node.getparent()
    if position in ("", "prepend"):
        node[:] = [*added, *node] if position else [*node, *added]
    elif parent is None:
        raise Inapplicable(f"sel={selector.text!r}: nothing stands beside the resource itself.")
    else:
        start = parent.index(node) + (position == "after")
        parent[start:start] = added


def _replace_attribute(node: Node, selector: Selector, value: str) -> None:
    _check_attribute(node, selector)
    node.set(selector.attribute, value)


def _replace(root: Node, selector: Selector, element: Node, looks: Looks) -> None:
    node = select(root, selector, looks)
    parent = node.getparent()
    if parent is None:
        raise Inapplicable("A patch does not replace the whole resource: update it.")
    parent.replace(node, deepcopy(element))


def _remove(root: Node, selector: Selector, looks: Looks) -> None:
    node = select(root, selector, looks)
    parent = node.getparent()
    if selector.attribute:
        _check_attribute(node, selector)
        del node.attrib[selector.attribute]
    elif parent is None:
        raise Inapplicable("A patch does not remove the whole resource: delete it.")
    else:
        parent.remove(node)


def _check_attribute(node: Node, selector: Selector) -> None:
    if selector.attribute not in node.attrib:
        raise Inapplicable(f"sel={selector.text!r}: the element has no such attribute.")
