"""Reading forms: urlencoded, small, in order and with repetitions.

Spec: https://url.spec.whatwg.org/#application/x-www-form-urlencoded
"""

from collections.abc import Iterable
from urllib.parse import parse_qsl

from starlette.requests import Request

from fhir_server.smart.refusal import OAuthRefusal

_LIMIT_BYTES = 65_536
_LIMIT_FIELDS = 100


async def form_pairs(request: Request) -> list[tuple[str, str]]:
    """Return the fields of a posted form; raises OAuthRefusal `invalid_request` for what is no small form."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/x-www-form-urlencoded":
        raise OAuthRefusal("invalid_request", "Post application/x-www-form-urlencoded.", 415)
    return text_pairs((await small_body(request)).decode("utf-8", "replace"))


async def small_body(request: Request, limit_bytes: int = _LIMIT_BYTES) -> bytes:
    """Return the body of a request; raises OAuthRefusal (413) when it is larger than any form of ours."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit_bytes:
            raise OAuthRefusal("invalid_request", "The form is too large.", 413)
    return bytes(body)


def text_pairs(text: str) -> list[tuple[str, str]]:
    """Return the fields of an urlencoded text; raises OAuthRefusal `invalid_request` when there are too many."""
    try:
        return parse_qsl(text, keep_blank_values=True, max_num_fields=_LIMIT_FIELDS, errors="replace")
    except ValueError as error:
        raise OAuthRefusal("invalid_request", "The form has too many fields.", 413) from error


def last_values(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return the fields of a form of ours, in which none is repeated but checkboxes."""
    return dict(pairs)
