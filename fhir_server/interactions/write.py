"""Write: the one path that every new version takes.

Spec: http.html#create, http.html#update, resource.html#metadata
"""

import asyncio
from collections.abc import Callable
from datetime import datetime
from functools import lru_cache
from typing import Any, Final, TypeVar

import msgspec
from msgspec.structs import replace

from fhir_server.access.rules.secrecy import label_secret
from fhir_server.foundation import fhir_json
from fhir_server.foundation.dates import microseconds
from fhir_server.foundation.operation_outcome import BadRequest, Forbidden, Issue, outcome
from fhir_server.foundation.resource import Version
from fhir_server.interactions.canonicals.changes import CANONICAL_TYPES, note_change
from fhir_server.interactions.governance import index_rows, kept_source, reindex_governed
from fhir_server.interactions.labelling import check_labels, take_labels
from fhir_server.interactions.patching.formats import change_of
from fhir_server.interactions.request import Request, Response, Runtime
from fhir_server.interactions.subset import subset_asked
from fhir_server.interactions.trail.chained import link
from fhir_server.search.condition import ALWAYS, And, Condition, Exists, Not, Or, Related
from fhir_server.search.index_row import IndexRow
from fhir_server.search.match import Subject, match
from fhir_server.storage.store import Transaction
from fhir_server.validation.validate import validate

T = TypeVar("T")
LARGE_BYTES: Final = 256 * 1024


class Draft(msgspec.Struct, frozen=True):
    """A version about to be written over `current` (None for the first); its content must meet `within`."""

    resource_id: str
    current: Version | None
    within: Condition


def prepare(request: Request, runtime: Runtime) -> Request:
    """Return the request with its resource parsed, checked against the address, and validated; of a patch, its change.

    Done before the transaction, which must be short. Raises Unparsable, BadRequest, Unprocessable.
    """
    resource = request.resource
    if request.interaction == "patch":
        change = change_of(request.content, request.media_type, resource, runtime.limits.depth)
        return replace(request, change=change)
    if resource is None:
        resource = fhir_json.parse(request.content, max_depth=runtime.limits.depth)
        request = replace(request, resource=resource)
    validate(resource, expected_type=request.resource_type, language=request.language)
    if runtime.profiling is not None:
        runtime.profiling.check(resource, request.language)
    if request.interaction == "update" and request.resource_id and resource.get("id") != request.resource_id:
        raise BadRequest(
            f"The body's id is {str(resource.get('id', ''))[:80]!r}, and the address says {request.resource_id!r}: "
            "an update needs both to be the same.",
            f"{request.resource_type}.id",
        )
    return request


async def aside(work: Callable[[Request, Runtime], T], request: Request, runtime: Runtime) -> T:
    """Return what the work makes of a request; of a large body in a thread, so that nobody else waits for it."""
    if len(request.content) > LARGE_BYTES:
        return await asyncio.to_thread(work, request, runtime)
    return work(request, runtime)


async def put(request: Request, transaction: Transaction, runtime: Runtime, draft: Draft) -> Version:
    """Store the request's resource as the version that the draft describes, and index again what it governs.

    Raises Forbidden when the decision does not reach what would be written: nobody writes what he may not see.
    """
    current = draft.current
    before = fhir_json.parse(current.content) if current is not None and not current.is_deleted else None
    rule = runtime.change_rules.get(request.resource_type)
    if rule is not None:
        await rule(request, transaction, before)
    request = _in_secret(request)
    if request.resource is not None and "relatesTo" in request.resource:
        reference = f"{request.resource_type}/{draft.resource_id}"
        request = await take_labels(request, transaction, runtime, before, reference)
    resource, version = _sealed(request, draft, before, instant(runtime))
    await check_labels(request, transaction, runtime, before, version)
    rows = await index_rows(transaction, resource, version.depositor, runtime.indexing)
    if asks_relations(draft.within):
        await transaction.put(version, rows)
        # Relations are rows of other resources: only the store can judge.
        if await transaction.read(version.resource_type, version.resource_id, within=draft.within) is None:
            raise _outside(version)
    else:
        _judge(draft.within, version, rows)
        await transaction.put(version, rows)
    if version.resource_type in CANONICAL_TYPES:
        await note_change(transaction, version.reference)
    if version.resource_type == "AuditEvent" and version.version_id == 1:
        await link(transaction, [version])
    await reindex_governed(transaction, before, resource, version.depositor, runtime.indexing)
    return version


def _in_secret(request: Request) -> Request:
    """Return the request with the label that a secret connection gives what it writes; itself in any other one."""
    assert request.resource is not None
    if not request.grant.is_secret:
        return request
    labelled = label_secret(request.grant, request.resource)
    return request if labelled is request.resource else replace(request, resource=labelled, content=b"")


def _sealed(
    request: Request, draft: Draft, before: dict[str, Any] | None, now: datetime
) -> tuple[dict[str, Any], Version]:
    """Return the resource with its id, for indexing, and the version with the client's bytes, for storing."""
    assert request.resource is not None
    resource = {**request.resource, "id": draft.resource_id}
    content = request.content or fhir_json.format(resource)
    meta = None
    source = kept_source(before, resource) if before is not None else ""
    if source:
        meta = {"source": source}
        resource["meta"] = {**resource.get("meta", {}), **meta}
    version_id = draft.current.version_id + 1 if draft.current else 1
    version = Version(
        request.resource_type,
        draft.resource_id,
        version_id,
        now,
        fhir_json.seal(content, draft.resource_id, version_id, now, meta),
        depositor=draft.current.depositor if draft.current else request.grant.actor,
    )
    return resource, version


def instant(runtime: Runtime) -> datetime:
    """Return the time to the millisecond, which is what `meta.lastUpdated` shows."""
    now = runtime.now()
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


def _judge(within: Condition, version: Version, rows: list[IndexRow]) -> None:
    if within is ALWAYS:
        return
    subject = Subject(version.resource_type, version.resource_id, microseconds(version.last_updated), rows)
    if not match(within, subject):
        raise _outside(version)


def _outside(version: Version) -> Forbidden:
    return Forbidden(f"The grant does not reach this {version.resource_type} with the content that was sent.")


@lru_cache(maxsize=4096)
def asks_relations(condition: Condition) -> bool:
    """Say whether a condition needs rows of other resources."""
    if isinstance(condition, And | Or):
        return any(asks_relations(part) for part in condition.conditions)
    if isinstance(condition, Not):
        return asks_relations(condition.condition)
    return isinstance(condition, Related | Exists)


def written(request: Request, version: Version, status: int) -> Response:
    """Return the answer to a write, with the body that Prefer asks for. Spec: http.html#prefer."""
    content = version.content
    if request.prefer_return == "minimal":
        content = b""
    elif request.prefer_return == "OperationOutcome":
        content = fhir_json.format(outcome([Issue("information", "informational", _sentence(version, status))]))
    elif request.parameters:
        content = subset_asked(content, request.parameters)
    return Response(
        status,
        content,
        version_id=version.version_id,
        last_updated=version.last_updated,
        location=f"{version.reference}/_history/{version.version_id}",
        version=version,
    )


def _sentence(version: Version, status: int) -> str:
    done = "created" if status == 201 else "stored"
    return f"{version.reference} is {done} as version {version.version_id}."
