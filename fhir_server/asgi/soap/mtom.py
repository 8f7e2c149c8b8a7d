"""MTOM: a SOAP message and the documents beside it, as the parts of one HTTP body.

Spec: https://www.w3.org/TR/soap12-mtom/, https://www.rfc-editor.org/rfc/rfc2387 (multipart/related)
"""

import base64
from collections.abc import Sequence
from email.message import Message
from typing import TYPE_CHECKING, Final

from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser

from fhir_server.xds.call import Attachment, SenderFault

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

XOP: Final = "application/xop+xml"
PARTS_MAXIMUM: Final = 200
Headers = dict[str, str]


def parameters_of(content_type: str) -> Headers:
    """Return the parameters of a Content-Type header by lower-case name, with the media type itself under ""."""
    message = Message()
    message["Content-Type"] = content_type
    found = message.get_params(failobj=[])
    first, *others = found if found else [("", "")]
    return {"": first[0].lower(), **{name.lower(): value for name, value in others}}


def content_id(text: str) -> str:
    """Return a Content-ID without its angle brackets."""
    return text.strip().removeprefix("<").removesuffix(">")


def parse_parts(content: bytes, content_type: Headers) -> tuple[bytes, dict[str, bytes]]:
    """Return the root part (the envelope) and the others by Content-ID. Raises SenderFault."""
    boundary = content_type.get("boundary", "")
    if not boundary:
        raise SenderFault("The Content-Type multipart/related has no boundary.")
    start = content_id(content_type.get("start", ""))
    others: dict[str, bytes] = {}
    root: bytes | None = None
    for headers, part in _split(content, boundary):
        name = content_id(headers.get("content-id", ""))
        if root is None and (not start or name == start):
            root = part
        elif name in others:
            raise SenderFault(f"Two parts have the Content-ID {name[:80]}.")
        elif name:
            others[name] = part
    if root is None:
        raise SenderFault("The message has no part, or none with the Content-ID of the start parameter.")
    return root, others


def _split(content: bytes, boundary: str) -> list[tuple[Headers, bytes]]:
    reading = _Reading()
    try:
        parser = MultipartParser(boundary, reading.callbacks())
        first = _first(content, boundary)
        parser.write(content[first:] if first else content)
        parser.finalize()
    except (MultipartParseError, ValueError):
        raise SenderFault("The parts of the message cannot be read: check the boundary and the line ends.") from None
    if reading.is_open:
        raise SenderFault("The message breaks off: its last boundary is missing.")
    return reading.parts


def _first(content: bytes, boundary: str) -> int:
    """Return where the first part begins: what stands before it is for software without MIME (RFC 2046, 5.1.1)."""
    delimiter = f"--{boundary}".encode("latin-1")
    return 0 if content.startswith(delimiter) else content.find(b"\n" + delimiter) + 1


class _Reading:
    """What the parser tells, piece by piece."""

    def __init__(self) -> None:
        self.parts: list[tuple[Headers, bytes]] = []
        self.is_open = True
        self._headers: Headers = {}
        self._name = b""
        self._value = b""
        self._data: list[bytes] = []

    def callbacks(self) -> "MultipartCallbacks":
        """Return what the parser calls."""
        return {
            "on_part_begin": self._begin,
            "on_part_data": lambda data, start, end: self._data.append(data[start:end]),
            "on_part_end": self._end,
            "on_header_field": self._field,
            "on_header_value": self._text,
            "on_header_end": self._header,
            "on_end": self._close,
        }

    def _begin(self) -> None:
        if len(self.parts) >= PARTS_MAXIMUM:
            raise SenderFault(f"The message has more than {PARTS_MAXIMUM} parts.")
        self._headers, self._data = {}, []

    def _field(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _text(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header(self) -> None:
        self._headers[self._name.decode("latin-1").lower()] = self._value.decode("latin-1").strip()
        self._name, self._value = b"", b""

    def _end(self) -> None:
        encoding = self._headers.get("content-transfer-encoding", "binary").lower()
        if encoding not in ("binary", "8bit", "7bit", "base64"):
            raise SenderFault(f"The Content-Transfer-Encoding {encoding[:40]} is not read: send the bytes as they are.")
        content = b"".join(self._data)
        self.parts.append((self._headers, _decoded(content) if encoding == "base64" else content))

    def _close(self) -> None:
        self.is_open = False


def _decoded(content: bytes) -> bytes:
    try:
        return base64.b64decode(content.translate(None, b"\r\n\t "), validate=True)
    except ValueError:
        raise SenderFault("A part said to be base64 is not.") from None


def format_parts(envelope: bytes, attachments: Sequence[Attachment], boundary: str) -> tuple[str, bytes]:
    """Return the Content-Type and the body of an answer with attachments; `boundary` occurs in none of them."""
    start = f"envelope@{boundary}"
    root = f'Content-Type: {XOP}; charset=UTF-8; type="application/soap+xml"\r\nContent-ID: <{start}>'
    pieces = [_part(boundary, root, envelope)]
    for one in attachments:
        headers = f"Content-Type: {one.media_type}\r\nContent-ID: <{one.content_id}>"
        pieces.append(_part(boundary, headers, one.content))
    content_type = (
        f'multipart/related; boundary="{boundary}"; type="{XOP}"; start="<{start}>"; start-info="application/soap+xml"'
    )
    return content_type, b"".join([*pieces, f"--{boundary}--\r\n".encode()])


def _part(boundary: str, headers: str, content: bytes) -> bytes:
    head = f"--{boundary}\r\n{headers}\r\nContent-Transfer-Encoding: binary\r\n\r\n"
    return b"".join((head.encode(), content, b"\r\n"))
