"""Answers: pages that no other site may frame or read, redirects, and JSON that no cache keeps.

Spec: https://www.w3.org/TR/CSP3/, https://www.rfc-editor.org/rfc/rfc6749#section-5.1
"""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import msgspec
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import Response

from fhir_server.asgi.pages.language import LANGUAGES, language_of
from fhir_server.asgi.pages.texts import TEXTS

NOT_KEPT = {"Cache-Control": "no-store", "Pragma": "no-cache"}
_HEADERS = {**NOT_KEPT, "Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff"}
_SCRIPT = "script-src 'self'; "
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*:(//[A-Za-z0-9.:\[\]-]+)?", re.ASCII)
_templates = Environment(
    loader=PackageLoader("fhir_server.asgi.pages"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
)


def page(  # noqa: PLR0913 - the last three are rare, and named where they are used
    request: Request,
    template: str,
    values: Mapping[str, Any],
    *,
    status: int = 200,
    form_target: str = "",
    has_script: bool = False,
) -> Response:
    """Return a page in the reader's language; `form_target` is a redirect URI that its form may lead to.

    `values["page_path"]` and `["page_query"]` lead to the page by GET, where the request's own address does not.

    `has_script`: it has one of ours; every other page runs none.
    Browsers hold the redirect that answers a form to `form-action`, so that a client's address must be named there.
    """
    language = language_of(request)
    words = TEXTS[language]
    query = values.get("page_query", request.url.query if request.method == "GET" else None)
    path = values.get("page_path", "")
    switches = [] if query is None else [(code, name, path + _switch(query, code)) for code, name in LANGUAGES.items()]
    html = _templates.get_template(template).render(language=language, t=words, switches=switches, **values)
    policy = (
        f"default-src 'none'; {_SCRIPT if has_script else ''}style-src 'self'; img-src 'self'; base-uri 'none'; "
        "frame-ancestors 'none'; "
        f"form-action 'self' {_origin(form_target)}".rstrip()
    )
    headers = {**_HEADERS, "Content-Security-Policy": policy, "X-Frame-Options": "DENY", "Content-Language": language}
    response = Response(html, status, headers, "text/html; charset=utf-8")
    if request.query_params.get("lang") in LANGUAGES:
        response.set_cookie("lang", language, max_age=31_536_000, path="/", httponly=True, samesite="lax")
    return response


def redirect(location: str) -> Response:
    """Send the browser elsewhere with a GET; what was posted is not sent again."""
    return Response(status_code=303, headers={**_HEADERS, "Location": location})


def json(content: Mapping[str, Any], status: int = 200, headers: Mapping[str, str] = NOT_KEPT) -> Response:
    """Return a JSON object, by default one that no cache keeps."""
    return Response(msgspec.json.encode(content), status, dict(headers), "application/json")


def too_many(seconds: int) -> Response:
    """Tell a client to wait."""
    content = {"error": "temporarily_unavailable", "error_description": f"Too many calls: wait {seconds} seconds."}
    return json(content, 429, {**NOT_KEPT, "Retry-After": str(seconds)})


def _switch(query: str, language: str) -> str:
    """Return the address of a page in another language."""
    pairs = [pair for pair in parse_qsl(query, keep_blank_values=True) if pair[0] != "lang"]
    return "?" + urlencode([*pairs, ("lang", language)])


def _origin(uri: str) -> str:
    parts = urlsplit(uri)
    origin = f"{parts.scheme}://{parts.netloc}" if parts.scheme in ("http", "https") else f"{parts.scheme}:"
    return origin if _ORIGIN.fullmatch(origin) else ""
