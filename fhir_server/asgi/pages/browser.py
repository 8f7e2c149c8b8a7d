"""A browser's cookies, and who is signed in in it.

Cookies are HttpOnly and SameSite=Lax; under https Secure with the __Host- prefix, which pins them to this host.
Spec: https://datatracker.ietf.org/doc/html/draft-ietf-httpbis-rfc6265bis#section-4.1.3.2
"""

from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response

from fhir_server.smart.authorization import Authorization
from fhir_server.smart.refusal import PageRefusal
from fhir_server.smart.sessions import Session
from fhir_server.smart.users import User


class Browser:
    """What browsers hold for this server.

    The cookies: `session` (who signed in), `form` (the sign-in form's token), `away` (a sign-in at another provider),
    `half` (a sign-in that waits for a code).
    """

    def __init__(self, authorization: Authorization) -> None:
        self._authorization = authorization
        self._is_secure = authorization.issuer.startswith("https:")

    async def signed_in(self, request: Request) -> tuple[Session, User] | None:
        """Return the live session of a browser and its user, or None."""
        session = await self._authorization.sessions.get(self.cookie(request, "session"))
        user = None if session is None else await self._authorization.users.get(session.user_id)
        return None if session is None or user is None else (session, user)

    def check_form(self, session: Session, values: Mapping[str, str]) -> None:
        """Raise PageRefusal (403) unless a form was made for this session: another site may have sent it."""
        if not session.is_own_form(values.get("form_token", "")):
            raise PageRefusal("expired_form", "This form was not made for your session, or is too old.", 403)

    def cookie(self, request: Request, name: str) -> str:
        """Return a cookie's value, or ""."""
        return request.cookies.get(self._name(name), "")

    def keep(self, response: Response, name: str, value: str) -> None:
        """Set a cookie until the browser closes."""
        response.set_cookie(self._name(name), value, path="/", secure=self._is_secure, httponly=True, samesite="lax")

    def drop(self, response: Response, name: str) -> None:
        """Delete a cookie."""
        response.delete_cookie(self._name(name), path="/", secure=self._is_secure, httponly=True, samesite="lax")

    def _name(self, name: str) -> str:
        return f"__Host-{name}" if self._is_secure else name
