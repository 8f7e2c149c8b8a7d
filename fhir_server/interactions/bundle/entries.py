"""Entries: each entry of a batch or transaction as a Request of its own.

Spec: bundle.html#bundle-unique, http.html#transaction
"""

from datetime import datetime
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec
from msgspec.structs import replace

from fhir_server.foundation import fhir_json
from fhir_server.foundation.operation_outcome import BadRequest, FhirError, Issue, TooCostly, Unprocessable
from fhir_server.foundation.structure import RESOURCE_TYPES
from fhir_server.interactions.bundle.route import route
from fhir_server.interactions.request import Request, Runtime

ORDER: Final = {"delete": 0, "create": 1, "update": 2, "patch": 2}
READS_ORDER: Final = 3
"""Spec: http.html#trules. DELETE, POST, PUT and PATCH, then GET and HEAD."""


class Entry(msgspec.Struct, frozen=True):
    """One entry: its place in the bundle, its fullUrl ("" when it has none), and what it asks.

    `is_head`: the answer has no resource.
    """

    index: int
    full_url: str
    request: Request
    is_head: bool = False

    @property
    def order(self) -> int:
        """Return when it is processed: 0 first."""
        return ORDER.get(self.request.interaction, READS_ORDER)


def submitted(request: Request, runtime: Runtime) -> Request:
    """Return the request to the base with its Bundle parsed, and `interaction` as the Bundle's type says.

    Raises Unparsable, Unprocessable, TooCostly.
    """
    resource = request.resource
    if resource is None:
        resource = fhir_json.parse(request.content, max_depth=runtime.limits.depth)
    bundle_type = resource.get("type")
    if resource.get("resourceType") != "Bundle":
        raise Unprocessable("What is posted to the base is a Bundle of type batch or transaction.", "Bundle")
    if bundle_type not in ("batch", "transaction"):
        raise Unprocessable(f"The Bundle's type is {str(bundle_type)[:50]}: batch or transaction.", "Bundle.type")
    elements = resource.get("entry", [])
    if not isinstance(elements, list):
        raise Unprocessable("entry is a list.", "Bundle.entry", code="structure")
    if len(elements) > runtime.limits.bundle_entries:
        raise TooCostly(f"The Bundle has {len(elements)} entries; {runtime.limits.bundle_entries} is the most.")
    return replace(request, interaction=bundle_type, resource=resource)


def elements_of(request: Request) -> list[Any]:
    """Return the entries of a submitted Bundle, as they stand."""
    elements: list[Any] = (request.resource or {}).get("entry", [])
    return elements


def read_entry(index: int, element: Any, outer: Request) -> Entry:
    """Return an entry of the Bundle that `outer` carries. Raises a FhirError that names the entry."""
    try:
        return _read_entry(index, element, outer)
    except FhirError as refusal:
        raise in_entry(refusal, index) from None


def in_entry(refusal: FhirError, index: int) -> FhirError:
    """Return the refusal, saying of which entry it is."""
    place = f"Bundle.entry[{index}]"
    refusal.issues = tuple(_placed(issue, place) for issue in refusal.issues)
    return refusal


def _placed(issue: Issue, place: str) -> Issue:
    if any(expression.startswith(place) for expression in issue.expression):
        return issue
    expressions = tuple(f"{place}.{_below(expression)}" for expression in issue.expression) or (place,)
    return replace(issue, diagnostics=f"{place}: {issue.diagnostics}", expression=expressions)


def _below(expression: str) -> str:
    """Return where below an entry an expression leads: into its resource, which has the type it starts with.

    Names of parameters are of the request; places in a JSON Patch are within the data of a Binary.
    """
    start, _, rest = expression.partition(".")
    if start in RESOURCE_TYPES:
        return f"resource.{rest}" if rest else "resource"
    return "resource" if start == "resourceType" or start.startswith("[") else "request"


def _read_entry(index: int, element: Any, outer: Request) -> Entry:
    asked = element.get("request") if isinstance(element, dict) else None
    if not isinstance(asked, dict) or "method" not in asked or "url" not in asked:
        raise Unprocessable("An entry of a batch or transaction has a request with method and url.", code="required")
    method, url = text_of(asked, "method"), text_of(asked, "url")
    path, _, query = url.removeprefix(f"{outer.base_url}/").removeprefix("/").partition("#")[0].partition("?")
    found = route("GET" if method == "HEAD" else method, path)
    resource = element.get("resource")
    if resource is not None and not isinstance(resource, dict):
        raise Unprocessable("resource is an object.", code="structure")
    if resource is not None and found.interaction == "search":
        raise Unprocessable("A search of a Bundle has its parameters in the url, and no resource.", code="structure")
    criteria = asked.get("ifNoneExist")
    request = Request(
        interaction=found.interaction,
        grant=outer.grant,
        resource_type=found.resource_type,
        resource_id=found.resource_id,
        version_id=found.version_id,
        parameters=tuple(parse_qsl(query, keep_blank_values=True)),
        resource=resource,
        if_match=text_of(asked, "ifMatch"),
        if_none_match=text_of(asked, "ifNoneMatch"),
        if_modified_since=_instant(text_of(asked, "ifModifiedSince")),
        if_none_exist=None if criteria is None else text_of(asked, "ifNoneExist"),
        prefer_return=outer.prefer_return,
        is_lenient=outer.is_lenient,
        language=outer.language,
        base_url=outer.base_url,
        request_id=outer.request_id,
        compartment=found.compartment,
        is_get=found.is_get,
    )
    return Entry(index, text_of(element, "fullUrl"), request, method == "HEAD")


def text_of(element: dict[str, Any], name: str) -> str:
    """Return a text of an element, "" when it is absent. Raises Unprocessable when it is something else."""
    value = element.get(name, "")
    if not isinstance(value, str):
        raise Unprocessable(f"{name} is a text.", code="structure")
    return value


def _instant(text: str) -> datetime | None:
    if not text:
        return None
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise BadRequest(f"ifModifiedSince is an instant, and is {text[:50]}.") from None
    if instant.tzinfo is None:
        raise BadRequest(f"ifModifiedSince has a time zone, and is {text[:50]}.")
    return instant
