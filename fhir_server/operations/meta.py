"""`$meta`, `$meta-add` and `$meta-delete`: the profiles, tags and security labels of one resource.

Spec: resource-operation-meta.html, resource-operation-meta-add.html, resource-operation-meta-delete.html
"""

from collections.abc import Callable
from typing import Any, Final

from msgspec.structs import replace

from fhir_server.foundation import fhir_json
from fhir_server.foundation.operation_outcome import BadRequest
from fhir_server.foundation.parameters import parameter, parameters_resource, single
from fhir_server.interactions.conditional import check_version
from fhir_server.interactions.read import read
from fhir_server.interactions.request import Request, Response, Runtime
from fhir_server.interactions.update import update
from fhir_server.interactions.vread import vread
from fhir_server.operations.inputs import inputs, posted
from fhir_server.operations.meta_in_use import meta_in_use
from fhir_server.validation.validate import validate

LISTS: Final = ("profile", "security", "tag")
Element = dict[str, Any]
Merge = Callable[[list[Any], list[Any]], list[Any]]


async def meta(request: Request, runtime: Runtime) -> Response:
    """Return the meta of a resource, or of one version of it; of a type, or the system, all that are in use.

    Raises NotFound, Gone, Forbidden, TooCostly.
    """
    inputs(request, runtime, ())
    if not request.resource_id:
        return await meta_in_use(request, runtime)
    read_it = vread if request.version_id else read
    interaction = "vread" if request.version_id else "read"
    plain = replace(request, interaction=interaction, parameters=(), if_none_match="", if_modified_since=None)
    return _answer(await read_it(plain, runtime.store, runtime))


async def meta_add(request: Request, runtime: Runtime) -> Response:
    """Add profiles, tags and labels, and return the meta. Raises as an update does."""
    return await _change(request, runtime, _add)


async def meta_delete(request: Request, runtime: Runtime) -> Response:
    """Take profiles, tags and labels away, and return the meta. Raises as an update does."""
    return await _change(request, runtime, _delete)


async def _change(request: Request, runtime: Runtime, merge: Merge) -> Response:
    """Store the resource with another meta.

    Choice: as a new version, though the operation allows to change one in place: labels decide who sees a resource,
    and who changed them is to be found in its history.
    """
    named = _named(request, runtime)
    plain = replace(request, parameters=(), content=b"", if_none_match="", if_modified_since=None, prefer_return="")
    current = await read(replace(plain, interaction="read"), runtime.store, runtime)
    check_version(request, current.version)
    resource = fhir_json.parse(current.content)
    changed = _merged(resource["meta"], named, merge)
    if changed == resource["meta"]:
        return _answer(current)
    resource["meta"] = changed
    validate(resource, expected_type=request.resource_type, language=request.language)
    if runtime.profiling is not None:
        runtime.profiling.check(resource, request.language)
    asked = replace(plain, interaction="update", resource=resource, if_match=f'W/"{current.version_id}"')
    return _answer(await runtime.store.transact(lambda store: update(asked, store, runtime)))


def _named(request: Request, runtime: Runtime) -> Element:
    body = posted(request, runtime)
    if body is None:
        raise BadRequest(f"{request.interaction} takes Parameters with 'meta'.")
    validate(body, expected_type="Parameters")
    named: Element = single(body, "meta", dict, is_required=True)
    return named


def _merged(before: Element, named: Element, merge: Merge) -> Element:
    merged = {name: value for name, value in before.items() if name not in LISTS}
    for name in LISTS:
        items = merge(before.get(name, []), named.get(name, []))
        if items:
            merged[name] = items
    return merged


def _add(items: list[Any], named: list[Any]) -> list[Any]:
    known = {_key(item) for item in items}
    return items + [item for item in named if _key(item) not in known]


def _delete(items: list[Any], named: list[Any]) -> list[Any]:
    gone = {_key(item) for item in named}
    return [item for item in items if _key(item) not in gone]


def _key(item: Any) -> tuple[Any, ...]:
    """Return what makes a profile or a coding the same as another one: url, or system and code."""
    return (item.get("system"), item.get("code")) if isinstance(item, dict) else (item,)


def _answer(response: Response) -> Response:
    found = fhir_json.parse(response.content)["meta"]
    content = fhir_json.format(parameters_resource([parameter("return", "Meta", found)]))
    return replace(response, status=200, content=content, location="")
