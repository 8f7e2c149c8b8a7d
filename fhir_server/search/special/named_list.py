"""List membership: `_list`, what the entries of a List refer to.

Spec: search.html#list
"""

from functools import partial

from fhir_server.foundation.operation_outcome import BadRequest
from fhir_server.search.condition import Condition, Identity, any_of
from fhir_server.search.query import Clause
from fhir_server.search.special.asking import Asking
from fhir_server.search.types.value import unescape


def in_list(asking: Asking, resource_type: str, clause: Clause) -> Condition:
    """Return that one of the lists, by its id, has an entry that refers to the resource."""
    ids = tuple(_list_id(unescape(value)) for value in clause.values)
    return any_of(*(asking.exists(("item", "List"), partial(Identity, (list_id,)), is_reverse=True) for list_id in ids))


def _list_id(value: str) -> str:
    list_id = value.removeprefix("List/")
    if list_id.startswith("$"):
        raise BadRequest(
            f"_list: {value!r} is a functional list; this server has none: give the id of a List.", "_list"
        )
    if not list_id or "/" in list_id:
        raise BadRequest(f"_list: {value!r} is not understood; give the id of a List, as 42 or List/42.", "_list")
    return list_id
