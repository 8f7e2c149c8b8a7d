"""The composition root: settings in, ASGI application out; the only file that knows everyone."""

import gc
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import msgspec
from uuid_utils import uuid7

from fhir_server import documents
from fhir_server.access.decision import use_matrix
from fhir_server.access.grant import OPEN, Grant
from fhir_server.access.matrix.load import parse_matrix
from fhir_server.asgi.pages import pages
from fhir_server.asgi.server import Api, App, fhir_api
from fhir_server.asgi.soap import PATHS, Face, GrantOfAssertion, soap_app
from fhir_server.conformance.canonicals import Canonicals
from fhir_server.conformance.profiling import profiling_of
from fhir_server.conformance.publish import own_parameters, publish
from fhir_server.conformance.search_parameters import SearchParameters
from fhir_server.conformance.terminology import tables_of, terminology_of
from fhir_server.directory import outside_of, patient_id_of
from fhir_server.interactions.request import ChangeRule, Limits, Runtime
from fhir_server.operations import OPERATIONS
from fhir_server.operations.terminology.value_set_expand import KINDS as EXPANSION_PARAMETERS
from fhir_server.settings import Settings, SettingsRefused
from fhir_server.smart.authorization import Authorization, AuthorizationSettings
from fhir_server.smart.bearer import Bearer
from fhir_server.smart.brands import default_brands, read_brands
from fhir_server.smart.configuration import APPS_PATH, smart_configuration
from fhir_server.smart.providers.configured import read_providers
from fhir_server.smart.providers.upstream import connect_provider
from fhir_server.smart.vihf import Assertions, Surroundings
from fhir_server.storage.sqlite.store import SqliteStore
from fhir_server.storage.store import Store

DEPLOYMENT_VARIABLE = "FHIRSERVER_DEPLOYMENT"
"""How a worker process is told the settings and the address of its parent."""


class Deployment(msgspec.Struct, frozen=True):
    """The settings, and the origin that clients use (`http://127.0.0.1:8080`)."""

    settings: Settings
    origin: str
    is_sandbox: bool = False
    """Apps register themselves without an operator's approval: for the demo."""

    @property
    def base_url(self) -> str:
        """Return the FHIR base."""
        return f"{self.origin}/fhir"


def now() -> datetime:
    """Return the time, aware UTC."""
    return datetime.now(UTC)


def new_id() -> str:
    """Return a new id: UUIDv7, so that ids grow and append at the edge of an index."""
    return str(uuid7())


def open_store(settings: Settings) -> Store:
    """Return the store of the settings, not yet opened. Raises SettingsRefused when its driver is not installed."""
    return store_at(settings.store or settings.data)


def store_at(place: str) -> Store:
    """Return the store of a connection string or a folder, not yet opened. Raises SettingsRefused."""
    if "://" not in place:
        return SqliteStore(Path(place) / "fhir.sqlite")
    try:
        from fhir_server.storage.mongodb import MongoStore
    except ImportError as error:
        raise SettingsRefused(
            "store names a MongoDB: install its driver (pip install 'fhir-server[mongodb]')."
        ) from error
    return MongoStore(place)


def limits_of(settings: Settings) -> Limits:
    """Return the bounds of one request."""
    return Limits(
        body_bytes=settings.body_bytes,
        depth=settings.depth,
        bundle_entries=settings.bundle_entries,
        count_default=settings.count_default,
        count_maximum=settings.count_maximum,
        include_maximum=settings.include_maximum,
        body_seconds=settings.body_seconds,
        request_seconds=settings.request_seconds,
        delete_maximum=settings.delete_maximum,
        query_parameters=settings.query_parameters,
    )


def runtime_of(
    deployment: Deployment,
    store: Store,
    canonicals: Canonicals,
    search_parameters: SearchParameters,
    oauth_uris: tuple[tuple[str, str], ...] = (),
) -> Runtime:
    """Return what interactions are given; no `oauth_uris` for an open server."""
    settings, terminology = deployment.settings, terminology_of(canonicals, tables_of(deployment.settings))
    refuses_unknown = settings.unknown_profiles == "refuse"
    canonicals.refresh_with(search_parameters.refresh)
    return Runtime(
        store=store,
        now=now,
        new_id=new_id,
        limits=limits_of(settings),
        offered=search_parameters.offered,
        indexing=search_parameters.indexing,
        operations=(*OPERATIONS, *documents.OPERATIONS),
        profiled=documents.PROFILED,
        change_rules={**change_rules_of(settings), "SearchParameter": search_parameters.check},
        guides=documents.GUIDES,
        oauth_uris=oauth_uris,
        has_cors=bool(settings.cors_origins or oauth_uris),
        terminology=terminology,
        describe_terminology=partial(terminology.describe, EXPANSION_PARAMETERS),
        canonicals=canonicals,
        profiling=profiling_of(canonicals, terminology, settings.profiles, refuses_unknown=refuses_unknown),
        may_combine_labels=settings.labels_combined,
        explain=store.explain,
    )


def change_rules_of(settings: Settings) -> Mapping[str, ChangeRule]:
    """Return what restricts writes of documents and, when the settings say so, of patients."""
    return {**documents.CHANGE_RULES, **(documents.INS_RULES if settings.unique_ins else {})}


def search_parameters_of(deployment: Deployment, store: Store) -> SearchParameters:
    """Return the search parameters of a store, which are to be read once it is open."""
    return SearchParameters(store, now, (deployment.base_url,), own=own_parameters().added)


def authorization_of(deployment: Deployment, store: Store) -> Authorization:
    """Return the authorization server of a store, not yet connected to the resources."""
    settings = deployment.settings
    durations = AuthorizationSettings(is_registration_open=deployment.is_sandbox)
    authorization = Authorization(store, deployment.base_url, now, new_id, durations)
    authorization.knows_certificates = bool(settings.tls_clients or settings.certificate_header)
    if settings.brands:
        authorization.brands = read_brands(Path(settings.brands).read_bytes(), deployment.base_url)
    else:
        timestamp = now().isoformat(timespec="seconds")
        authorization.brands = default_brands(settings.name, deployment.base_url, timestamp)
    return authorization


def connect_providers(authorization: Authorization, settings: Settings) -> None:
    """Offer the sign-in providers of the settings' file; raises Unprocessable, OSError."""
    if settings.providers:
        for provider in read_providers(Path(settings.providers).read_bytes(), os.environ):
            connect_provider(authorization, provider)


def oauth_uris_of(authorization: Authorization) -> tuple[tuple[str, str], ...]:
    """Return the endpoints that the CapabilityStatement tells. Spec: security.html."""
    names = ("authorize", "token", "introspect", "revoke", "register")
    return (*((name, authorization.url(f"/oauth/{name}")) for name in names), ("manage", authorization.url(APPS_PATH)))


async def grant_everyone(header: str) -> Grant:
    """Return the grant of an open server, whatever the Authorization header says."""
    return OPEN


def create(deployment: Deployment) -> App:
    """Return the ASGI application; its lifespan opens and closes the store."""
    settings = deployment.settings
    if settings.matrix:
        use_matrix(parse_matrix(Path(settings.matrix).read_bytes()))
    store = open_store(settings)
    authorization = None if settings.open else authorization_of(deployment, store)
    canonicals, search_parameters = Canonicals(store), search_parameters_of(deployment, store)
    oauth_uris = () if authorization is None else oauth_uris_of(authorization)
    runtime = runtime_of(deployment, store, canonicals, search_parameters, oauth_uris)
    if authorization is not None:
        authorization.connect(outside_of(runtime))
        connect_providers(authorization, settings)

    async def open_parts() -> None:
        await search_parameters.refresh()
        await publish(runtime)
        if authorization is not None:
            await authorization.open()
        settle_memory()

    return fhir_api(
        Api(
            runtime=runtime,
            grant_of=grant_everyone if authorization is None else Bearer(authorization).grant,
            base_url=deployment.base_url,
            smart_configuration=None if authorization is None else partial(discovery, authorization),
            origins=settings.cors_origins,
            origins_of=None if authorization is None else authorization.clients.origins,
            fallback=beside_fhir(deployment, runtime, authorization),
            on_open=open_parts,
            beside=(canonicals.follow, search_parameters.follow),
        )
    )


def beside_fhir(deployment: Deployment, runtime: Runtime, authorization: Authorization | None) -> App | None:
    """Return what answers outside the FHIR base: the pages, and the SOAP addresses when a setting opens them."""
    settings = deployment.settings
    people = None if authorization is None else pages(authorization, settings.name, runtime)
    if not settings.xds_repository:
        return people
    grant_of: GrantOfAssertion = grant_every_message
    if authorization is not None:
        store, outside = runtime.store, authorization.outside
        audiences = audiences_of(settings, deployment.origin)
        grant_of = Assertions(Surroundings(store, outside, patient_id_of(runtime), now, audiences)).grant
    face = Face(runtime, grant_of, settings.xds_repository, deployment.origin, deployment.base_url)
    return soap_app(face, people)


def audiences_of(settings: Settings, origin: str) -> frozenset[str]:
    """Return the names by which an assertion may say that it is for this server."""
    addresses = (origin, *(f"{origin}{path}" for path in PATHS))
    others = (name.rstrip("/") for name in settings.xds_audiences)
    return frozenset((*addresses, *others, f"urn:oid:{settings.xds_repository}"))


async def grant_every_message(assertion: object) -> Grant:
    """Return the grant of an open server, whoever signed."""
    return OPEN


def discovery(authorization: Authorization) -> bytes:
    """Return the JSON of `.well-known/smart-configuration`."""
    return msgspec.json.encode(smart_configuration(authorization))


def settle_memory() -> None:
    """Take what start-up made out of the garbage collector's sight: it lives as long as the process.

    The thresholds suit requests, which make many objects and hardly a cycle.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


def create_from_environment() -> App:
    """Return the application of a worker process."""
    return create(msgspec.json.decode(os.environ[DEPLOYMENT_VARIABLE], type=Deployment))
