"""Dispatch: the visible table of interactions, and the one door through which every request passes and is journalled.

Spec: http.html, security.html#audit
"""

import re
from typing import Any, Final
from urllib.parse import quote

from fhir_server.access.audit.entry import QUERY_CHARACTERS, AccessEntry, encode
from fhir_server.access.decision import decide
from fhir_server.foundation.dates import microseconds
from fhir_server.foundation.operation_outcome import FhirError, NotFound
from fhir_server.interactions.bundle.batch import batch
from fhir_server.interactions.bundle.entries import elements_of, submitted
from fhir_server.interactions.bundle.route import NoSuchMethod
from fhir_server.interactions.bundle.transaction import transaction
from fhir_server.interactions.canonicals.changes import CANONICAL_TYPES
from fhir_server.interactions.capabilities import capabilities
from fhir_server.interactions.create import create
from fhir_server.interactions.delete import delete
from fhir_server.interactions.history import history
from fhir_server.interactions.patch import patch
from fhir_server.interactions.read import read
from fhir_server.interactions.request import Operation, Profiled, Read, Request, Response, Runtime, Write
from fhir_server.interactions.search import SAFE, search
from fhir_server.interactions.trail import drain_all
from fhir_server.interactions.update import update
from fhir_server.interactions.vread import vread
from fhir_server.interactions.write import aside, prepare
from fhir_server.storage.store import Transaction

READS: Final[dict[str, Read]] = {
    "read": read,
    "vread": vread,
    "search": search,
    "history": history,
    "capabilities": capabilities,
}
WRITES: Final[dict[str, Write]] = {"create": create, "update": update, "patch": patch, "delete": delete}
_PLAIN: Final = re.compile(r"[A-Za-z0-9_.\-~:,|$/*]*", re.ASCII)
WITH_BODY: Final = frozenset({"create", "update", "patch"})


async def dispatch(request: Request, runtime: Runtime) -> Response:
    """Answer one request. Raises FhirError, after it was journalled."""
    try:
        return await _dispatch(request, runtime)
    except FhirError as refusal:
        journal_refusal(request, refusal, runtime)
        raise


async def perform(request: Request, transaction: Transaction, runtime: Runtime) -> Response:
    """Answer one prepared request inside a store transaction, and journal it there. Raises FhirError."""
    interaction = WRITES.get(request.interaction) or READS[request.interaction]
    response = await interaction(request, transaction, runtime)
    await transaction.journal(_answered(request, response, runtime))
    return response


async def _dispatch(request: Request, runtime: Runtime) -> Response:
    interaction = READS.get(request.interaction)
    if interaction is not None:
        if asks_trail(request):
            await drain_all(runtime)
        response = await interaction(request, runtime.store, runtime)
        if request.interaction != "capabilities":
            runtime.store.journal(_answered(request, response, runtime))
        return response
    if request.interaction == "transaction":
        return await _bundle(request, runtime)
    response = await (_write(request, runtime) if request.interaction in WRITES else _operation(request, runtime))
    if request.resource_type in CANONICAL_TYPES and runtime.canonicals is not None:
        await runtime.canonicals.refresh()
    return response


async def _write(request: Request, runtime: Runtime) -> Response:
    if runtime.canonicals is not None:
        await runtime.canonicals.ready()
    prepared = await aside(prepare, request, runtime) if request.interaction in WITH_BODY else request
    profiled = find_profiled(prepared, runtime)
    if profiled is not None:
        return await profiled.invoke(prepared, runtime)
    return await runtime.store.transact(lambda store: perform(prepared, store, runtime))


async def _bundle(request: Request, runtime: Runtime) -> Response:
    if runtime.canonicals is not None:
        await runtime.canonicals.ready()
    request = await aside(submitted, request, runtime)
    if request.interaction == "batch":
        return await batch(request, runtime, dispatch)
    profiled = find_profiled(request, runtime)
    if profiled is not None:
        return await profiled.invoke(request, runtime)
    if any(_may_read_trail(element) for element in elements_of(request)):
        await drain_all(runtime)
    return await transaction(request, runtime, perform, dispatch)


async def _operation(request: Request, runtime: Runtime) -> Response:
    operation = find_operation(request, runtime)
    if request.is_get and operation.is_affecting:
        raise NoSuchMethod("GET", ("POST",))
    response = await operation.invoke(request, runtime)
    runtime.store.journal(_answered(request, response, runtime))
    return response


def find_operation(request: Request, runtime: Runtime) -> Operation:
    """Return the operation that the request invokes. Raises NotFound when this address has none of that code."""
    level = _level(request)
    code = request.interaction.removeprefix("$")
    for operation in runtime.operations:
        is_meant = operation.code == code and level in operation.levels
        if is_meant and (level == "system" or {request.resource_type, "Resource"} & {*operation.resource_types}):
            return operation
    raise NotFound(f"There is no operation {request.interaction[:80]} at this address.", code="not-supported")


def find_profiled(request: Request, runtime: Runtime) -> Profiled | None:
    """Return what answers an interaction whose body claims a profile that gives it a meaning, or None."""
    for one in runtime.profiled:
        if one.interaction == request.interaction and one.resource_type in ("Bundle", request.resource_type):
            meta = (request.resource or {}).get("meta")
            claimed = meta.get("profile") if isinstance(meta, dict) else None
            if isinstance(claimed, list) and any(_canonical(name) in one.profiles for name in claimed):
                return one
    return None


def _canonical(name: Any) -> str:
    """Return a canonical without its version."""
    return str(name).partition("|")[0]


def _level(request: Request) -> str:
    if request.version_id:
        return "version"
    return "instance" if request.resource_id else "type" if request.resource_type else "system"


def check_grant(request: Request, interaction: str) -> None:
    """Raise Forbidden when the grant reaches nothing of the request's type with an interaction."""
    decide(request.grant, interaction, request.resource_type)


def asks_trail(request: Request) -> bool:
    """Say whether the answer may show AuditEvents, which are then made of what the journal still holds."""
    if request.interaction == "capabilities":
        return False
    if request.resource_type in ("AuditEvent", ""):
        return True
    return any("AuditEvent" in name or "AuditEvent" in value for name, value in request.parameters)


def _may_read_trail(element: Any) -> bool:
    asked = element.get("request") if isinstance(element, dict) else None
    url = asked.get("url") if isinstance(asked, dict) else None
    return isinstance(url, str) and ("AuditEvent" in url or url.startswith(("?", "_history")))


def journal_refusal(request: Request, refusal: FhirError, runtime: Runtime) -> None:
    """Journal a request that was refused."""
    runtime.store.journal(encode(access_entry(request, runtime, refusal.status)))


def _answered(request: Request, response: Response, runtime: Runtime) -> bytes:
    return encode(access_entry(request, runtime, response.status, response))


def access_entry(request: Request, runtime: Runtime, status: int, response: Response | None = None) -> AccessEntry:
    """Return the audit entry of a request that was answered, or refused when `response` is None."""
    grant = request.grant
    version = response.version if response is not None else None
    return AccessEntry(
        instant=microseconds(runtime.now()),
        kind=grant.kind,
        actor=grant.actor,
        client_id=grant.client_id,
        display=grant.display,
        interaction=request.interaction,
        resource_type=request.resource_type,
        resource_id=request.resource_id if version is None else version.resource_id,
        version_id=request.version_id if version is None else str(version.version_id),
        status=status,
        query=_query(request.parameters) if request.parameters else "",
        results=response.shown if response is not None else (),
        user_id=grant.user_id,
        purpose_of_use=grant.purpose_of_use,
        ground=grant.reason,
        is_secret=grant.is_secret,
        request_id=request.request_id,
        base_url=request.base_url,
        compartment="/".join(request.compartment) if request.compartment is not None else "",
    )


def _query(parameters: tuple[tuple[str, str], ...]) -> str:
    return "&".join(f"{_quoted(name)}={_quoted(value)}" for name, value in parameters)[:QUERY_CHARACTERS]


def _quoted(text: str) -> str:
    """Return a text as it stands in a query; most have nothing to quote, and looking is cheaper than quoting."""
    return text if _PLAIN.fullmatch(text) else quote(text, SAFE)
