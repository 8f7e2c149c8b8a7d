"""Settings: one frozen struct, filled from defaults, a TOML file and the environment, in that order.

An unknown key refuses to start. `fhir-server check` explains the effective settings.
"""

import os
import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta

PREFIX = "FHIR_SERVER_"
DEFAULT_FILE = "fhir-server.toml"
LISTS = ("certificate_proxies", "cors_origins", "packages", "xds_audiences")
"""Settings that the environment gives as texts between commas."""
TABLES = ("profiles",)
"""Settings that the environment gives as pairs `key=value` between commas."""


class SettingsRefused(Exception):
    """A setting is unknown, of the wrong type or out of bounds; the text says which and what would be right."""


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Hold every setting; each one's description is its documentation."""

    host: Annotated[str, Meta(description="Address to listen on. 127.0.0.1 is reachable from this machine only.")] = (
        "127.0.0.1"
    )
    port: Annotated[int, Meta(ge=0, le=65535, description="Port to listen on; 0 takes a free one and prints it.")] = (
        8080
    )
    data: Annotated[str, Meta(description="Folder of the embedded store; made when missing.")] = "./data"
    store: Annotated[
        str,
        Meta(
            description="Connection string of a MongoDB replica set or sharded cluster "
            "(mongodb://a,b,c/fhir?replicaSet=rs). Empty: the embedded store in `data`."
        ),
    ] = ""
    workers: Annotated[
        int, Meta(ge=1, le=64, description="Server processes on one port; one writes at a time, all of them read.")
    ] = 1
    open: Annotated[
        bool, Meta(description="No authorization at all, for tests on this machine: only with a loopback host.")
    ] = False
    public_url: Annotated[
        str,
        Meta(
            description="Address clients use, without /fhir, when a proxy stands in front (https://fhir.example.fr). "
            "It is the issuer of the tokens. Empty: http://HOST:PORT."
        ),
    ] = ""
    name: Annotated[str, Meta(min_length=1, description="Name shown on the sign-in and consent pages.")] = "FHIR server"
    body_bytes: Annotated[
        int, Meta(ge=1024, description="Largest accepted request body in bytes; a larger one is refused with 413.")
    ] = 67_108_864
    depth: Annotated[int, Meta(ge=8, le=200, description="Deepest accepted nesting of a JSON or XML body.")] = 64
    bundle_entries: Annotated[int, Meta(ge=1, description="Most entries of one batch or transaction.")] = 10_000
    count_default: Annotated[int, Meta(ge=1, description="Entries of a page when a search gives no _count.")] = 50
    count_maximum: Annotated[int, Meta(ge=1, description="Most entries of a page; a larger _count gives this.")] = 1_000
    include_maximum: Annotated[
        int, Meta(ge=0, description="Most resources that _include and _revinclude add to a page.")
    ] = 1_000
    body_seconds: Annotated[float, Meta(gt=0, description="Seconds within which a request's body must arrive.")] = 30.0
    request_seconds: Annotated[
        float, Meta(gt=0, description="Seconds within which a complete request is answered, or given up with 503.")
    ] = 60.0
    delete_maximum: Annotated[
        int, Meta(ge=1, description="Most resources that one conditional delete deletes; more are refused with 412.")
    ] = 1_000
    query_parameters: Annotated[
        int, Meta(ge=1, description="Most parameters of one query string or form; more are refused with 400.")
    ] = 500
    cors_origins: Annotated[
        tuple[str, ...],
        Meta(
            description="Web origins that may call the API from a browser, such as https://app.example.fr; * for any."
        ),
    ] = ()
    matrix: Annotated[
        str,
        Meta(
            description="File of the official matrix of professions and document types (CSV or JSON). Empty: the "
            "default that comes with the server, confirmed cells and a prudent rest."
        ),
    ] = ""
    labels_combined: Annotated[
        bool,
        Meta(description="One document may be hidden from the patient and masked from professionals at the same time."),
    ] = False
    unique_ins: Annotated[
        bool,
        Meta(
            description="One Patient an INS: a second Patient with a national identity number that is in use is "
            "refused with 409."
        ),
    ] = False
    packages: Annotated[
        tuple[str, ...],
        Meta(description="FHIR packages to add at start when they are not here: .tgz files, folders, NAME@VERSION."),
    ] = ()
    profiles: Annotated[
        dict[str, str],
        Meta(
            description="The profile that each resource of a type must meet: a table Type = URL; in the environment "
            "Type=URL between commas."
        ),
    ] = {}
    unknown_profiles: Annotated[
        str,
        Meta(
            pattern="^(accept|refuse)$",
            description="What becomes of a resource that names a profile which is not here: accept or refuse.",
        ),
    ] = "accept"
    registry: Annotated[str, Meta(description="Address of the package registry that NAME@VERSION is fetched from.")] = (
        "https://packages.fhir.org"
    )
    brands: Annotated[
        str,
        Meta(
            description="File of the user-access brands (a Bundle of Organizations and Endpoints) by which people find "
            "this server in an app's list. Empty: one brand, of the name above."
        ),
    ] = ""
    providers: Annotated[
        str,
        Meta(
            description="File (TOML) of the OpenID providers to sign in with: Pro Santé Connect for professionals, "
            "others for patients. It names where their secrets are, and holds none."
        ),
    ] = ""
    xds_repository: Annotated[
        str,
        Meta(
            pattern="^([0-2](\\.(0|[1-9][0-9]*))+)?$",
            description="OID of this server as an XDS repository, which opens the SOAP addresses /xds/registry and "
            "/xds/repository. Empty: there are none.",
        ),
    ] = ""
    xds_audiences: Annotated[
        tuple[str, ...],
        Meta(
            description="Other names that the Audience of an assertion may give this server, such as the one that the "
            "software already writes; its own addresses and urn:oid: with the OID above always hold."
        ),
    ] = ()
    tls_certificate: Annotated[
        str, Meta(description="File of this server's certificate (PEM), when no proxy in front ends TLS.")
    ] = ""
    tls_key: Annotated[str, Meta(description="File of its private key (PEM).")] = ""
    tls_clients: Annotated[
        str,
        Meta(description="File of the authorities (PEM) whose certificates clients may show: mutual TLS, RFC 8705."),
    ] = ""
    certificate_header: Annotated[
        str,
        Meta(
            description="Header in which a proxy that ends TLS tells the client's certificate, such as Client-Cert; "
            "the proxy verifies it. Empty: none is believed."
        ),
    ] = ""
    certificate_proxies: Annotated[
        tuple[str, ...], Meta(description="Addresses of the proxies whose certificate_header is believed.")
    ] = ()
    log_level: Annotated[
        str, Meta(pattern="^(debug|info|warning|error)$", description="debug, info, warning or error.")
    ] = "info"


def _suggestion(name: str) -> str:
    close = get_close_matches(name, Settings.__struct_fields__, 1)
    return f" Did you mean {close[0]}?" if close else ""


def _from_file(path: Path) -> dict[str, Any]:
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsRefused(f"The settings file {path} cannot be read: {error}.") from error
    except tomllib.TOMLDecodeError as error:
        raise SettingsRefused(f"The settings file {path} is not TOML: {error}.") from error
    for name in values:
        if name not in Settings.__struct_fields__:
            raise SettingsRefused(f"{path}: {name} is not a setting.{_suggestion(name)}")
    return values


def _from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for variable, text in environment.items():
        if not variable.startswith(PREFIX) or variable == f"{PREFIX}CONFIG":
            continue
        name = variable.removeprefix(PREFIX).lower()
        if name not in Settings.__struct_fields__:
            raise SettingsRefused(f"The environment variable {variable} names no setting.{_suggestion(name)}")
        values[name] = _value(name, text)
    return values


def _value(name: str, text: str) -> Any:
    if name in TABLES:
        pairs = (part.partition("=") for part in text.split(",") if part)
        return {key.strip(): value.strip() for key, _, value in pairs}
    return text.split(",") if name in LISTS else text


def load(
    path: Path | None = None, environment: Mapping[str, str] | None = None, **overrides: Any
) -> tuple[Settings, dict[str, str]]:
    """Return the effective settings, and for each name where its value comes from.

    `path` None means the file that FHIR_SERVER_CONFIG names, else `fhir-server.toml` in the working folder when it
    exists. `overrides` are command-line values; None means not given. Raises SettingsRefused.
    """
    environment = os.environ if environment is None else environment
    if path is None:
        named = environment.get(f"{PREFIX}CONFIG")
        path = Path(named) if named else Path(DEFAULT_FILE) if Path(DEFAULT_FILE).exists() else None
    layers = (
        (str(path), _from_file(path) if path else {}),
        ("environment", _from_environment(environment)),
        ("command line", {name: value for name, value in overrides.items() if value is not None}),
    )
    values: dict[str, Any] = {}
    sources = dict.fromkeys(Settings.__struct_fields__, "default")
    for source, layer in layers:
        values.update(layer)
        sources.update(dict.fromkeys(layer, source))
    try:
        settings = msgspec.convert(values, Settings, strict=False)
    except msgspec.ValidationError as error:
        raise SettingsRefused(f"The settings do not hold: {error}.") from error
    mistakes = find_mistakes(settings)
    if mistakes:
        raise SettingsRefused(" ".join(mistakes))
    return settings, sources


def shown_store(settings: Settings) -> str:
    """Return where the store is, for people to read: a connection string without user, password and options."""
    if not settings.store:
        return settings.data
    scheme, _, rest = settings.store.partition("://")
    return f"{scheme}://{rest.partition('?')[0].rpartition('@')[2]}"


LOOPBACK = ("127.0.0.1", "localhost", "::1")


def find_mistakes(settings: Settings) -> list[str]:
    """Return a sentence for each combination of settings that cannot work or is not safe."""
    mistakes = []
    if settings.open and settings.host not in LOOPBACK:
        mistakes.append(f"open needs a loopback host (127.0.0.1), and host is {settings.host}.")
    if settings.store and not settings.store.startswith(("mongodb://", "mongodb+srv://")):
        mistakes.append("store must start with mongodb:// (or mongodb+srv://), or be empty.")
    if settings.public_url and not settings.public_url.startswith(("https://", "http://")):
        mistakes.append(f"public_url must start with https:// (or http:// for tests), and is {settings.public_url}.")
    if settings.public_url.endswith(("/", "/fhir")):
        mistakes.append("public_url is given without a slash at the end and without /fhir.")
    if bool(settings.certificate_header) != bool(settings.certificate_proxies):
        mistakes.append("certificate_header and certificate_proxies need each other.")
    if settings.tls_clients and not settings.tls_certificate:
        mistakes.append("tls_clients needs tls_certificate: certificates are shown to a server that ends TLS.")
    if settings.count_default > settings.count_maximum:
        mistakes.append("count_default is greater than count_maximum.")
    return mistakes


def descriptions() -> dict[str, str]:
    """Return each setting's description by name."""
    fields = msgspec.inspect.type_info(Settings)
    assert isinstance(fields, msgspec.inspect.StructType)
    texts: dict[str, str] = {}
    for field in fields.fields:
        assert isinstance(field.type, msgspec.inspect.Metadata)
        texts[field.name] = (field.type.extra_json_schema or {})["description"]
    return texts
