"""The authorization request as a page carries it: an app's parameters, and a few of our own.

Spec: https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html#obtain-authorization-code
"""

from collections.abc import Iterable

from fhir_server.smart.authorization import Authorization
from fhir_server.smart.authorize import AuthorizationRequest, parse

PAGE_FIELDS = ("lang", "find")
"""Parameters that are the page's and not the app's."""


async def parsed(authorization: Authorization, pairs: Iterable[tuple[str, str]]) -> AuthorizationRequest:
    """Check the authorization request among the parameters; raises PageRefusal or RedirectRefusal."""
    return await parse(authorization, [pair for pair in pairs if pair[0] not in PAGE_FIELDS])
