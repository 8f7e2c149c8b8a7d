"""Call and Reply: one transaction of XDS without SOAP's envelope and without HTTP."""

from collections.abc import Mapping

import msgspec
from lxml import etree

from fhir_server.access.grant import Grant
from fhir_server.interactions.request import Runtime

Element = etree._Element


class SenderFault(Exception):
    """The message cannot be answered as it is: a SOAP fault whose code is Sender; `subcode` is a local name."""

    def __init__(self, reason: str, subcode: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.subcode = subcode


class Call(msgspec.Struct, frozen=True):
    """What is asked: `body` is the element inside the SOAP body, `attachments` the MIME parts by Content-ID.

    `repository` is the OID of this server as an XDS repository.
    """

    action: str
    body: Element
    grant: Grant
    runtime: Runtime
    repository: str
    base_url: str
    attachments: Mapping[str, bytes] = {}
    request_id: str = ""


class Attachment(msgspec.Struct, frozen=True):
    """A document that goes beside the XML of an answer."""

    content_id: str
    media_type: str
    content: bytes


class Reply(msgspec.Struct, frozen=True):
    """What is answered: an element for the SOAP body, and the documents that it includes by reference."""

    body: Element
    attachments: tuple[Attachment, ...] = ()
