"""Consent: whom the patient lets consult his record, and whom he blocks.

Spec: consent.html, CSP L.1111-17, R.1111-46
"""

from collections.abc import Iterator
from typing import Any, Final

from fhir_server.access.relations.codes import (
    APP_ACCESS,
    BRICKS,
    GROUNDS,
    OPERATIONS,
    RECORD_CONSENT_SYSTEM,
    app_ground,
)
from fhir_server.access.relations.ground import (
    ALWAYS_IN_FORCE,
    BLOCK,
    CONSENT,
    EVERYONE,
    NEVER_IN_FORCE,
    Interval,
    blockable,
    in_force,
    professionals,
    relation_rows,
)
from fhir_server.access.rows import references_of
from fhir_server.search.index_row import IndexRow

_SCOPE: Final = "patient-privacy"
_PERMITTED: Final = "permit"
_CARE_PURPOSES: Final = frozenset({"TREAT", "ETREAT", "CAREMGT", "COC"})
_CONSULTING_ACTIONS: Final = frozenset({"access", "use", "disclose"})
_NARROWING: Final = ("class", "code", "securityLabel", "data", "dataPeriod")
"""What limits a provision to some items, which relations cannot hold."""


Chain = tuple[dict[str, Any], ...]
"""A provision after those it is nested in: what they say of actor, period, purpose and items holds for it too."""


def consent_rows(resource: dict[str, Any]) -> list[IndexRow]:
    """Return the relations and blocks of an active consent on privacy; one that the patient refused or ended has none.

    Choice: in doubt nothing opens. A permit limited to some items opens nothing; a denial limited to some items blocks
    as a whole; a denial whose actor is no reference to this server, or whose period cannot be read, blocks everyone,
    or for ever. In R4 the root provision has no type: many systems give it one all the same, and it is honoured.
    A consent that has a category of `relations.codes` says that and nothing else, whatever its scope and type.
    A consent for one consultation is a permit with a short period; one without end lasts until it is withdrawn. None is
    inferred from what a professional does.
    """
    if resource.get("status") != "active":
        return []
    patients, provision = references_of(resource.get("patient")), resource.get("provision") or {}
    categories = _codes(resource.get("category"))
    rows: list[IndexRow] = []
    for ground in dict.fromkeys(GROUNDS[code] for code in GROUNDS if code in categories):
        rows += relation_rows(ground, [EVERYONE], patients, _lasting(in_force(provision.get("period"))))
    if APP_ACCESS in categories:
        rows += [row for chain in _chains(provision, ()) for row in _app_rows(chain, patients)]
    if rows or APP_ACCESS in categories or categories & GROUNDS.keys() or not _is_on_privacy(resource):
        return rows
    return [row for chain in _chains(provision, ()) for row in _provision_rows(chain, patients)]


def _codes(concepts: Any) -> set[str]:
    """Return our own codes of CodeableConcepts."""
    codings = [coding for concept in concepts or () for coding in concept.get("coding", ())]
    return {coding.get("code", "") for coding in codings if coding.get("system") == RECORD_CONSENT_SYSTEM}


def _lasting(force: Interval) -> Interval:
    """Return when a refusal holds: for ever when its period cannot be read."""
    return ALWAYS_IN_FORCE if force == NEVER_IN_FORCE else force


def _app_rows(chain: Chain, patients: list[str]) -> list[IndexRow]:
    """Return what a nested provision of an app's consent permits: each of its actions on each of its bricks."""
    own = chain[-1]
    named = [actor for provision in chain for actor in provision.get("actor", ())]
    actors = references_of([actor.get("reference") for actor in named])
    apps = [reference for reference in actors if reference.startswith("Device/")]
    if own.get("type") != _PERMITTED or len(dict.fromkeys(actors)) != 1:
        return []
    bricks = {coding.get("code") for coding in own.get("class", ()) if coding.get("system") == RECORD_CONSENT_SYSTEM}
    force, done = in_force(*(provision.get("period") for provision in chain)), _codes(own.get("action"))
    grounds = [app_ground(operation, brick) for operation in OPERATIONS for brick in BRICKS if operation in done]
    asked = [ground for ground in grounds if ground.rpartition("-")[2] in bricks]
    return [row for ground in asked for row in relation_rows(ground, apps[:1], patients, force)]


def _provision_rows(chain: Chain, patients: list[str]) -> list[IndexRow]:
    kind = chain[-1].get("type")
    if kind not in (_PERMITTED, "deny") or not all(_concerns_care(provision) for provision in chain):
        return []
    named: list[dict[str, Any]] = next(
        (provision["actor"] for provision in reversed(chain) if provision.get("actor")), []
    )
    references = references_of([actor.get("reference") for actor in named])
    force = in_force(*(provision.get("period") for provision in chain))
    if kind == _PERMITTED:
        is_narrow = any(name in provision for provision in chain for name in _NARROWING)
        return [] if is_narrow else relation_rows(CONSENT, professionals(references), patients, force)
    actors = blockable(references)
    blocked = actors if actors and len(actors) == len(named) else [*actors, EVERYONE]
    return relation_rows(BLOCK, blocked, patients, _lasting(force))


def _is_on_privacy(resource: dict[str, Any]) -> bool:
    return any(coding.get("code") == _SCOPE for coding in resource.get("scope", {}).get("coding", ()))


def _chains(provision: dict[str, Any], above: Chain) -> Iterator[Chain]:
    chain = (*above, provision)
    yield chain
    for nested in provision.get("provision", ()):
        yield from _chains(nested, chain)


def _concerns_care(provision: dict[str, Any]) -> bool:
    purposes = {coding.get("code") for coding in provision.get("purpose", ())}
    actions = {coding.get("code") for concept in provision.get("action", ()) for coding in concept.get("coding", ())}
    return (not purposes or bool(purposes & _CARE_PURPOSES)) and (not actions or bool(actions & _CONSULTING_ACTIONS))
