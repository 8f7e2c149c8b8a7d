"""Text: the words of a resource, those of its narrative and those of all that it says.

Spec: search.html#content, narrative.html
"""

import html
import re
from collections.abc import Callable, Sequence
from typing import Any, Final

from fhir_server.search.index_row import TEXT
from fhir_server.search.types.string import fold
from fhir_server.search.types.value import Emit

NARRATIVE: Final = "_text"
CONTENT: Final = "_content"
WORDS: Final = frozenset({NARRATIVE, CONTENT})
UNREAD: Final = frozenset(
    ("data", "div", "hash", "id", "lastUpdated", "profile", "reference", "resourceType", "system", "url", "versionId")
)
"""Names of elements that say nothing in words: addresses, keys, bytes; the narrative is read as such."""
MAXIMUM_CHARACTERS: Final = 1_000_000
"""Choice: what a resource says beyond this is not found by its words."""
WITHOUT_WORDS: Final = frozenset({"AuditEvent"})
"""Choice: traces are found by who, what and when. Words would double what each access costs."""
_TAG: Final = re.compile(r"<[^>]*>")


def text_rows(resource: dict[str, Any], emit: Emit) -> None:
    """Write the words of a resource: what it contains, and what extensions say, among them."""
    if resource["resourceType"] in WITHOUT_WORDS:
        return
    narrative = resource.get("text")
    told = _words(_told(narrative.get("div", ""))) if isinstance(narrative, dict) else set[str]()
    if told:
        emit((TEXT, NARRATIVE, 0, " ".join(sorted(told))))
    said: list[str] = []
    _say(resource, said.append)
    words = told | _words(" ".join(said))
    if words:
        emit((TEXT, CONTENT, 0, " ".join(sorted(words))))


def _told(div: str) -> str:
    text = _TAG.sub(" ", div)
    return html.unescape(text) if "&" in text else text


def _words(text: str) -> set[str]:
    words: set[str] = set()
    for piece in {*text[:MAXIMUM_CHARACTERS].split()}:
        folded = fold(piece)
        if " " in folded:
            words.update(folded.split())
        elif folded:
            words.add(folded)
    return words


def _say(value: dict[str, Any], say: Callable[[str], None]) -> None:
    for name, inner in value.items():
        if name not in UNREAD:
            _say_each(inner if type(inner) is list else (inner,), say)


def _say_each(values: Sequence[Any], say: Callable[[str], None]) -> None:
    for value in values:
        if type(value) is str:
            say(value)
        elif type(value) is dict:
            _say(value, say)
