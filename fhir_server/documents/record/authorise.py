"""`$authorise`: a professional adds, or withdraws, his authorisation to consult a record (DMP TD0.3).

Spec: CSP L.1111-17, R.1111-46; EX_0.3-1010 (an explicit act, after the patient's consent)
"""

from typing import Any, Final

from msgspec.structs import replace

from fhir_server.access.callers import is_himself
from fhir_server.documents.record.inputs import flag, read_inputs, text
from fhir_server.documents.record.opening import (
    Opening,
    category_of,
    check_scope,
    check_speaks_for,
    is_authorised,
    is_blocked,
    is_closed,
)
from fhir_server.foundation import fhir_json
from fhir_server.foundation.dates import interval, microseconds
from fhir_server.foundation.operation_outcome import BadRequest, Forbidden
from fhir_server.foundation.parameters import parameter, parameters_resource
from fhir_server.interactions.request import Request, Response, Runtime
from fhir_server.storage.store import Transaction

Resource = dict[str, Any]
ADD: Final = "add"
WITHDRAW: Final = "withdraw"
_ROLE: Final = {"system": "http://terminology.hl7.org/CodeSystem/v3-ParticipationType", "code": "PRCP"}


async def authorise(request: Request, runtime: Runtime) -> Response:
    """Write the Consent that opens the record to the caller, or end his own ones, and tell whether he may consult it.

    `consented` says that the patient agreed, `until` (a dateTime) ends the authorisation: one for a single consultation
    is short. Raises Forbidden: who was blocked, or anybody when the record is closed.
    Choice: the depositor of such a Consent is the professional, so that its author is known; the patient sees it among
    his consents, and ends it there.
    """
    found = read_inputs(request, runtime, {"action", "consented", "until"})
    action, until = text(found, "action"), text(found, "until")
    if action not in (ADD, WITHDRAW):
        raise BadRequest(f"action is {ADD} or {WITHDRAW}.", "Parameters.parameter.where(name='action')")
    if request.grant.kind != "professional":
        raise Forbidden("An authorisation to consult is a professional's: who else consults, does so on other grounds.")
    check_scope(request.grant, "c", "Consent")
    if action == ADD:
        check_speaks_for(request, flag(found, "consented"))
    _check_future(until, runtime)
    plain = replace(request, parameters=(), resource=None, content=b"")

    async def work(transaction: Transaction) -> bool:
        opening = Opening(plain, runtime, transaction)
        patient = (await opening.patient()).reference
        if action == ADD:
            await _add(opening, patient, until)
        else:
            await _withdraw(opening, patient)
        return await is_authorised(transaction, patient, request.grant)

    authorised = parameter("authorised", "boolean", await runtime.store.transact(work))
    return Response(200, fhir_json.format(parameters_resource([authorised])))


async def _add(opening: Opening, patient: str, until: str) -> None:
    grant, transaction = opening.request.grant, opening.transaction
    if await is_closed(transaction, patient):
        raise Forbidden("The record is closed: it is opened again first.")
    if await is_blocked(transaction, patient, grant):
        raise Forbidden("The patient blocked this professional: only the patient takes that back.")
    await _withdraw(opening, patient)
    actor = {"role": {"coding": [_ROLE]}, "reference": {"reference": grant.actor}}
    period = {"period": {"end": until}} if until else {}
    await opening.consent(patient, {"type": "permit", "actor": [actor], **period})


async def _withdraw(opening: Opening, patient: str) -> None:
    """End the active consents that permit nobody but the caller."""
    himself = set(is_himself(opening.request.grant))
    for consent in await opening.consents(patient):
        provision = consent.get("provision", {})
        actors = {one.get("reference", {}).get("reference") for one in provision.get("actor", ())}
        if provision.get("type") == "permit" and actors and actors <= himself and not category_of(consent):
            await opening.end(consent)


def _check_future(until: str, runtime: Runtime) -> None:
    if until and interval(until)[1] <= microseconds(runtime.now()):
        raise BadRequest("until is in the past.", "Parameters.parameter.where(name='until')")
