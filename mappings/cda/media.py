"""ED with a file inside to Attachment. Spec: datatypes.html#attachment; RFC 4648 (base64), RFC 1951 (deflate)."""

import base64
import binascii
import re
import zlib

from mappings.cda.xml import MAX_BYTES, Element, child
from mappings.context import Context
from mappings.fhir import Json, compact

# HL7 CompressionAlgorithm: the window that zlib needs for each.
_WINDOWS = {"DF": -15, "ZL": 15, "GZ": 31}
_MEDIA_TYPE = re.compile(r"[\w.+-]+/[\w.+-]+")


def attachment(element: Element, context: Context) -> Json:
    """Convert an ED to an Attachment with data or url; empty when it holds neither."""
    media_type = (element.get("mediaType") or "text/plain").strip()
    if not _MEDIA_TYPE.fullmatch(media_type):
        context.report("warning", "value", f"'{media_type}' is no media type.", element)
        media_type = "application/octet-stream"
    language = (element.get("language") or "").strip()
    content = {"contentType": media_type, "language": language}
    text = "".join(map(str, element.itertext()))
    if element.get("representation") == "B64":
        data = _base64(text, element, context)
        return compact(content | {"data": _decompressed(data, element, context) if data else None})
    reference = child(element, "reference")
    url = (reference.get("value") or "").strip() if reference is not None else ""
    if url and not url.startswith("#") and not re.search(r"\s", url):
        return compact(content | {"url": url})
    if text.strip():
        return compact(content | {"data": base64.b64encode(text.encode()).decode("ascii")})
    return {}


def _decompressed(data: str, element: Element, context: Context) -> str | None:
    """Undo the deflate, zlib or gzip of an ED, within the bound of a whole document."""
    window = _WINDOWS.get(element.get("compression") or "")
    if window is None:
        return data
    inflate = zlib.decompressobj(window)
    try:
        file = inflate.decompress(base64.b64decode(data), MAX_BYTES)
    except zlib.error:
        note = f"A file said to be compressed ({element.get('compression')}) is not: it was carried over as it is."
        context.report("warning", "value", note, element)
        return data
    if inflate.unconsumed_tail:
        context.report("error", "too-costly", f"A compressed file holds more than {MAX_BYTES} bytes.", element)
        return None
    return base64.b64encode(file).decode("ascii")


def _base64(text: str, element: Element, context: Context) -> str | None:
    """Give base64 without line breaks; what is not base64 is mended when it can be, else reported as lost."""
    data = "".join(text.split())
    try:
        binascii.a2b_base64(data, strict_mode=True)
        return data
    except ValueError:
        pass
    try:
        mended = base64.b64encode(binascii.a2b_base64(data.encode("ascii", "ignore") + b"==")).decode("ascii")
    except ValueError:
        mended = ""
    if mended:
        context.report("warning", "value", "A base64 file had characters or padding that are wrong: mended.", element)
        return mended
    context.report("error", "value", "A file that is not base64 could not be carried over.", element)
    return None
