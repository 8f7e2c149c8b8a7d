"""Special parameters: what is asked of a resource as a whole, or through others.

Spec: search.html#all, search_filter.html
"""

from collections.abc import Callable, Mapping
from typing import Final

from fhir_server.search.condition import Condition
from fhir_server.search.query import Clause
from fhir_server.search.special.asking import Asking
from fhir_server.search.special.filter_meaning import in_filter
from fhir_server.search.special.full_text import in_text
from fhir_server.search.special.named_list import in_list

SPECIAL: Final[Mapping[str, Callable[[Asking, str, Clause], Condition]]] = {
    "_content": in_text,
    "_filter": in_filter,
    "_list": in_list,
    "_text": in_text,
}
"""Code -> what a clause asks of the resources of a type ("" for all types)."""
