"""The language of a page: asked by a link, kept in a cookie, or preferred by the browser; French otherwise.

Spec: https://www.rfc-editor.org/rfc/rfc9110#section-12.5.4
"""

from starlette.requests import Request

LANGUAGES = {"fr": "Français", "en": "English"}
_DEFAULT = "fr"


def language_of(request: Request) -> str:
    """Return "fr" or "en"."""
    for asked in (request.query_params.get("lang"), request.cookies.get("lang")):
        if asked in LANGUAGES:
            return asked
    wanted = [request.query_params.get("ui_locales", "").replace(" ", ","), request.headers.get("accept-language", "")]
    return next((code for text in wanted for code in _preferred(text) if code in LANGUAGES), _DEFAULT)


def _preferred(text: str) -> list[str]:
    ranked = []
    for position, item in enumerate(text[:500].split(",")):
        tag, _, weight = item.partition(";q=")
        ranked.append((-_number(weight), position, tag.strip().partition("-")[0].lower()))
    return [code for weight, _, code in sorted(ranked) if weight < 0]


def _number(weight: str) -> float:
    try:
        return float(weight) if weight else 1.0
    except ValueError:
        return 0.0
