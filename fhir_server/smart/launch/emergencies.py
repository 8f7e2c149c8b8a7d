"""Emergencies: each time a professional opened a record without relation, with the reason that he gave, kept for good.

Spec: CSP L.1111-17, R.1111-48 (the holder and his attending doctor are told afterwards)
"""

from datetime import datetime

import msgspec

from fhir_server.smart.tokens.family import Family
from fhir_server.smart.users import User
from fhir_server.storage.store import Store, Transaction

LONGEST_SECONDS = 900
"""An emergency token lasts fifteen minutes at most, and is not refreshed."""

SHORTEST_REASON, LONGEST_REASON = 10, 500
"""So many characters has a reason: a word does not explain."""

_KIND = "emergency"


class Emergency(msgspec.Struct, frozen=True):
    """One opening: who opened whose record, as what (`purpose_of_use`), and why."""

    family_id: str
    at: datetime
    user_id: str
    actor: str
    display: str
    patient_id: str
    client_id: str
    purpose_of_use: str
    reason: str


def emergency_of(family: Family, user: User, at: datetime) -> Emergency:
    """Return the opening that a new family of tokens stands for."""
    return Emergency(
        family_id=family.family_id,
        at=at,
        user_id=user.user_id,
        actor=user.actor,
        display=user.display,
        patient_id=family.patient_id,
        client_id=family.client_id,
        purpose_of_use=family.context.purpose_of_use,
        reason=family.context.reason,
    )


async def keep(store: Store, emergency: Emergency) -> None:
    """Keep an opening, before any token is handed out for it."""

    async def work(transaction: Transaction) -> None:
        await transaction.put_record(_KIND, emergency.family_id, msgspec.json.encode(emergency))

    await store.transact(work)


async def is_kept(store: Store, family_id: str) -> bool:
    """Say whether an opening was kept already."""
    return await store.record(_KIND, family_id) is not None


async def emergencies(store: Store) -> list[Emergency]:
    """Return every opening, oldest first, for review."""
    found = [msgspec.json.decode(content, type=Emergency) for _, content in await store.records(_KIND)]
    return sorted(found, key=lambda emergency: emergency.at)
