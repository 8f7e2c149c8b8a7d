"""A host software opens an EHR launch: it tells whom it shows to whom, and gets the `launch` parameter for the app.

Spec: https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html#launch-app-ehr-launch

Choice: SMART leaves to each product how the host tells the context. Ours posts a form, and proves itself as at the
token endpoint, or shows the access token of the professional who works in it. The person still signs in: the handle
says for whom the launch is, it signs nobody in.
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from fhir_server.smart.authorization import Authorization
from fhir_server.smart.bearer import find_bearer
from fhir_server.smart.clients import Client
from fhir_server.smart.launch.context import read_context
from fhir_server.smart.refusal import OAuthRefusal, single_values


async def open_launch(
    authorization: Authorization, pairs: Iterable[tuple[str, str]], authorization_header: str = ""
) -> dict[str, Any]:
    """Return `{"launch", "iss", "expires_in"}` for a context; raises OAuthRefusal.

    Parameters: user (login, user_id or actor), app (client_id), patient, encounter, fhirContext (JSON), intent,
    need_patient_banner, tenant.
    """
    parameters = single_values(pairs)
    client, user = await _host(authorization, parameters, authorization_header)
    if not client.is_launch_host or client.kind == "public":
        raise OAuthRefusal("unauthorized_client", "The client is not registered as a host that launches apps.", 403)
    context = read_context(parameters)
    if user:
        context = msgspec.structs.replace(context, user=user)
    if not context.user:
        raise OAuthRefusal("invalid_request", "user is required: the login or the actor of the person.")
    if context.app and await authorization.clients.get(context.app) is None:
        raise OAuthRefusal("invalid_request", "app is the client_id of a registered app.")
    handle = await authorization.launches.open(context)
    return {"launch": handle, "iss": authorization.base_url, "expires_in": authorization.launches.seconds}


async def _host(authorization: Authorization, parameters: dict[str, str], header: str) -> tuple[Client, str]:
    """Return the client that calls, and the user_id that its token names ("" when it proves itself without one)."""
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer":
        return (await authorization.prove(parameters, header)).client, ""
    live = await find_bearer(authorization, token.strip())
    if live is None or live.user is None:
        raise OAuthRefusal("invalid_token", "The bearer token is no live token of a person.", 401)
    return live.client, live.user.user_id
