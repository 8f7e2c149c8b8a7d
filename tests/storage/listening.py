"""A listener of the driver: it sees every command, as a router of a sharded cluster would."""

from collections.abc import Mapping
from typing import Any

from pymongo import monitoring

from fhir_server.storage.mongodb.scope import Scope
from fhir_server.storage.mongodb.store import MongoStore

QUESTIONS = ("find", "aggregate", "insert", "update", "delete", "findAndModify", "commitTransaction")


class Seen(monitoring.CommandListener):
    """The commands since the last question, without those that concern no document."""

    def __init__(self) -> None:
        self.commands: list[Mapping[str, Any]] = []

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        if event.command_name in QUESTIONS:
            self.commands.append(event.command)

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        pass

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        pass


class Listened:
    """A store, and the commands it sent."""

    def __init__(self, store: MongoStore, seen: Seen) -> None:
        self.store, self._seen = store, seen

    def taken(self) -> list[Mapping[str, Any]]:
        commands, self._seen.commands = self._seen.commands, []
        return commands

    @property
    def scope(self) -> Scope:
        """What the store asks with, to ask the engine itself."""
        return self.store._open_parts.scope

    async def plans(self) -> list[str]:
        """How the engine runs each command since the last question, in its own words."""
        database = self.scope.connection.database
        names = ("aggregate", "pipeline", "find", "filter", "sort", "limit", "delete", "deletes", "update", "updates")
        told = []
        for command in (one for one in self.taken() if "commitTransaction" not in one):
            asked: dict[str, Any] = {name: command[name] for name in names if name in command}
            asked |= {"cursor": {}} if "aggregate" in asked else {}
            told.append(str(await database.command("explain", asked, verbosity="executionStats")))
        return told

    @property
    def count(self) -> int:
        return len(self.taken())


def shard_keys(query: Any) -> set[int]:
    """The shard keys that a query names in each of its branches; empty when one of them names none."""
    if "c" in query:
        named = query["c"]
        return {int(key) for key in named["$in"]} if isinstance(named, Mapping) else {int(named)}
    found = [keys for part in query.get("$and", ()) if (keys := shard_keys(part))]
    branches = [shard_keys(branch) for branch in query.get("$or", ())]
    if branches and all(branches):
        found.append(set().union(*branches))
    return min(found, key=len) if found else set()
