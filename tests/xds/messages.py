"""Messages of XDS.b, as establishment software writes them; every value is made up."""

import hashlib
from dataclasses import dataclass, field

REPOSITORY = "1.2.250.1.999.1.1.8121"
INS = "279035121518989"
INS_OID = "1.2.250.1.213.1.4.10"
PATIENT_ID = f"{INS}^^^&amp;{INS_OID}&amp;ISO^NH"
PDF = b"%PDF-1.4\r\n\x00\xff--not-the-boundary\r\n%%EOF"
NAMESPACES = (
    'xmlns:rim="urn:oasis:names:tc:ebxml-regrep:xsd:rim:3.0" xmlns:lcm="urn:oasis:names:tc:ebxml-regrep:xsd:lcm:3.0" '
    'xmlns:query="urn:oasis:names:tc:ebxml-regrep:xsd:query:3.0" xmlns:xds="urn:ihe:iti:xds-b:2007" '
    'xmlns:xop="http://www.w3.org/2004/08/xop/include"'
)
CODES = {
    "urn:uuid:41a5887f-8865-4c09-adf7-e362475b143a": ("10", "1.2.250.1.213.1.1.4.1", "Compte rendu"),
    "urn:uuid:a09d5840-386c-46f2-b5ad-9c3699a4309d": ("urn:ihe:iti:xds-sd:pdf:2008", "1.3.6.1.4.1.19376.1.2.3", "PDF"),
    "urn:uuid:f33fb8ac-18af-42cc-ae0e-ed0b0bdb91e1": ("SA07", "1.2.250.1.71.4.2.4", "Cabinet individuel"),
    "urn:uuid:cccf5598-8b07-4b77-a05e-ae952c785ead": ("AMBULATOIRE", "1.2.250.1.213.1.1.4.9", "Ambulatoire"),
    "urn:uuid:f0306f51-975f-434e-a61c-c59651d33983": ("11488-4", "2.16.840.1.113883.6.1", "CR de consultation"),
}
AUTHOR = """
<rim:Classification classificationScheme="{scheme}" classifiedObject="{owner}" nodeRepresentation="" id="a-{owner}">
  <rim:Slot name="authorInstitution"><rim:ValueList>
    <rim:Value>Laboratoire Horizon^^^^^&amp;1.2.250.1.71.4.2.2&amp;ISO^IDNST^^^1750100125</rim:Value>
  </rim:ValueList></rim:Slot>
  <rim:Slot name="authorPerson"><rim:ValueList>
    <rim:Value>899700000001^MARTIN^Claire^^^^^^&amp;1.2.250.1.71.4.2.1&amp;ISO^D^^^IDNPS</rim:Value>
  </rim:ValueList></rim:Slot>
  <rim:Slot name="authorSpecialty"><rim:ValueList>
    <rim:Value>G15_10/SM54^Médecin - Médecine générale^1.2.250.1.213.1.1.4.5</rim:Value>
  </rim:ValueList></rim:Slot>
</rim:Classification>"""


@dataclass
class Document:
    """One document to submit; what is not told has a usual value."""

    unique_id: str
    entry_id: str = "Document01"
    content: bytes = PDF
    patient_id: str = PATIENT_ID
    labels: tuple[str, ...] = ("N",)
    codes: dict[str, tuple[str, str, str]] = field(default_factory=lambda: dict(CODES))
    slots: dict[str, str] = field(default_factory=dict)
    mime_type: str = "application/pdf"
    logical_id: str = ""

    def slot_values(self) -> dict[str, str]:
        """Return every slot of the entry."""
        return {
            "creationTime": "20261103093000",
            "hash": hashlib.sha1(self.content).hexdigest(),
            "languageCode": "fr-FR",
            "legalAuthenticator": "899700000001^MARTIN^Claire^^^^^^&amp;1.2.250.1.71.4.2.1&amp;ISO^D^^^IDNPS",
            "serviceStartTime": "20261103090000",
            "size": str(len(self.content)),
            "sourcePatientId": "1234^^^&amp;1.2.250.1.999.7&amp;ISO^PI",
            "sourcePatientInfo": "PID-5|DUPONT^Dominique^^^^^L",
            **self.slots,
        }

    def xml(self) -> str:
        """Write the ExtrinsicObject."""
        labels = [
            ("urn:uuid:f4f85eac-e6cb-4883-b524-f2705394840f", (label, system_of(label), label)) for label in self.labels
        ]
        codes = "".join(
            code_xml(scheme, self.entry_id, code, index)
            for index, (scheme, code) in enumerate([*self.codes.items(), *labels])
        )
        slots = "".join(slot_xml(name, value) for name, value in self.slot_values().items() if value)
        logical = f' lid="{self.logical_id}"' if self.logical_id else ""
        return f"""
<rim:ExtrinsicObject id="{self.entry_id}"{logical} mimeType="{self.mime_type}"
    objectType="urn:uuid:7edca82f-054d-47f2-a032-9b2a5b5186c1">
  {slots}
  <rim:Name><rim:LocalizedString value="Compte rendu de consultation"/></rim:Name>
  {AUTHOR.format(scheme="urn:uuid:93606bcf-9494-43ec-9b4e-a7748d1a838d", owner=self.entry_id)}
  {codes}
  {identifier_xml("urn:uuid:58a6f841-87b3-4a3e-92fd-a8ffeff98427", self.entry_id, self.patient_id)}
  {identifier_xml("urn:uuid:2e82c1f6-a085-4c72-9da3-8640a32e42ab", self.entry_id, self.unique_id)}
</rim:ExtrinsicObject>"""


def system_of(label: str) -> str:
    """Return the code system of a confidentiality code."""
    return "2.16.840.1.113883.5.25" if label in ("N", "R", "V") else "1.2.250.1.213.1.1.4.13"


def slot_xml(name: str, *values: str) -> str:
    """Write a slot."""
    inside = "".join(f"<rim:Value>{value}</rim:Value>" for value in values)
    return f'<rim:Slot name="{name}"><rim:ValueList>{inside}</rim:ValueList></rim:Slot>'


def code_xml(scheme: str, owner: str, code: tuple[str, str, str], index: int) -> str:
    """Write a classification."""
    return (
        f'<rim:Classification id="c-{owner}-{index}" classificationScheme="{scheme}" classifiedObject="{owner}" '
        f'nodeRepresentation="{code[0]}">{slot_xml("codingScheme", code[1])}'
        f'<rim:Name><rim:LocalizedString value="{code[2]}"/></rim:Name></rim:Classification>'
    )


def identifier_xml(scheme: str, owner: str, value: str) -> str:
    """Write an external identifier."""
    return (
        f'<rim:ExternalIdentifier id="e-{owner}-{scheme[-4:]}" identificationScheme="{scheme}" '
        f'registryObject="{owner}" value="{value}"/>'
    )


def association_xml(kind: str, source: str, target: str, **slots: str) -> str:
    """Write an association."""
    inside = "".join(slot_xml(name, value) for name, value in slots.items())
    return (
        f'<rim:Association id="as-{source}-{target}" associationType="{kind}" sourceObject="{source}" '
        f'targetObject="{target}">{inside}</rim:Association>'
    )


HAS_MEMBER = "urn:oasis:names:tc:ebxml-regrep:AssociationType:HasMember"


def submission_set_xml(unique_id: str, patient_id: str = PATIENT_ID) -> str:
    """Write the RegistryPackage of a submission set."""
    scheme = "urn:uuid:aa543740-bdda-424e-8c96-df4873be8500"
    return f"""
<rim:RegistryPackage id="SubmissionSet01">
  {slot_xml("submissionTime", "20261103094500")}
  <rim:Name><rim:LocalizedString value="Consultation"/></rim:Name>
  {AUTHOR.format(scheme="urn:uuid:a7058bb9-b4e4-4307-ba5b-e3f0ab85e12d", owner="SubmissionSet01")}
  {code_xml(scheme, "SubmissionSet01", ("07", "1.2.250.1.213.2.2", "Consultation"), 0)}
  {identifier_xml("urn:uuid:96fdda7c-d067-4183-912e-bf5ee74998a8", "SubmissionSet01", unique_id)}
  {identifier_xml("urn:uuid:554ac39e-e3fe-47fe-b233-965d2a147832", "SubmissionSet01", "1.2.250.1.999.1.1.7898")}
  {identifier_xml("urn:uuid:6b5aea1a-874d-4603-a4bc-96a0a7b38446", "SubmissionSet01", patient_id)}
</rim:RegistryPackage>
<rim:Classification id="n1" classifiedObject="SubmissionSet01"
    classificationNode="urn:uuid:a54d6aa5-d40d-43f9-88c5-b4633d873bdd"/>"""


def objects_xml(*documents: Document, set_id: str, associations: str = "", patient_id: str = PATIENT_ID) -> str:
    """Write a SubmitObjectsRequest."""
    members = "".join(
        association_xml(HAS_MEMBER, "SubmissionSet01", one.entry_id, SubmissionSetStatus="Original")
        for one in documents
    )
    entries = "".join(one.xml() for one in documents)
    return (
        f"<lcm:SubmitObjectsRequest {NAMESPACES}><rim:RegistryObjectList>{entries}"
        f"{submission_set_xml(set_id, patient_id)}{members}{associations}"
        "</rim:RegistryObjectList></lcm:SubmitObjectsRequest>"
    )


def provide_xml(*documents: Document, set_id: str, associations: str = "", inside: str | None = None) -> str:
    """Write a ProvideAndRegisterDocumentSetRequest whose documents are parts; `inside` stands for them when given."""
    parts = "".join(
        f'<xds:Document id="{one.entry_id}"><xop:Include href="cid:{one.entry_id}@test"/></xds:Document>'
        for one in documents
    )
    objects = objects_xml(*documents, set_id=set_id, associations=associations)
    return (
        f"<xds:ProvideAndRegisterDocumentSetRequest {NAMESPACES}>{objects}"
        f"{parts if inside is None else inside}</xds:ProvideAndRegisterDocumentSetRequest>"
    )


def query_xml(query_id: str, return_type: str = "LeafClass", **slots: str | tuple[str, ...]) -> str:
    """Write an AdhocQueryRequest; the names of slots are without their `$`."""
    inside = "".join(
        slot_xml(f"${name}", *((values,) if isinstance(values, str) else values)) for name, values in slots.items()
    )
    return (
        f"<query:AdhocQueryRequest {NAMESPACES}>"
        f'<query:ResponseOption returnComposedObjects="true" returnType="{return_type}"/>'
        f'<rim:AdhocQuery id="{query_id}">{inside}</rim:AdhocQuery></query:AdhocQueryRequest>'
    )


def retrieve_xml(*unique_ids: str, repository: str = REPOSITORY) -> str:
    """Write a RetrieveDocumentSetRequest."""
    asked = "".join(
        f"<xds:DocumentRequest><xds:RepositoryUniqueId>{repository}</xds:RepositoryUniqueId>"
        f"<xds:DocumentUniqueId>{unique_id}</xds:DocumentUniqueId></xds:DocumentRequest>"
        for unique_id in unique_ids
    )
    return f"<xds:RetrieveDocumentSetRequest {NAMESPACES}>{asked}</xds:RetrieveDocumentSetRequest>"


def envelope(body: str, action: str, assertion: str = "") -> bytes:
    """Write a SOAP 1.2 message."""
    security = (
        '<wsse:Security xmlns:wsse="http://docs.oasis-open.org/wss/2004/01/'
        f'oasis-200401-wss-wssecurity-secext-1.0.xsd">{assertion}</wsse:Security>'
    )
    return (
        '<soap:Envelope xmlns:soap="http://www.w3.org/2003/05/soap-envelope" '
        'xmlns:wsa="http://www.w3.org/2005/08/addressing"><soap:Header>'
        f'<wsa:Action soap:mustUnderstand="true">{action}</wsa:Action><wsa:MessageID>urn:uuid:1</wsa:MessageID>'
        f"{security if assertion else ''}</soap:Header><soap:Body>{body}</soap:Body></soap:Envelope>"
    ).encode()


def related(message: bytes, parts: dict[str, bytes], boundary: str = "MIME_boundary_7") -> tuple[str, bytes]:
    """Return the Content-Type and the body of a message with MTOM parts."""
    pieces = [
        f'--{boundary}\r\nContent-Type: application/xop+xml; charset=UTF-8; type="application/soap+xml"\r\n'
        "Content-Transfer-Encoding: binary\r\nContent-ID: <root@test>\r\n\r\n".encode()
        + message
    ]
    for name, content in parts.items():
        head = f"--{boundary}\r\nContent-Type: application/pdf\r\nContent-Transfer-Encoding: binary\r\n"
        pieces.append(f"{head}Content-ID: <{name}>\r\n\r\n".encode() + content)
    body = b"\r\n".join([*pieces, f"--{boundary}--\r\n".encode()])
    return (
        f'multipart/related; boundary="{boundary}"; type="application/xop+xml"; start="<root@test>"; '
        'start-info="application/soap+xml"'
    ), body
