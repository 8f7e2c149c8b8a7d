"""The pages that people use, and the OAuth endpoints: a FastAPI application beside the FHIR API.

Spec: https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html
"""

from pathlib import Path

from fastapi import APIRouter, FastAPI
from starlette.staticfiles import StaticFiles

from fhir_server.asgi.pages.app_state import app_state_routes
from fhir_server.asgi.pages.discovery import discovery_routes
from fhir_server.asgi.pages.home import home_routes
from fhir_server.asgi.pages.oauth import oauth_routes
from fhir_server.asgi.pages.openapi import FILES_PATH, openapi_routes
from fhir_server.asgi.pages.person.account import account_routes
from fhir_server.asgi.pages.person.approvals import approvals_routes
from fhir_server.asgi.pages.person.passkeys import passkey_routes
from fhir_server.asgi.pages.person.second_factor import second_factor_routes
from fhir_server.asgi.pages.rates import Limited
from fhir_server.asgi.pages.record.access import access_routes
from fhir_server.asgi.pages.refusals import REFUSALS
from fhir_server.asgi.pages.registration import registration_routes
from fhir_server.asgi.pages.request.consent import consent_routes
from fhir_server.asgi.pages.request.emergency import emergency_routes
from fhir_server.asgi.pages.request.picker import picker_routes
from fhir_server.asgi.pages.sign_in import sign_in_routes
from fhir_server.interactions.request import Runtime
from fhir_server.smart.authorization import Authorization

__all__ = ["pages"]


ROUTES = (
    discovery_routes,
    oauth_routes,
    registration_routes,
    passkey_routes,
    sign_in_routes,
    consent_routes,
    picker_routes,
    emergency_routes,
    account_routes,
    second_factor_routes,
    approvals_routes,
    app_state_routes,
)
"""The routes of the authorization server, by page."""


def pages(authorization: Authorization, name: str = "FHIR server", runtime: Runtime | None = None) -> FastAPI:
    """Make the application of everything outside the FHIR base, and of `[base]/.well-known/smart-configuration`.

    `name` is what the operator calls the server; without `runtime` there are no pages about records.
    """
    app = FastAPI(title="Authorization", docs_url=None, redoc_url=None, openapi_url=None)
    for router in routers_of(authorization, name, runtime):
        app.include_router(router)
    for refusal, answer in REFUSALS.items():
        app.add_exception_handler(refusal, answer)
    app.add_middleware(Limited, authorization=authorization)
    app.mount(FILES_PATH, StaticFiles(directory=Path(__file__).parent / "static"))
    return app


def routers_of(authorization: Authorization, name: str, runtime: Runtime | None = None) -> list[APIRouter]:
    """Return all routes outside the FHIR base, page by page; the last one describes them."""
    routers = [*(routes(authorization) for routes in ROUTES), home_routes(authorization, name)]
    if runtime is not None:
        routers.append(access_routes(authorization, runtime))
    routers.append(openapi_routes(routers, authorization.base_url))
    return routers
