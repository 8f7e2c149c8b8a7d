"""Explain: the commands of one search, how the engine runs them, and whether one shard answers them.

Source: https://www.mongodb.com/docs/v6.0/reference/explain-results/
"""

from collections.abc import Iterator
from typing import Any

import msgspec
from bson import json_util

from fhir_server.storage.mongodb.fields import Document
from fhir_server.storage.mongodb.scope import Asked, Scope
from fhir_server.storage.mongodb.search import search
from fhir_server.storage.store import Search


async def explain(scope: Scope, asked: Search) -> dict[str, Any]:
    """Return what answering a search does, in the order of its commands.

    `statements`: each with `collection`, `pipeline`, `plan` (a line a stage), `rows`, `keys` and `documents` that the
    engine looked at, and `is_single_shard`: whether the shard key names the shards, so that the others are not asked.
    The pipelines hold the access decision: show them to nobody who may not see it.
    """
    questions: list[Asked] = []
    recording = msgspec.structs.replace(scope, recorder=questions.append)
    page = await search(recording, asked)
    return {
        "statements": [await _explained(scope, question) for question in questions],
        "matches": len(page.versions),
        "included": len(page.included),
        "total": page.total,
    }


async def _explained(scope: Scope, asked: Asked) -> dict[str, Any]:
    command: Document = {"aggregate": asked.collection, "pipeline": asked.pipeline, "cursor": {}}
    if asked.index is not None:
        command["hint"] = asked.index
    told = await scope.connection.database.command("explain", command, verbosity="executionStats")
    stages = list(_stages(told))
    return {
        "collection": asked.collection,
        "pipeline": json_util.dumps(asked.pipeline),
        "plan": [_line(stage) for stage in stages],
        "rows": max((stage.get("nReturned", 0) for stage in stages), default=0),
        "keys": sum(stage.get("keysExamined", 0) for stage in stages),
        "documents": sum(stage.get("docsExamined", 0) for stage in stages),
        "is_single_shard": is_single_shard(asked.pipeline),
    }


def is_single_shard(pipeline: list[Document]) -> bool:
    """Say whether every branch of the first stage names a shard key, and nothing is looked up elsewhere."""
    first = pipeline[0].get("$match", {}) if pipeline else {}
    is_alone = not any("$lookup" in stage or "$unionWith" in stage for stage in pipeline)
    return is_alone and _names_shard(first)


def _names_shard(query: Document) -> bool:
    if "c" in query:
        return True
    if any(_names_shard(part) for part in query.get("$and", ())):
        return True
    branches = query.get("$or", ())
    return bool(branches) and all(_names_shard(branch) for branch in branches)


def _stages(told: Any) -> Iterator[Document]:
    """Yield the stages of the plan that was run, the last one first."""
    if isinstance(told, list):
        for inner in told:
            yield from _stages(inner)
    elif isinstance(told, dict):
        if "stage" in told and "nReturned" in told:
            yield told
        for name, inner in told.items():
            if name not in ("queryPlanner", "rejectedPlans"):
                yield from _stages(inner)


def _line(stage: Document) -> str:
    return " ".join(str(stage[name]) for name in ("stage", "indexName", "nReturned") if name in stage)
