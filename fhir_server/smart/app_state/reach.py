"""Which states a token reaches: those whose code is its app's, of its patient, of its user, or global.

Spec: https://hl7.org/fhir/smart-app-launch/STU2.2/app-state.html#security-and-access-controls

Choice: an app's codes are those whose system has a web origin of its redirect URIs, as SMART recommends, and the
systems that the operator registered for it. Global configuration is read by every user of the app and written by
professionals; an operator client reaches every state.
"""

from fhir_server.access.grant import Scope
from fhir_server.access.scopes import parse_scopes
from fhir_server.foundation.operation_outcome import Forbidden
from fhir_server.smart.bearer import Live
from fhir_server.smart.clients.redirects import Origins, parts_of

_CHANGES = frozenset("cud")


class Reach:
    """What one live token reaches; `base_url` is the FHIR base."""

    def __init__(self, live: Live, base_url: str) -> None:
        self._live = live
        self._base_url = base_url
        self._origins = Origins(live.client.redirect_uris)
        self._scopes = [scope for scope in parse_scopes(live.claims.scope) if scope.resource_type in ("Basic", "*")]

    def check(self, letter: str, code: str, subject: str) -> None:
        """Raise Forbidden (403) unless the token reaches states of a code ("system|code") and subject ("" global)."""
        if not self._is_own_code(code.rpartition("|")[0]):
            raise Forbidden("The code of the state is not one of this app: its system has an origin of the app.")
        contexts = self._contexts(letter, subject)
        if not any(scope.context in contexts and _says(scope, letter, code) for scope in self._scopes):
            raise Forbidden("The scopes of the token do not reach this state: its patient's, its user's, or global.")

    def _is_own_code(self, system: str) -> bool:
        client = self._live.client
        parts = parts_of(system)
        return (
            client.is_operator or system in client.state_systems or f"{parts.scheme}://{parts.netloc}" in self._origins
        )

    def _contexts(self, letter: str, subject: str) -> tuple[str, ...]:
        claims, user = self._live.claims, self._live.user
        if user is None:
            return ("system",) if self._live.client.is_operator else ()
        if not subject:
            return ("user",) if user.kind == "professional" else () if letter in _CHANGES else ("user", "patient")
        found = []
        if claims.patient and subject == f"{self._base_url}/Patient/{claims.patient}":
            found += ["patient", "user"]
        if subject == f"{self._base_url}/{user.actor}":
            found.append("user")
        return tuple(found)


def _says(scope: Scope, letter: str, code: str) -> bool:
    return letter in scope.interactions and all(pair == ("code", code) for pair in scope.query)
