"""The patient's page: who may see what, who cannot and why, who looked; taking it back takes two clicks.

Every decision is a Consent or a label, written as the patient by the same interactions as any client's.
Spec: CSP R.1111-42, R.1111-46, R.1111-49; consent.html
"""

from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Any, Final
from urllib.parse import urlencode

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from fhir_server.access.grant import Grant, Scope
from fhir_server.asgi.pages.browser import Browser
from fhir_server.asgi.pages.forms import form_pairs, last_values
from fhir_server.asgi.pages.language import language_of
from fhir_server.asgi.pages.record.words import WORDS
from fhir_server.asgi.pages.responses import page, redirect
from fhir_server.foundation.operation_outcome import FhirError
from fhir_server.interactions.explaining.acts import block_of, decide_by, decision_of, mask, withdraw
from fhir_server.interactions.explaining.overview import name_of, overview, question_about, told_before_and_after
from fhir_server.interactions.request import Runtime
from fhir_server.smart.authorization import Authorization
from fhir_server.smart.configuration import APPS_PATH
from fhir_server.smart.refusal import PageRefusal
from fhir_server.smart.sessions import Session
from fhir_server.smart.users import User

ACCESS_PATH: Final = "/account/access"
_LETTERS: Final = frozenset("cruds")
_LASTS: Final = timedelta(minutes=1)
Act = Callable[[str, Grant, Runtime], Awaitable[None]]


async def _block(target: str, grant: Grant, runtime: Runtime) -> None:
    await decide_by(block_of(grant.patient_id, target), grant, runtime)


async def _decide(target: str, grant: Grant, runtime: Runtime) -> None:
    await decide_by(decision_of(grant.patient_id, target), grant, runtime)


async def _withdraw(target: str, grant: Grant, runtime: Runtime) -> None:
    for reference in target.split():
        await withdraw(reference, grant, runtime)


async def _mask(target: str, grant: Grant, runtime: Runtime) -> None:
    await mask(target, grant, runtime, is_masked=True)


async def _show(target: str, grant: Grant, runtime: Runtime) -> None:
    await mask(target, grant, runtime, is_masked=False)


ACTS: Final[Mapping[str, Act]] = {
    "block": _block,
    "decide": _decide,
    "withdraw": _withdraw,
    "mask": _mask,
    "show": _show,
}
"""What a form of the page asks for, by name; its target is a reference, references, or a category."""


def access_routes(authorization: Authorization, runtime: Runtime) -> APIRouter:
    """Return the routes of the page, of the question before blocking, and of their forms."""
    routes = APIRouter(tags=["people"])
    pages = _Access(authorization, runtime)
    for path, endpoint, method, summary in (
        (ACCESS_PATH, pages.show, "GET", "Who may see a patient's record, and who looked at it"),
        (f"{ACCESS_PATH}/block", pages.ask, "GET", "What blocking somebody would change"),
        (ACCESS_PATH, pages.act, "POST", "Block, mask, withdraw, or decide about the whole record"),
    ):
        routes.add_api_route(path, endpoint, methods=[method], response_model=None, summary=summary)
    return routes


class _Access:
    def __init__(self, authorization: Authorization, runtime: Runtime) -> None:
        self._authorization = authorization
        self._runtime = runtime
        self._browser = Browser(authorization)

    async def show(self, request: Request) -> Response:
        """Show the overview of the signed-in person's record."""
        signed_in = await self._browser.signed_in(request)
        if signed_in is None:
            return redirect(self._authorization.url(f"/sign-in?{urlencode({'next': ACCESS_PATH})}"))
        session, user = signed_in
        if user.kind == "professional":
            return await self._modes(request, session, user)
        return await self._page(request, session, self._grant(user))

    async def ask(self, request: Request) -> Response:
        """Tell what blocking somebody would change, before it is saved."""
        session, grant = await self._holder(request)
        actor, language = request.query_params.get("who", ""), language_of(request)
        try:
            question = await question_about(grant, actor, self._runtime)
            before, after = told_before_and_after(question, block_of(grant.patient_id, actor))
        except FhirError as refusal:
            return await self._page(request, session, grant, refused=str(refusal))
        values = {
            "w": WORDS[language],
            "name": await name_of(actor, self._runtime),
            "actor": actor,
            "changes": [("before", before), ("after", after)],
            "why": self._why(request),
            "path": ACCESS_PATH,
            "form_token": session.form_token,
        }
        return page(request, "record_block.html", values)

    async def act(self, request: Request) -> Response:
        """Do what a form asks, as the person who is signed in."""
        values = last_values(await form_pairs(request))
        session, grant = await self._holder(request)
        self._browser.check_form(session, values)
        name, _, target = values.get("act", "").partition(" ")
        if name == "end":
            await self._authorization.families.end(await self._own_family(session, target))
            return redirect(self._authorization.url(f"{ACCESS_PATH}?done=1"))
        if name not in ACTS or grant.kind not in ("patient", "representative"):
            raise PageRefusal("invalid_request", "There is no such form.")
        try:
            await ACTS[name](target, grant, self._runtime)
        except FhirError as refusal:
            return await self._page(request, session, grant, refused=str(refusal))
        await self._end_tokens(grant, values.get("app", ""))
        return redirect(self._authorization.url(f"{ACCESS_PATH}?done=1"))

    async def _holder(self, request: Request) -> tuple[Session, Grant]:
        signed_in = await self._browser.signed_in(request)
        if signed_in is None:
            raise PageRefusal("expired_form", "The session ended meanwhile.", 403)
        return signed_in[0], self._grant(signed_in[1])

    def _grant(self, user: User) -> Grant:
        """Return what the person may do on this page: all that is his to do, in his record."""
        patient_id = user.represents if user.kind == "representative" else user.actor.removeprefix("Patient/")
        return Grant(
            kind=user.kind,
            actor=user.actor,
            client_id="pages",
            user_id=user.user_id,
            scopes=(Scope("patient", "*", _LETTERS),),
            patient_id=patient_id,
            display=user.display,
            expires_at=self._runtime.now() + _LASTS,
        )

    async def _page(self, request: Request, session: Session, grant: Grant, refused: str = "") -> Response:
        words = WORDS[language_of(request)]
        if grant.kind not in ("patient", "representative"):
            raise PageRefusal("access_denied", words["not_yours"], 403)
        found = await overview(grant, self._runtime)
        values: dict[str, Any] = {
            "w": words,
            "may": [one for one in found.known if not one.is_app and one.explanation.is_reached],
            "may_not": [one for one in found.known if not one.is_app and not one.explanation.is_reached],
            "apps": [one for one in found.known if one.is_app],
            "found": found,
            "why": self._why(request),
            "refused": refused,
            "is_done": request.query_params.get("done") == "1",
            "path": ACCESS_PATH,
            "apps_path": APPS_PATH,
            "form_token": session.form_token,
            "page_path": ACCESS_PATH,
            "page_query": "",
        }
        return page(request, "record_access.html", values, status=409 if refused else 200)

    def _why(self, request: Request) -> Callable[[Any], str]:
        language = language_of(request)

        return lambda explanation: " ".join(explanation.sentences(language))

    async def _modes(self, request: Request, session: Session, user: User) -> Response:
        """Show a professional the emergency accesses that he has open, each with its banner."""
        now = self._runtime.now()
        families = await self._authorization.families.of_user(user.user_id)
        values = {
            "w": WORDS[language_of(request)],
            "open": [one for one in families if one.context.purpose_of_use and one.expires_at > now],
            "path": ACCESS_PATH,
            "form_token": session.form_token,
            "is_done": request.query_params.get("done") == "1",
        }
        return page(request, "record_modes.html", values)

    async def _own_family(self, session: Session, family_id: str) -> str:
        families = await self._authorization.families.of_user(session.user_id)
        if family_id not in {family.family_id for family in families}:
            raise PageRefusal("invalid_request", "There is no such access.")
        return family_id

    async def _end_tokens(self, grant: Grant, app: str) -> None:
        """End the tokens of an app whose pairing was ended: they would answer 403, and live on for nothing."""
        for client in await self._authorization.clients.list() if app else ():
            if app in (client.actor, f"Device/{client.client_id}"):
                await self._authorization.apps.revoke(grant.user_id, client.client_id)
