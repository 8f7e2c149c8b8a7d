"""Identity providers: who tells us that a person is who he says. Each has `begin` and `finish`.

Spec: https://openid.net/specs/openid-connect-core-1_0.html#CodeFlowSteps
"""

from collections.abc import Mapping
from typing import Protocol

import msgspec

from fhir_server.smart.users import User


class Beginning(msgspec.Struct, frozen=True):
    """Say how a sign-in goes on.

    `redirect_url` sends the browser to the provider; "" shows a form with the `fields` instead. `kept` is what the
    browser holds in a cookie until `finish` (state and nonce of an upstream provider).
    """

    redirect_url: str = ""
    fields: tuple[str, ...] = ()
    kept: str = ""


class Proven(msgspec.Struct, frozen=True):
    """The user whom a provider proved; `hint` is what it wants to see again when he signs out there, or ""."""

    user: User
    hint: str = ""


class SignInRefused(Exception):
    """The person was not recognised, or must wait `wait_seconds` before the next attempt.

    `reason` is a key of the pages' texts.
    """

    def __init__(self, wait_seconds: int = 0, reason: str = "refused") -> None:
        super().__init__("sign-in refused")
        self.wait_seconds = wait_seconds
        self.reason = reason


class Provider(Protocol):
    """An identity provider; `name` is its place in addresses, `display` what people know it by."""

    name: str
    display: str

    async def begin(self, callback_url: str) -> Beginning:
        """Begin a sign-in whose answer comes to `callback_url`."""
        ...

    async def finish(self, answer: Mapping[str, str], kept: str) -> Proven:
        """Return the user whom the answer (form fields, or callback parameters) proves; raises SignInRefused."""
        ...

    async def leave(self, hint: str, back_url: str) -> str:
        """Return where the person signs out at the provider too, or "" when there is no such place."""
        ...
