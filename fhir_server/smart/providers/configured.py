"""The sign-in providers that an operator names in a file; their secrets are in the environment or in other files.

Spec: https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderConfig

    [[provider]]
    name = "pro-sante-connect"                      # this name: professionals; any other: patients
    issuer = "https://auth.bas.psc.esante.gouv.fr/auth/realms/esante-wallet"
    discovery_url = "https://auth.bas.psc.esante.gouv.fr/auth/realms/esante-wallet/.well-known/wallet-openid-configuration"
    client_id = "hopital-bas"
    client_secret_file = "/run/secrets/psc"         # or client_secret_variable = "PSC_SECRET"
    is_directory_fed = true                         # false: only professionals who are stored already sign in
"""

import tomllib
from collections.abc import Mapping
from pathlib import Path

import msgspec

from fhir_server.foundation.operation_outcome import Unprocessable
from fhir_server.smart.clients.redirects import is_safe_web_address
from fhir_server.smart.providers.openid import OpenIdSettings
from fhir_server.smart.providers.pro_sante_connect import NAME, pro_sante_connect

_PLACES = ("sign-out", "code", "callback", "local", "passkey")


class ConfiguredProvider(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One table of the file; there is no place in it for a secret itself."""

    name: str
    issuer: str
    client_id: str
    client_secret_file: str = ""
    client_secret_variable: str = ""
    display: str = ""
    scope: str = "openid profile birth"
    acr_values: tuple[str, ...] = ()
    is_acr_required: bool = False
    discovery_url: str = ""
    is_directory_fed: bool = True


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    provider: tuple[ConfiguredProvider, ...] = ()


def read_providers(content: bytes, environment: Mapping[str, str]) -> tuple[OpenIdSettings, ...]:
    """Read the operator's file and the secrets that it names; raises Unprocessable (422) in words, OSError."""
    try:
        tables = msgspec.convert(tomllib.loads(content.decode()), _File).provider
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise Unprocessable(f"The sign-in providers cannot be read: {error}.") from error
    names = [table.name for table in tables]
    if len(set(names)) < len(names) or not all(_is_place(name) for name in names):
        raise Unprocessable("Each sign-in provider has a name of its own: small letters, digits and hyphens.")
    return tuple(_settings(table, environment) for table in tables)


def _is_place(name: str) -> bool:
    plain = name.replace("-", "")
    return plain.isascii() and plain.isalnum() and plain == plain.lower() and name not in _PLACES


def _settings(table: ConfiguredProvider, environment: Mapping[str, str]) -> OpenIdSettings:
    for address in filter(None, (table.issuer, table.discovery_url)):
        if not is_safe_web_address(address):
            raise Unprocessable(f"{table.name}: {address} must be https, or on this machine.")
    secret = _secret(table, environment)
    if table.name == NAME:
        is_fed = table.is_directory_fed
        return pro_sante_connect(table.issuer, table.client_id, secret, table.discovery_url, is_directory_fed=is_fed)
    return OpenIdSettings(
        name=table.name,
        display=table.display or table.name,
        issuer=table.issuer,
        client_id=table.client_id,
        client_secret=secret,
        scope=table.scope,
        acr_values=table.acr_values,
        is_acr_required=table.is_acr_required,
        discovery_url=table.discovery_url,
    )


def _secret(table: ConfiguredProvider, environment: Mapping[str, str]) -> str:
    if bool(table.client_secret_file) == bool(table.client_secret_variable):
        raise Unprocessable(f"{table.name}: name client_secret_file or client_secret_variable, one of them.")
    if table.client_secret_variable:
        secret = environment.get(table.client_secret_variable, "")
    else:
        secret = Path(table.client_secret_file).read_text(encoding="utf-8").strip()
    if not secret:
        raise Unprocessable(f"{table.name}: its client secret is empty.")
    return secret
