"""Providers elsewhere, tied to our users: whom they prove becomes a user here at his first sign-in.

Spec: https://openid.net/specs/openid-connect-core-1_0.html#ClaimStability
"""

import hashlib
from typing import Any

from fhir_server.smart.authorization import Authorization
from fhir_server.smart.providers import SignInRefused
from fhir_server.smart.providers.openid import OpenIdProvider, OpenIdSettings
from fhir_server.smart.providers.pro_sante_connect import NAME, professional_of
from fhir_server.smart.users import User


def connect_provider(authorization: Authorization, settings: OpenIdSettings) -> None:
    """Offer a provider on the sign-in page: Pro Santé Connect by its name for professionals, any other for patients."""

    async def recognise_professional(claims: dict[str, Any]) -> User:
        fed = settings.is_directory_fed
        return await _adopt(authorization, await professional_of(claims, authorization.outside, is_directory_fed=fed))

    async def recognise_patient(claims: dict[str, Any]) -> User:
        patient_of = authorization.outside.patient_of
        actor = await patient_of(claims) if patient_of is not None else ""
        if not actor:
            raise SignInRefused(reason="unknown_patient")
        subject = hashlib.sha256(f"{claims['iss']}\n{claims['sub']}".encode()).hexdigest()
        names = (str(claims.get(name, "")).strip() for name in ("given_name", "family_name"))
        display = " ".join(name for name in names if name) or actor
        return await _adopt(authorization, User("", f"{settings.name}:{subject}", "patient", actor, display))

    recognise = recognise_professional if settings.name == NAME else recognise_patient
    provider = OpenIdProvider(settings, authorization.now, recognise)
    authorization.providers = {**authorization.providers, provider.name: provider}


async def _adopt(authorization: Authorization, user: User) -> User:
    adopted = await authorization.users.adopt(user)
    if adopted.is_disabled:
        raise SignInRefused(reason="not_recognised")
    return adopted
