"""The authorization request, and the code that answers it.

Spec: https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html#obtain-authorization-code,
https://www.rfc-editor.org/rfc/rfc7636 (PKCE), https://www.rfc-editor.org/rfc/rfc9207 (iss)
"""

import re
import secrets
from collections.abc import Collection, Iterable
from datetime import datetime, timedelta

import msgspec

from fhir_server.access.modes import NORMAL, REGULATION, mode_of
from fhir_server.smart.authorization import Authorization
from fhir_server.smart.clients import Client
from fhir_server.smart.granted_scopes import LASTING_SCOPES, granted_scopes
from fhir_server.smart.launch.context import NO_CONTEXT, LaunchContext
from fhir_server.smart.refusal import OAuthRefusal, PageRefusal, RedirectRefusal, add_query, split_values, told_repeated
from fhir_server.smart.sessions import Session
from fhir_server.smart.tokens.code import Code, put_code
from fhir_server.smart.users import User, normalize
from fhir_server.storage.store import Transaction

_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)


class AuthorizationRequest(msgspec.Struct, frozen=True):
    """A valid request of a known client; `max_age_seconds` None when a session of any age will do.

    `launch` is the handle of a host software, `picked` that of what the person chose so far, `context` what both say;
    `pickers` are the context scopes that he can be asked for; `purpose` is the mode of an emergency, or "".
    `is_secret` asks for a secret connection (parameter `secret_connection=true`, ours).
    """

    client: Client
    redirect_uri: str
    scope: str
    code_challenge: str
    state: str
    nonce: str
    prompts: frozenset[str]
    max_age_seconds: int | None
    issuer: str
    launch: str = ""
    picked: str = ""
    context: LaunchContext = NO_CONTEXT
    pickers: frozenset[str] = frozenset()
    purpose: str = ""
    is_secret: bool = False

    def refusal(self, error: str, description: str) -> RedirectRefusal:
        """Make the refusal that sends the browser back to the client."""
        return RedirectRefusal(error, description, self.redirect_uri, _returned(self.state, self.issuer))

    def needs_sign_in(self, session: Session, now: datetime) -> bool:
        """Say whether a session is too old for what the client asks."""
        if self.max_age_seconds is None:
            return False
        return now - session.signed_in_at > timedelta(seconds=self.max_age_seconds)

    def offered(self, user: User) -> tuple[str, ...]:
        """Return the scopes that the user may grant; raises RedirectRefusal."""
        try:
            scopes = granted_scopes(self.scope, self.client, user.kind, self._contexts(user))
            return _of_one_record(scopes) if self.purpose else scopes
        except OAuthRefusal as refusal:
            raise self.refusal(refusal.error, refusal.description) from refusal

    def patient_of(self, user: User) -> str:
        """Return the id of the patient in context, or ""; a patient's is always himself."""
        return user.patient_id or self.context.patient

    def missing(self, user: User) -> str:
        """Return what the person must still tell: "reason", "patient", "encounter" or ""."""
        if self.purpose and not self.context.reason:
            return "reason"
        offered = self.offered(user)
        if not self.patient_of(user) and any(scope.startswith(("patient/", "launch/")) for scope in offered):
            return "patient"
        is_known = self.context.encounter or self.context.is_without_encounter
        return "encounter" if "launch/encounter" in offered and not is_known else ""

    def check_user(self, user: User) -> None:
        """Raise RedirectRefusal when the launch was opened for somebody else, or for another patient than he is."""
        context = self.context
        is_his = context.user in ("", user.user_id, user.actor) or normalize(context.user) == user.login
        if not is_his or (user.patient_id and context.patient not in ("", user.patient_id)):
            raise self.refusal("access_denied", "The launch was opened for another person.")
        if self.purpose and user.kind != "professional":
            raise self.refusal("access_denied", "Only a professional opens a record in an emergency.")
        if self.is_secret and user.kind != "professional":
            raise self.refusal("access_denied", "Only a professional connects in secret.")
        if self.purpose == REGULATION and not user.is_regulator:
            raise self.refusal("access_denied", "Only a regulating doctor opens a record for centre 15.")

    def _contexts(self, user: User) -> frozenset[str]:
        context = self.context
        known = {
            "launch": context.is_from_host,
            "launch/patient": bool(self.patient_of(user)),
            "launch/encounter": bool(context.encounter),
        }
        can_pick = self.pickers - ({"launch/patient"} if user.kind != "professional" else frozenset())
        if not known["launch/patient"] and "launch/patient" not in can_pick:
            can_pick = frozenset()
        return can_pick | {scope for scope, is_known in known.items() if is_known}


async def parse(authorization: Authorization, pairs: Iterable[tuple[str, str]]) -> AuthorizationRequest:
    """Check an authorization request; raises PageRefusal (no client to trust) or RedirectRefusal."""
    parameters, repeated = split_values(pairs)
    if not repeated.isdisjoint(("client_id", "redirect_uri")):
        raise PageRefusal("invalid_request", told_repeated(repeated))
    client = await authorization.clients.get(parameters.get("client_id", ""))
    if client is None:
        raise PageRefusal("invalid_client", "The app that sent you here is not registered.")
    redirect_uri = parameters.get("redirect_uri", "")
    if not client.accepts(redirect_uri):
        raise PageRefusal("invalid_request", "The return address (redirect_uri) is not one that the app registered.")
    state = parameters.get("state", "")
    context = await _context(authorization, parameters, client)
    reason = ("invalid_request", told_repeated(repeated)) if repeated else None
    reason = reason or _reason_to_refuse(parameters, client, authorization.base_url)
    if reason or context is None:
        reason = reason or ("invalid_request", "The launch is unknown, expired, used, or of another app.")
        raise RedirectRefusal(*reason, redirect_uri, _returned(state, authorization.issuer))
    max_age = parameters.get("max_age", "")
    return AuthorizationRequest(
        client=client,
        redirect_uri=redirect_uri,
        scope=parameters["scope"],
        code_challenge=parameters["code_challenge"],
        state=state,
        nonce=parameters.get("nonce", ""),
        prompts=frozenset(parameters.get("prompt", "").split()),
        max_age_seconds=int(max_age) if max_age else None,
        issuer=authorization.issuer,
        launch=parameters.get("launch", ""),
        picked=parameters.get("picked", ""),
        context=context,
        pickers=_pickers(authorization),
        purpose=_purpose(parameters),
        is_secret=parameters.get("secret_connection") == "true",
    )


async def allow(
    authorization: Authorization, request: AuthorizationRequest, session: Session, user: User, chosen: Collection[str]
) -> str:
    """Return the address that takes a new code to the client, for the offered scopes that the user chose."""
    scopes = tuple(scope for scope in request.offered(user) if scope in chosen)
    if not scopes:
        raise request.refusal("access_denied", "Nothing was allowed.")
    request.check_user(user)
    if request.missing(user):
        raise request.refusal("access_denied", f"No {request.missing(user)} was chosen.")
    text = secrets.token_urlsafe(32)
    code = Code(
        client_id=request.client.client_id,
        redirect_uri=request.redirect_uri,
        code_challenge=request.code_challenge,
        user_id=user.user_id,
        patient_id=request.patient_of(user),
        scopes=scopes,
        signed_in_at=session.signed_in_at,
        nonce=request.nonce,
        expires_at=authorization.now() + timedelta(seconds=authorization.settings.code_seconds),
        session_key=session.key,
        context=msgspec.structs.replace(request.context, is_secret=request.is_secret),
    )

    async def work(transaction: Transaction) -> None:
        for handle in (request.launch, request.picked):
            if handle and not await authorization.launches.spend(transaction, handle):
                raise request.refusal("invalid_request", "The launch was used before.")
        await put_code(transaction, text, code)

    await authorization.store.transact(work)
    return add_query(request.redirect_uri, {"code": text, **_returned(request.state, request.issuer)})


def _reason_to_refuse(parameters: dict[str, str], client: Client, base_url: str) -> tuple[str, str] | None:
    method, challenge = parameters.get("code_challenge_method"), parameters.get("code_challenge", "")
    resource = parameters.get("resource", base_url)
    audience = parameters.get("aud", parameters.get("resource", ""))
    prompts = parameters.get("prompt", "").split()
    for is_wrong, error, description in (
        ("request" in parameters, "request_not_supported", "Request objects are not offered."),
        ("request_uri" in parameters, "request_uri_not_supported", "Request objects are not offered."),
        ("response_type" not in parameters, "invalid_request", "response_type is required: code."),
        (parameters.get("response_type") != "code", "unsupported_response_type", "response_type must be code."),
        ("authorization_code" not in client.grant_types, "unauthorized_client", "The client may not ask for codes."),
        (parameters.get("response_mode", "query") != "query", "invalid_request", "response_mode must be query."),
        (method != "S256", "invalid_request", "PKCE is required, with code_challenge_method S256."),
        (not _CHALLENGE.fullmatch(challenge), "invalid_request", "code_challenge must be 43 characters of base64url."),
        (audience.rstrip("/") != base_url, "invalid_request", f"aud must be {base_url}."),
        (resource.rstrip("/") != base_url, "invalid_target", f"resource must be {base_url}."),
        ("none" in prompts and len(prompts) > 1, "invalid_request", "prompt none stands alone."),
        ("scope" not in parameters, "invalid_scope", "scope is required."),
        (mode_of(parameters.get("purpose_of_use", "")) == "", "invalid_request", "purpose_of_use is unknown."),
        (
            parameters.get("secret_connection", "false") not in ("true", "false"),
            "invalid_request",
            "secret_connection is true or false.",
        ),
        (not _is_age(parameters.get("max_age", "0")), "invalid_request", "max_age must be a number of seconds."),
    ):
        if is_wrong:
            return error, description
    return None


async def _context(authorization: Authorization, parameters: dict[str, str], client: Client) -> LaunchContext | None:
    """Return what the handles of a request stand for, or None when one of them does not hold."""
    context = NO_CONTEXT
    for name in ("launch", "picked"):
        if name in parameters:
            found = await authorization.launches.get(parameters[name])
            if found is None or found.app not in ("", client.client_id):
                return None
            context = found
    return context if context.purpose_of_use in ("", _purpose(parameters)) else None


def _purpose(parameters: dict[str, str]) -> str:
    mode = mode_of(parameters.get("purpose_of_use", ""))
    return "" if mode == NORMAL else mode


def _of_one_record(scopes: tuple[str, ...]) -> tuple[str, ...]:
    """Return what an emergency may grant: one record, for minutes; raises OAuthRefusal."""
    kept = tuple(scope for scope in scopes if not scope.startswith("user/") and scope not in LASTING_SCOPES)
    if not any(scope.startswith("patient/") for scope in kept):
        raise OAuthRefusal("invalid_scope", "An emergency opens one record: ask for patient/ scopes.")
    return kept


def _pickers(authorization: Authorization) -> frozenset[str]:
    outside = authorization.outside
    offered = {"launch/patient": outside.patients_of, "launch/encounter": outside.encounters_of}
    return frozenset(scope for scope, picker in offered.items() if picker is not None)


def _is_age(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 10


def _returned(state: str, issuer: str) -> dict[str, str]:
    return {"state": state, "iss": issuer} if state else {"iss": issuer}
