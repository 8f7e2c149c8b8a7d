"""The overview: who may see a patient's record and who may not, why, who looked at it, and what is masked.

Spec: CSP R.1111-42 (traces readable by the holder), security.html#authorization
"""

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from fhir_server.access.explain import Explanation, Fact, Question, explain, simulate, standings
from fhir_server.access.grant import Grant
from fhir_server.access.labels import HIDDEN_FROM_PROFESSIONALS, label_rows
from fhir_server.access.relations.ground import CLOSED, EVERYONE, MASK_ALL, NO_BREAK_GLASS, NO_REGULATION
from fhir_server.foundation import fhir_json
from fhir_server.foundation.dates import microseconds
from fhir_server.foundation.operation_outcome import NotFound
from fhir_server.interactions.dispatch import dispatch
from fhir_server.interactions.explaining.actor import Actor, grant_of
from fhir_server.interactions.explaining.question import facts_about, subject_of
from fhir_server.interactions.request import Request, Runtime
from fhir_server.search.match import Subject

_SHOWN: Final = "50"
_TRACES: Final = "500"
_WHOLE_RECORD: Final = (CLOSED, MASK_ALL, NO_BREAK_GLASS, NO_REGULATION)


class Known(msgspec.Struct, frozen=True):
    """Somebody whom the record names: whether he sees it now, why, the consents that say so, the grounds in force."""

    reference: str
    name: str
    explanation: Explanation
    consents: tuple[str, ...] = ()
    grounds: tuple[str, ...] = ()

    @property
    def is_app(self) -> bool:
        """Say whether it is an app that is, or was to be, paired."""
        return self.reference.startswith("Device/")


class Item(msgspec.Struct, frozen=True):
    """One document: its reference, what it is called, its day, and whether professionals see it."""

    reference: str
    title: str
    day: str
    is_masked: bool


class Look(msgspec.Struct, frozen=True):
    """One trace: who did what, when (an instant as FHIR writes it), to what, and the reason of an emergency."""

    at: str
    who: str
    interaction: str
    what: str
    reason: str


class Overview(msgspec.Struct, frozen=True):
    """All that the holder of a record is shown; `whole` are the Consents about the whole record, by ground."""

    known: tuple[Known, ...]
    whole: dict[str, tuple[str, ...]]
    items: tuple[Item, ...]
    looks: tuple[Look, ...]


async def overview(grant: Grant, runtime: Runtime) -> Overview:
    """Return the overview of the record that the grant is about, as far as its holder sees it.

    Raises NotFound when he does not see the record (any more), Forbidden when the grant covers less than that.
    """
    subject, facts = await _record(grant, runtime)
    now = microseconds(runtime.now())
    told = standings(facts, grant.patient_id, now)
    actors = [actor for actor in told if actor not in (EVERYONE, f"Patient/{grant.patient_id}")]
    known = [await _known(actor, told[actor], subject, facts, runtime) for actor in sorted(actors)]
    whole = {
        ground: _consents(fact for fact in told.get(EVERYONE, ()) if fact.row[1] == ground) for ground in _WHOLE_RECORD
    }
    return Overview(tuple(known), whole, await _items(grant, runtime), await _looks(grant, runtime))


async def question_about(grant: Grant, actor: str, runtime: Runtime) -> Question:
    """Return the question whether an actor sees the record that the grant is about. Raises as `overview` does."""
    subject, facts = await _record(grant, runtime)
    asked = await grant_of(Actor(actor, grant.patient_id), runtime)
    return Question(asked, "read", subject, facts, microseconds(runtime.now()))


def told_before_and_after(question: Question, consent: dict[str, Any]) -> tuple[Explanation, Explanation]:
    """Return the answer as it is, and as it would be if a Consent were saved."""
    change = simulate(question, consent)
    return change.before, change.after


async def name_of(reference: str, runtime: Runtime) -> str:
    """Return what a person, an organization or an app is called; its reference when nothing says it."""
    resource_type, _, resource_id = reference.partition("/")
    version = await runtime.store.read(resource_type, resource_id)
    resource = fhir_json.parse(version.content) if version is not None and not version.is_deleted else {}
    names = resource.get("deviceName") if resource_type == "Device" else resource.get("name")
    if isinstance(names, str):
        return names
    name: dict[str, Any] = next(iter(names or ()), {})
    words = [*name.get("prefix", ()), *name.get("given", ()), name.get("family", "")]
    return " ".join(filter(None, words)) or str(name.get("text") or name.get("name") or reference)


async def _record(grant: Grant, runtime: Runtime) -> tuple[Subject, tuple[Fact, ...]]:
    request = Request("read", grant, "Patient", grant.patient_id)
    version = (await dispatch(request, runtime)).version
    if version is None:
        raise NotFound("The record is not known.")
    return await subject_of(version, runtime), await facts_about((grant.patient_id,), grant, runtime)


async def _known(
    actor: str, told: tuple[Fact, ...], subject: Subject, facts: tuple[Fact, ...], runtime: Runtime
) -> Known:
    grant = await grant_of(Actor(actor, subject.resource_id), runtime)
    question = Question(grant, "read", subject, facts, microseconds(runtime.now()))
    in_force = [fact for fact in told if fact.row[5] <= question.now < fact.row[6]]
    grounds = tuple(dict.fromkeys(fact.row[1] for fact in in_force))
    return Known(actor, await name_of(actor, runtime), explain(question), _consents(told), grounds)


def _consents(facts: Iterable[Fact]) -> tuple[str, ...]:
    found = (fact.reference for fact in facts if fact.reference.startswith("Consent/"))
    return tuple(dict.fromkeys(found))


async def _found(
    grant: Grant, runtime: Runtime, resource_type: str, sort: str, count: str = _SHOWN
) -> list[dict[str, Any]]:
    asked = Request("search", grant, resource_type, parameters=(("_sort", sort), ("_count", count)))
    bundle = fhir_json.parse((await dispatch(asked, runtime)).content)
    return [entry["resource"] for entry in bundle.get("entry", ()) if entry["search"]["mode"] == "match"]


async def _items(grant: Grant, runtime: Runtime) -> tuple[Item, ...]:
    return tuple(_item(one) for one in await _found(grant, runtime, "DocumentReference", "-date"))


def _item(resource: dict[str, Any]) -> Item:
    kind = resource.get("type", {})
    coded: dict[str, Any] = next(iter(kind.get("coding", ())), {})
    title = resource.get("description") or kind.get("text") or coded.get("display") or resource["id"]
    labels = {row[-1] for row in label_rows(resource)}
    day = str(resource.get("date", ""))[:10]
    return Item(f"DocumentReference/{resource['id']}", str(title), day, HIDDEN_FROM_PROFESSIONALS in labels)


async def _looks(grant: Grant, runtime: Runtime) -> tuple[Look, ...]:
    """Return the latest traces of others: his own visits to the page would fill it."""
    found = await _found(grant, runtime, "AuditEvent", "-date", _TRACES)
    others = (event for event in found if not _is_by(event, grant.actor))
    return tuple(look for look in map(_look, others) if look.who)[: int(_SHOWN)]


def _is_by(event: dict[str, Any], actor: str) -> bool:
    return any(agent.get("who", {}).get("reference") == actor for agent in event["agent"])


def _look(event: dict[str, Any]) -> Look:
    agent: dict[str, Any] = next((one for one in event["agent"] if one.get("requestor")), {})
    who = agent.get("who", {})
    name = agent.get("name") or who.get("display") or who.get("reference") or who.get("identifier", {}).get("value", "")
    whats = [entity.get("what", {}).get("reference", "") for entity in event.get("entity", ())]
    purposes = [purpose.get("text", "") for purpose in agent.get("purposeOfUse", ())]
    return Look(
        at=event["recorded"],
        who=str(name),
        interaction=event["subtype"][0]["code"] if event.get("subtype") else "",
        what=next((what.partition("/_history")[0] for what in whats if what), ""),
        reason=next(filter(None, purposes), ""),
    )
