"""What access costs: the CPU that bearer, decision and audit add to a read and a search, measured in this process.

Asked as a doctor with a care relation and two organizations: an operator, to whom nothing is hidden, costs less.
"""

import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Final

import msgspec

from fhir_server.access.grant import OPEN, Grant
from fhir_server.commands.local import authorization_of
from fhir_server.foundation import fhir_json
from fhir_server.interactions.dispatch import dispatch
from fhir_server.interactions.read import read
from fhir_server.interactions.request import Read, Request, Runtime
from fhir_server.interactions.search import search
from fhir_server.smart.bearer import Bearer
from fhir_server.smart.clients import Client
from fhir_server.smart.tokens import access_token
from fhir_server.smart.tokens.family import Family
from fhir_server.smart.users import User

DOCTOR: Final = "Practitioner/bench"
SCOPE: Final = "user/*.cruds"
ROUNDS, REQUESTS = 15, 200
"""The best of so many rounds counts: other work on the machine only adds."""


class Cost(msgspec.Struct, frozen=True):
    """Microseconds of CPU for one request, without authorization and audit and with them."""

    name: str
    without: float
    with_access: float


class Asked(msgspec.Struct, frozen=True):
    """What is asked for: ids of patients, and of observations of theirs, in the same order."""

    patients: Sequence[str]
    observations: Sequence[str]
    code: str


async def costs(runtime: Runtime, asked: Asked) -> list[Cost]:
    """Measure; the doctor becomes a member of the patients' care teams."""
    for patient in asked.patients:
        team = {"resourceType": "CareTeam", "status": "active", "subject": {"reference": f"Patient/{patient}"}}
        content = fhir_json.format({**team, "participant": [{"member": {"reference": DOCTOR}}]})
        await dispatch(Request("create", OPEN, "CareTeam", content=content), runtime)
    header, bearer = await _signed_in(runtime)

    def by_id(grant: Grant, number: int) -> Request:
        place = number % len(asked.observations)
        return Request("read", grant, "Observation", asked.observations[place], base_url="http://bench/fhir")

    def by_code(grant: Grant, number: int) -> Request:
        pairs = (("patient", asked.patients[number % len(asked.patients)]), ("code", asked.code))
        return Request("search", grant, "Observation", parameters=pairs, base_url="http://bench/fhir")

    async def measured(name: str, make: Callable[[Grant, int], Request], interaction: Read) -> Cost:
        async def without(number: int) -> None:
            await interaction(make(OPEN, number), runtime.store, runtime)

        async def with_access(number: int) -> None:
            await dispatch(make(await bearer.grant(header), number), runtime)

        return Cost(name, *await _best(without, with_access))

    return [await measured("read by id", by_id, read), await measured("search by patient and code", by_code, search)]


async def _best(*works: Callable[[int], Awaitable[None]]) -> list[float]:
    """Return the microseconds of each work; they take turns, so that what else the machine does falls on all."""
    spent: list[list[float]] = [[] for _ in works]
    for _ in range(ROUNDS):
        for own, work in zip(spent, works, strict=True):
            begun = time.thread_time()
            for number in range(REQUESTS):
                await work(number)
            own.append((time.thread_time() - begun) / REQUESTS * 1e6)
    return [min(own) for own in spent]


async def _signed_in(runtime: Runtime) -> tuple[str, Bearer]:
    """Return the Authorization header of the doctor, and who verifies it."""
    authorization = authorization_of(runtime)
    await authorization.open()
    app = Client(
        client_id="bench-app", name="bench", kind="public", scopes=(SCOPE,), redirect_uris=("https://bench.example/",)
    )
    await authorization.clients.register(app)
    organizations = ("Organization/bench", "PractitionerRole/bench")
    user = User("bench", "bench", "professional", DOCTOR, "Dr Bench", profession="10", organizations=organizations)
    await authorization.users.add(user, "a password for the bench")
    ends = authorization.now() + timedelta(hours=1)
    family = Family("bench", app.client_id, (SCOPE,), ends, user_id=user.user_id)
    await runtime.store.transact(lambda transaction: authorization.families.put(transaction, family))
    token = await access_token.issue(authorization, family, (SCOPE,), access_token.claims_of_user(family, user))
    return f"Bearer {token['access_token']}", Bearer(authorization)
