"""The states that apps keep, apart from the health records: created, changed under If-Match, found, deleted.

Spec: https://hl7.org/fhir/smart-app-launch/STU2.2/app-state.html#app-state-interactions

Choice: they are settings of apps, opaque to us and no part of anybody's record, so that they are records of the
authorization server: no search of health data finds them. They are kept as long as they are not deleted.
"""

from typing import Any

import msgspec

from fhir_server.foundation import fhir_json
from fhir_server.foundation.operation_outcome import BadRequest, Conflict, PreconditionFailed
from fhir_server.smart.app_state import STATE_PATH
from fhir_server.smart.app_state.reach import Reach
from fhir_server.smart.app_state.state import State, place_of, read_state
from fhir_server.smart.authorization import Authorization
from fhir_server.storage.store import Transaction

_KIND = "app_state"
_OF_PLACE = "app_state/"
_MOST_OF_A_PLACE = 100
_LOST = "There is no such state, or its ETag is another: read it again, and send If-Match."


class States:
    """The app states of a server."""

    def __init__(self, authorization: Authorization) -> None:
        self._base_url = authorization.base_url
        self._url = authorization.url(STATE_PATH)
        self._store = authorization.store
        self._now = authorization.now
        self._new_id = authorization.new_id

    def address_of(self, resource: dict[str, Any]) -> str:
        """Return the absolute address of a state."""
        return f"{self._url}/Basic/{resource['id']}"

    async def create(self, reach: Reach, content: bytes) -> dict[str, Any]:
        """Keep a new state and return its resource, with id and meta.versionId."""
        sent = read_state(content, self._base_url)
        if "id" in sent.resource or "versionId" in sent.resource.get("meta", {}):
            raise BadRequest("A new state has no id and no meta.versionId: the server gives them.", "Basic.id")
        reach.check("c", sent.code, sent.subject)
        state = self._versioned(sent, self._new_id(), 1)

        async def work(transaction: Transaction) -> None:
            if len(await transaction.records(_OF_PLACE + state.place)) >= _MOST_OF_A_PLACE:
                raise Conflict(f"There are {_MOST_OF_A_PLACE} states with this code and subject: delete some.")
            await _put(transaction, state)

        await self._store.transact(work)
        return state.resource

    async def update(self, reach: Reach, state_id: str, content: bytes, if_match: str) -> dict[str, Any]:
        """Replace a state and return the new one; raises PreconditionFailed (412) when it is not as If-Match says."""
        sent = read_state(content, self._base_url)
        if sent.resource.get("id") != state_id:
            raise BadRequest("The id of the state is that of the address.", "Basic.id")
        reach.check("u", sent.code, sent.subject)

        async def work(transaction: Transaction) -> State:
            known, version = await _matching(transaction, state_id, if_match)
            if (known.code, known.subject) != (sent.code, sent.subject):
                raise PreconditionFailed("The code and the subject of a state do not change.", "Basic.code")
            state = self._versioned(sent, state_id, version + 1)
            await _put(transaction, state)
            return state

        return (await self._store.transact(work)).resource

    async def delete(self, reach: Reach, state_id: str, if_match: str) -> None:
        """Forget a state; raises PreconditionFailed (412) when it is not as If-Match says."""

        async def work(transaction: Transaction) -> None:
            known, _ = await _matching(transaction, state_id, if_match)
            reach.check("d", known.code, known.subject)
            await transaction.delete_record(_KIND, state_id)
            await transaction.delete_record(_OF_PLACE + known.place, state_id)

        await self._store.transact(work)

    async def search(self, reach: Reach, code: str, subject: str) -> dict[str, Any]:
        """Return the searchset of the states with a code and a subject ("" for global ones), by id."""
        reach.check("s", code, subject)
        found = []
        for state_id, _ in await self._store.records(_OF_PLACE + place_of(code, subject)):
            content = await self._store.record(_KIND, state_id)
            if content is not None:
                found.append(_decode(content).resource)
        entries = [
            {"fullUrl": self.address_of(resource), "resource": resource, "search": {"mode": "match"}}
            for resource in found
        ]
        return {"resourceType": "Bundle", "type": "searchset", "total": len(found), "entry": entries}

    def _versioned(self, sent: State, state_id: str, version: int) -> State:
        stamp = self._now().isoformat(timespec="milliseconds").replace("+00:00", "Z")
        meta = {**sent.resource.get("meta", {}), "versionId": str(version), "lastUpdated": stamp}
        rest = {name: value for name, value in sent.resource.items() if name not in ("resourceType", "id", "meta")}
        return State(sent.code, sent.subject, {"resourceType": "Basic", "id": state_id, "meta": meta, **rest})


async def _matching(transaction: Transaction, state_id: str, if_match: str) -> tuple[State, int]:
    """Return a state whose ETag is that of If-Match, and its version; raises PreconditionFailed (412)."""
    content = await transaction.record(_KIND, state_id)
    state = None if content is None else _decode(content)
    version = "" if state is None else state.resource["meta"]["versionId"]
    if state is None or if_match.strip().removeprefix("W/").strip('"') != version:
        raise PreconditionFailed(_LOST)
    return state, int(version)


async def _put(transaction: Transaction, state: State) -> None:
    content = fhir_json.format({"code": state.code, "subject": state.subject, "resource": state.resource})
    await transaction.put_record(_KIND, state.resource["id"], content)
    await transaction.put_record(_OF_PLACE + state.place, state.resource["id"], b"1")


def _decode(content: bytes) -> State:
    return msgspec.convert(fhir_json.parse(content), State)
