"""Picking: the person chooses the patient or the encounter that an app asked for and nobody told.

Spec: https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html#requesting-context-with-scopes
"""

from collections.abc import Sequence

import msgspec

from fhir_server.access.grant import Grant
from fhir_server.access.scopes import parse_scopes
from fhir_server.smart.authorization import Authorization
from fhir_server.smart.authorize import AuthorizationRequest
from fhir_server.smart.launch.context import LaunchContext
from fhir_server.smart.outside import Choice
from fhir_server.smart.refusal import PageRefusal
from fhir_server.smart.users import User

_SHOWN = 50
_SHORTEST_EMERGENCY_TEXT = 3


async def choices(authorization: Authorization, asked: AuthorizationRequest, user: User, text: str) -> Sequence[Choice]:
    """Return what may be picked next, no more than fit a page, among what the person may see.

    In an emergency nobody is listed who was not looked for.
    """
    grant, outside = grant_of(user, asked), authorization.outside
    if asked.purpose and len(text.strip()) < _SHORTEST_EMERGENCY_TEXT:
        return ()
    if asked.missing(user) == "patient" and outside.patients_of is not None:
        return (await outside.patients_of(grant, text))[:_SHOWN]
    if asked.missing(user) == "encounter" and outside.encounters_of is not None:
        return (await outside.encounters_of(grant, asked.patient_of(user), text))[:_SHOWN]
    return ()


async def pick(authorization: Authorization, asked: AuthorizationRequest, user: User, chosen: str, text: str) -> str:
    """Keep a choice and return its handle; raises PageRefusal (403) for what was not offered.

    `chosen` "" picks no encounter; a patient must be picked.
    """
    missing = asked.missing(user)
    is_offered = chosen in [offered for offered, _ in await choices(authorization, asked, user, text)]
    if not is_offered and (chosen or missing != "encounter"):
        raise PageRefusal("access_denied", "This is not one of those that you may choose.", 403)
    bound = _bound(asked, user)
    if missing == "patient":
        context = msgspec.structs.replace(bound, patient=chosen)
    else:
        context = msgspec.structs.replace(bound, encounter=chosen, is_without_encounter=not chosen)
    return await authorization.launches.open(context)


async def give_reason(authorization: Authorization, asked: AuthorizationRequest, user: User, reason: str) -> str:
    """Keep why a professional opens a record in an emergency, and return the handle."""
    context = msgspec.structs.replace(_bound(asked, user), purpose_of_use=asked.purpose, reason=reason)
    return await authorization.launches.open(context)


def _bound(asked: AuthorizationRequest, user: User) -> LaunchContext:
    return msgspec.structs.replace(asked.context, user=user.user_id, app=asked.client.client_id)


def grant_of(user: User, asked: AuthorizationRequest) -> Grant:
    """Return the grant under which choices are looked up: what the person himself may read."""
    context = "user" if user.kind == "professional" else "patient"
    return Grant(
        kind=user.kind,
        actor=user.actor,
        client_id=asked.client.client_id,
        scopes=parse_scopes(f"{context}/*.rs"),
        user_id=user.user_id,
        patient_id=user.patient_id,
        organizations=user.organizations,
        profession=user.profession,
        display=user.display,
        purpose_of_use=asked.context.purpose_of_use,
        reason=asked.context.reason,
    )
