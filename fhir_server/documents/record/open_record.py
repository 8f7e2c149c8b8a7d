"""`$open-record`, `$close-record`, `$reopen-record`: the life of a record (DMP TD1.1, TD1.2, TD1.4).

Spec: CSP L.1111-14, R.1111-34; EX_1.1-1010 (explicit consent), EX_1.2-1030 (reactivation)
"""

from typing import Any, Final

from msgspec.structs import replace

from fhir_server.access.callers import PERSONAL_KINDS
from fhir_server.documents.identities import find_known, national_identifiers
from fhir_server.documents.record.inputs import flag, read_inputs, text
from fhir_server.documents.record.opening import (
    CLOSING,
    Opening,
    category_of,
    check_speaks_for,
    is_authorised,
    is_closed,
)
from fhir_server.foundation import fhir_json
from fhir_server.foundation.operation_outcome import Conflict, Duplicate, Forbidden, Unprocessable
from fhir_server.foundation.parameters import parameter, parameters_resource
from fhir_server.interactions.request import Request, Response, Runtime
from fhir_server.storage.store import Transaction
from fhir_server.validation.validate import validate

Resource = dict[str, Any]
TRAITS: Final = ("name", "gender", "birthDate")


async def open_record(request: Request, runtime: Runtime) -> Response:
    """Create the record of a person who has none: 201. Raises Duplicate (409) when there is one, open or closed.

    `patient` is the identity, with its INS; `consented` says that the person wants the record.
    """
    found = read_inputs(request, runtime, {"patient", "consented"})
    if request.grant.kind in PERSONAL_KINDS:
        raise Forbidden("A person's record is made by a professional, or by the operator.")
    check_speaks_for(request, flag(found, "consented"))
    patient = found.get("patient")
    if not isinstance(patient, dict):
        raise Unprocessable("patient holds a Patient.", "Parameters.parameter.where(name='patient')")
    validate(patient, expected_type="Patient")
    absent = [name for name in TRAITS if name not in patient]
    if absent or not national_identifiers(patient):
        lacking = ", ".join([*absent, *([] if national_identifiers(patient) else ["an INS among its identifiers"])])
        raise Unprocessable(f"A record needs an identity: {lacking} is missing.", "Patient")
    plain = replace(request, parameters=(), resource=None, content=b"")

    async def work(transaction: Transaction) -> str:
        opening = Opening(plain, runtime, transaction)
        if await find_known(opening.finding, patient) is not None:
            raise Duplicate("There is a record of this INS: $record-status tells whether it is open.")
        reference = opening.new("Patient")
        made = {name: value for name, value in patient.items() if name not in ("id", "meta")} | {"active": True}
        await opening.create(made, reference, replace(plain, resource_type="Patient"))
        return reference

    reference = await runtime.store.transact(work)
    return _answer(201, reference, True)


async def close_record(request: Request, runtime: Runtime) -> Response:
    """Close a record by a consent of its holder: nobody consults or feeds it until it is opened again.

    `reason` is kept with it; `consented` says, of a professional, that the holder asked. Closing twice is a Conflict.
    """
    found = read_inputs(request, runtime, {"consented", "reason"})
    check_speaks_for(request, flag(found, "consented"))
    reason = text(found, "reason")

    async def work(transaction: Transaction) -> str:
        opening = Opening(_plain(request), runtime, transaction)
        patient = await _consulted(opening)
        if await is_closed(transaction, patient):
            raise Conflict("The record is closed already.")
        await opening.consent(patient, {}, "closing", reason)
        return patient

    return _answer(200, await runtime.store.transact(work), False)


async def reopen_record(request: Request, runtime: Runtime) -> Response:
    """End the consents that closed a record. Raises Conflict when it is open, Forbidden when the operator closed it."""
    found = read_inputs(request, runtime, {"consented"})
    check_speaks_for(request, flag(found, "consented"))

    async def work(transaction: Transaction) -> str:
        opening = Opening(_plain(request), runtime, transaction)
        patient = (await opening.patient()).reference
        if not await is_closed(transaction, patient):
            raise Conflict("The record is open.")
        for consent in await opening.consents(patient):
            if category_of(consent) in CLOSING:
                await opening.end(consent)
        if await is_closed(transaction, patient):
            raise Forbidden("The operator closed this record, and only the operator opens it again.")
        return patient

    return _answer(200, await runtime.store.transact(work), True)


async def _consulted(opening: Opening) -> str:
    """Return the patient; a professional closes the record of one whom he may consult, and of no other."""
    request = opening.request
    patient = await opening.patient()
    is_professional = request.grant.kind == "professional"
    if is_professional and not await is_authorised(opening.transaction, patient.reference, request.grant):
        raise Forbidden("A professional closes a record that he may consult.")
    return patient.reference


def _plain(request: Request) -> Request:
    return replace(request, parameters=(), resource=None, content=b"")


def _answer(status: int, patient: str, is_active: bool) -> Response:
    told = [parameter("patient", "Reference", {"reference": patient}), parameter("active", "boolean", is_active)]
    location = f"{patient}/_history/1" if status == 201 else ""
    return Response(status, fhir_json.format(parameters_resource(told)), location=location)
