"""ebRIM registry objects: XML elements to plain values and back.

Source: ebRIM 3.0; IHE ITI TF-3, 4.2.1 and 4.2.3.1 (how XDS uses slots, classifications and external identifiers).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from lxml import etree

from mappings.xds.vocabulary import RIM

Element = etree._Element

_NAMESPACES = {"rim": RIM[1:-1]}
_XML_LANG = "{http://www.w3.org/XML/1998/namespace}lang"


class MetadataRefused(Exception):
    """The metadata do not follow XDS; `object_id` names the object, `code` is XDS's own (errors of TF-3, 4.2.4.1)."""

    def __init__(self, text: str, object_id: str = "", code: str = "XDSRegistryMetadataError") -> None:
        super().__init__(text)
        self.object_id = object_id
        self.code = code


@dataclass(frozen=True, slots=True)
class Classification:
    """A code of a scheme, or what describes an author (then `code` is empty and the slots say who)."""

    scheme: str
    code: str = ""
    name: str = ""
    slots: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RegistryObject:
    """A document entry, a submission set, a folder or an association.

    `kind` is the element's local name. `nodes` are the classification nodes that a package belongs to; `identifiers`
    are the external identifiers by scheme; what is absent is empty.
    """

    kind: str
    object_id: str
    logical_id: str = ""
    status: str = ""
    version: str = ""
    object_type: str = ""
    mime_type: str = ""
    name: str = ""
    description: str = ""
    association_type: str = ""
    source: str = ""
    target: str = ""
    slots: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    classifications: tuple[Classification, ...] = ()
    nodes: tuple[str, ...] = ()
    identifiers: Mapping[str, str] = field(default_factory=dict)

    def slot(self, name: str) -> str:
        """Give the first value of a slot, or ""."""
        return next(iter(self.slots.get(name, ())), "")

    def classified(self, scheme: str) -> tuple[Classification, ...]:
        """Give the classifications of one scheme, in order."""
        return tuple(one for one in self.classifications if one.scheme == scheme)


def parse_objects(parent: Element) -> list[RegistryObject]:
    """Read the registry objects of a RegistryObjectList, with the classifications that stand beside them."""
    apart: dict[str, list[str]] = {}
    for element in parent.iterchildren(f"{RIM}Classification"):
        apart.setdefault(element.get("classifiedObject", ""), []).append(element.get("classificationNode", ""))
    kinds = (f"{RIM}ExtrinsicObject", f"{RIM}RegistryPackage", f"{RIM}Association")
    return [_parse(element, apart) for element in parent.iterchildren(kinds)]


def _parse(element: Element, apart: Mapping[str, list[str]]) -> RegistryObject:
    object_id = element.get("id", "").strip()
    inside = list(element.iterchildren(f"{RIM}Classification"))
    schemed = [found for found in inside if found.get("classificationScheme")]
    nodes = [node for found in inside if (node := found.get("classificationNode"))]
    version = element.find(f"{RIM}VersionInfo")
    return RegistryObject(
        kind=etree.QName(element).localname,
        object_id=object_id,
        logical_id=element.get("lid", "").strip(),
        status=element.get("status", "").strip(),
        version=version.get("versionName", "") if version is not None else "",
        object_type=element.get("objectType", "").strip(),
        mime_type=element.get("mimeType", "").strip(),
        name=_localized(element, "Name"),
        description=_localized(element, "Description"),
        association_type=element.get("associationType", "").strip(),
        source=element.get("sourceObject", "").strip(),
        target=element.get("targetObject", "").strip(),
        slots=parse_slots(element),
        classifications=tuple(_classification(found) for found in schemed),
        nodes=(*nodes, *apart.get(object_id, ())),
        identifiers={
            found.get("identificationScheme", ""): found.get("value", "").strip()
            for found in element.iterchildren(f"{RIM}ExternalIdentifier")
        },
    )


def _classification(element: Element) -> Classification:
    code = element.get("nodeRepresentation", "").strip()
    return Classification(
        element.get("classificationScheme", ""), code, _localized(element, "Name"), parse_slots(element)
    )


def parse_slots(element: Element) -> dict[str, tuple[str, ...]]:
    """Read the slots of an element; several of the same name are one."""
    found: dict[str, tuple[str, ...]] = {}
    for slot in element.iterchildren(f"{RIM}Slot"):
        values = [(value.text or "").strip() for value in slot.iter(f"{RIM}Value")]
        name = slot.get("name", "")
        found[name] = (*found.get(name, ()), *(value for value in values if value))
    return found


def _localized(element: Element, name: str) -> str:
    found = element.find(f"{RIM}{name}/{RIM}LocalizedString")
    return found.get("value", "").strip() if found is not None else ""


def format_object(one: RegistryObject) -> Element:
    """Write a registry object, its parts in the order of the schema."""
    attributes = {
        "id": one.object_id,
        "lid": one.logical_id,
        "objectType": one.object_type,
        "status": one.status,
        "mimeType": one.mime_type,
        "associationType": one.association_type,
        "sourceObject": one.source,
        "targetObject": one.target,
    }
    element = etree.Element(f"{RIM}{one.kind}", {name: text for name, text in attributes.items() if text}, _NAMESPACES)
    _write_slots(element, one.slots)
    _write_localized(element, "Name", one.name)
    _write_localized(element, "Description", one.description)
    if one.version:
        etree.SubElement(element, f"{RIM}VersionInfo", versionName=one.version)
    for index, classification in enumerate(one.classifications):
        _write_classification(element, classification, one.object_id, index)
    for index, node in enumerate(one.nodes):
        place = {"id": f"{one.object_id}-node-{index}", "classifiedObject": one.object_id, "classificationNode": node}
        etree.SubElement(element, f"{RIM}Classification", place)
    for index, (scheme, value) in enumerate(one.identifiers.items()):
        place = {"id": f"{one.object_id}-id-{index}", "registryObject": one.object_id}
        named = etree.SubElement(
            element, f"{RIM}ExternalIdentifier", {**place, "identificationScheme": scheme, "value": value}
        )
        _write_localized(named, "Name", _IDENTIFIER_NAMES.get(scheme, ""))
    return element


def _write_classification(element: Element, one: Classification, object_id: str, index: int) -> None:
    attributes = {
        "id": f"{object_id}-class-{index}",
        "classificationScheme": one.scheme,
        "classifiedObject": object_id,
        "nodeRepresentation": one.code,
    }
    written = etree.SubElement(element, f"{RIM}Classification", attributes)
    _write_slots(written, one.slots)
    _write_localized(written, "Name", one.name)


def _write_slots(element: Element, slots: Mapping[str, Iterable[str]]) -> None:
    for name, values in slots.items():
        held = [value for value in values if value]
        if held:
            values_of = etree.SubElement(etree.SubElement(element, f"{RIM}Slot", name=name), f"{RIM}ValueList")
            for value in held:
                etree.SubElement(values_of, f"{RIM}Value").text = value


def _write_localized(element: Element, name: str, text: str) -> None:
    if text:
        inside = etree.SubElement(element, f"{RIM}{name}")
        etree.SubElement(inside, f"{RIM}LocalizedString", {_XML_LANG: "fr-FR", "charset": "UTF-8", "value": text})


_IDENTIFIER_NAMES: Mapping[str, str] = {
    "urn:uuid:58a6f841-87b3-4a3e-92fd-a8ffeff98427": "XDSDocumentEntry.patientId",
    "urn:uuid:2e82c1f6-a085-4c72-9da3-8640a32e42ab": "XDSDocumentEntry.uniqueId",
    "urn:uuid:96fdda7c-d067-4183-912e-bf5ee74998a8": "XDSSubmissionSet.uniqueId",
    "urn:uuid:554ac39e-e3fe-47fe-b233-965d2a147832": "XDSSubmissionSet.sourceId",
    "urn:uuid:6b5aea1a-874d-4603-a4bc-96a0a7b38446": "XDSSubmissionSet.patientId",
    "urn:uuid:75df8f67-9973-4fbe-a900-df66cefecc5a": "XDSFolder.uniqueId",
    "urn:uuid:f64ffdf0-4b97-4e06-b79f-a52b38ec2f8a": "XDSFolder.patientId",
}
