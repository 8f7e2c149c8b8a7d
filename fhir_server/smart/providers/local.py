"""Sign in with a login and a password that this server keeps.

Spec: https://pages.nist.gov/800-63-4/sp800-63b.html#passwordver
"""

from collections.abc import Mapping

from fhir_server.smart.limits.sign_in_attempts import SignInAttempts
from fhir_server.smart.providers import Beginning, Proven, SignInRefused
from fhir_server.smart.users import Users, normalize


class LocalProvider:
    """The provider of passwords."""

    name = "local"
    display = ""

    def __init__(self, users: Users, attempts: SignInAttempts) -> None:
        self._users = users
        self._attempts = attempts

    async def begin(self, callback_url: str) -> Beginning:
        """Ask for a login and a password."""
        return Beginning(fields=("login", "password"))

    async def finish(self, answer: Mapping[str, str], kept: str) -> Proven:
        """Return the user of the login and password; raises SignInRefused, without telling which one is wrong."""
        login = normalize(answer.get("login", ""))
        wait_seconds = await self._attempts.begin(login)
        if wait_seconds:
            raise SignInRefused(wait_seconds)
        user = await self._users.verify(login, answer.get("password", ""))
        if user is None:
            raise SignInRefused
        await self._attempts.succeed(login)
        return Proven(user)

    async def leave(self, hint: str, back_url: str) -> str:
        """Return "": there is nowhere else to sign out."""
        return ""
