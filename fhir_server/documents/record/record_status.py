"""`$record-status`: is there a record of this INS, is it open, and may the caller consult it (DMP TD0.2).

Spec: https://interop.esante.gouv.fr/ig/fhir/pdsm4dmp (TD0.2), EF_DMP12_01, EF_DMP04_01, EF_DMP01_07
"""

from typing import Any, Final

import msgspec
from msgspec.structs import replace

from fhir_server.access.callers import PERSONAL_KINDS, acts_as
from fhir_server.access.grant import OPEN
from fhir_server.documents.identities import INS_ROOTS
from fhir_server.documents.record.inputs import read_inputs, text
from fhir_server.documents.record.opening import CLOSING, category_of, check_scope, is_authorised, is_blocked, is_closed
from fhir_server.foundation import fhir_json
from fhir_server.foundation.operation_outcome import BadRequest, Forbidden
from fhir_server.foundation.parameters import parameter, parameters_resource
from fhir_server.interactions.request import Request, Response, Runtime
from fhir_server.interactions.search import search

Resource = dict[str, Any]
_DMP: Final = "https://interop.esante.gouv.fr/ig/fhir/dmp/StructureDefinition"


async def record_status(request: Request, runtime: Runtime) -> Response:
    """Answer Parameters. Raises BadRequest without an INS, Forbidden for a patient: his own record he reads.

    Choice: the guide reads all this from a Patient that a search finds; but who may not consult a record finds no
    Patient here, and has to be told that there is one, to feed it. No trait of identity is told (RG_0320).
    """
    if request.grant.kind in PERSONAL_KINDS:
        raise Forbidden("Whether somebody has a record is told to professionals and their software.")
    check_scope(request.grant, "s", "Patient")
    identifier = text(read_inputs(request, runtime, {"identifier"}), "identifier")
    system, _, number = identifier.partition("|")
    if system not in INS_ROOTS or not number:
        raise BadRequest(f"identifier is an INS, such as {INS_ROOTS[0]}|279035121518989.", "identifier")
    found = await _matches(request, runtime, "Patient", ("identifier", identifier))
    if not found:
        return Response(200, fhir_json.format(parameters_resource([parameter("exists", "boolean", False)])))
    patient = found[0]
    told = [parameter("exists", "boolean", True), *await _told(request, runtime, patient)]
    return Response(200, fhir_json.format(parameters_resource(told)))


async def _told(request: Request, runtime: Runtime, patient: Resource) -> list[Resource]:
    reference, grant = f"Patient/{patient['id']}", request.grant
    closed = await is_closed(runtime.store, reference)
    told = [
        parameter("patient", "Reference", {"reference": reference}),
        parameter("active", "boolean", not closed),
        parameter("attached", "boolean", _extension(patient, "dmp-rattachement-mes").get("valueBoolean", True)),
    ]
    if grant.kind == "professional":
        told += [
            parameter("authorised", "boolean", await is_authorised(runtime.store, reference, grant)),
            parameter("blocked", "boolean", await is_blocked(runtime.store, reference, grant)),
            parameter("attending", "boolean", _is_attending(patient, acts_as(grant))),
        ]
    return told + (await _closing(request, runtime, patient) if closed else [])


async def _closing(request: Request, runtime: Runtime, patient: Resource) -> list[Resource]:
    """Tell since when and why a record is closed: of the holder's consent, or of what the operator wrote."""
    reference = f"Patient/{patient['id']}"
    consents = await _matches(request, runtime, "Consent", ("patient", reference), ("status", "active"))
    for consent in consents:
        if category_of(consent) in CLOSING:
            since = consent.get("provision", {}).get("period", {}).get("start", "")
            return _reasons(since, category_of(consent), consent.get("policyRule", {}).get("text", ""))
    parts = {part.get("url"): part for part in _extension(patient, "dmp-fermeture").get("extension", ())}
    coding: Resource = next(iter(parts.get("motifFermeture", {}).get("valueCodeableConcept", {}).get("coding", ())), {})
    return _reasons(
        parts.get("dateFermeture", {}).get("valueDate", ""),
        coding.get("code", ""),
        parts.get("raisonFermeture", {}).get("valueString", ""),
    )


def _reasons(since: str, code: str, reason: str) -> list[Resource]:
    told = (("closedSince", "dateTime", since), ("closingCode", "code", code), ("closingReason", "string", reason))
    return [parameter(name, type_code, said) for name, type_code, said in told if said]


def _extension(patient: Resource, name: str) -> Resource:
    found = (one for one in patient.get("extension", ()) if one.get("url") == f"{_DMP}/{name}")
    return next(found, {})


def _is_attending(patient: Resource, actors: tuple[str, ...]) -> bool:
    """Say whether the caller is the patient's attending doctor: a generalPractitioner of his."""
    return any(one.get("reference") in actors for one in patient.get("generalPractitioner", ()))


async def _matches(
    request: Request, runtime: Runtime, resource_type: str, *criteria: tuple[str, str]
) -> list[Resource]:
    """Return what is stored, beyond the caller's decision: only the facts above are told of it."""
    asked = replace(
        request,
        interaction="search",
        grant=OPEN,
        resource_type=resource_type,
        resource_id="",
        parameters=criteria,
        content=b"",
        resource=None,
    )
    bundle = msgspec.json.decode((await search(asked, runtime.store, runtime)).content)
    return [entry["resource"] for entry in bundle.get("entry", ()) if entry["search"]["mode"] == "match"]
