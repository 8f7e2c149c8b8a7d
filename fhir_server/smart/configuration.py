"""Discovery: what the authorization server offers, for SMART apps and for OpenID Connect clients.

Spec: https://hl7.org/fhir/smart-app-launch/STU2.2/conformance.html#using-well-known,
https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderMetadata
"""

from typing import Any

from fhir_server.smart.app_state import STATE_PATH
from fhir_server.smart.authorization import Authorization
from fhir_server.smart.brands import BRANDS_PATH
from fhir_server.smart.clients.authentication import METHODS, TLS_METHODS
from fhir_server.smart.clients.jwks import KEY_TYPES
from fhir_server.smart.granted_scopes import CONTEXT_SCOPES, IDENTITY_SCOPES, LASTING_SCOPES
from fhir_server.smart.keys import ID_TOKEN_ALGORITHM
from fhir_server.smart.token import EXCHANGES

APPS_PATH = "/account/apps"
"""Where a person sees the apps that he authorised, and takes it back."""

SECOND_FACTOR_PATH = "/account/second-factor"
"""Where a local user adds or removes a second factor."""

PASSKEYS_PATH = "/account/passkeys"
"""Where a local user adds and removes passkeys."""

APPROVALS_PATH = "/account/approvals"
"""Where an operator approves the apps that registered themselves."""

REGISTRATION_PATH = "/oauth/register"
"""Where apps register themselves."""

CAPABILITIES = (
    "launch-ehr",
    "launch-standalone",
    "authorize-post",
    "client-public",
    "client-confidential-symmetric",
    "client-confidential-asymmetric",
    "sso-openid-connect",
    "context-banner",
    "context-style",
    "context-ehr-patient",
    "context-ehr-encounter",
    "context-standalone-patient",
    "permission-offline",
    "permission-online",
    "permission-patient",
    "permission-user",
    "permission-v1",
    "permission-v2",
)
"""The SMART capabilities that are always offered; each has a test."""

_RESOURCE_SCOPES = ("patient/*.rs", "patient/*.cruds", "user/*.rs", "user/*.cruds", "system/*.rs", "system/*.cruds")


def smart_configuration(authorization: Authorization) -> dict[str, Any]:
    """Return `[base]/.well-known/smart-configuration`."""
    extra = ["context-standalone-encounter"] if authorization.outside.encounters_of is not None else []
    states = {"url": authorization.url(STATE_PATH), "capabilities": ["smart-app-state"]}
    return {
        **_metadata(authorization),
        "capabilities": [*CAPABILITIES, *extra],
        "associated_endpoints": [states],
        "user_access_brand_bundle": authorization.url(BRANDS_PATH),
        "user_access_brand_identifier": dict(authorization.brands.identifier),
    }


def openid_configuration(authorization: Authorization) -> dict[str, Any]:
    """Return `[issuer]/.well-known/openid-configuration`, also that of RFC 8414."""
    return {
        **_metadata(authorization),
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": [ID_TOKEN_ALGORITHM],
        "claims_supported": ["iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "fhirUser"],
        "ui_locales_supported": ["fr", "en"],
        "request_parameter_supported": False,
        "request_uri_parameter_supported": False,
    }


def _metadata(authorization: Authorization) -> dict[str, Any]:
    methods = [*METHODS, *(TLS_METHODS if authorization.knows_certificates else ())]
    return {
        "issuer": authorization.issuer,
        "jwks_uri": authorization.url("/oauth/jwks"),
        "authorization_endpoint": authorization.url("/oauth/authorize"),
        "token_endpoint": authorization.url("/oauth/token"),
        "registration_endpoint": authorization.url(REGISTRATION_PATH),
        "management_endpoint": authorization.url(APPS_PATH),
        "introspection_endpoint": authorization.url("/oauth/introspect"),
        "revocation_endpoint": authorization.url("/oauth/revoke"),
        "grant_types_supported": list(EXCHANGES),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "scopes_supported": [*IDENTITY_SCOPES, *CONTEXT_SCOPES, *LASTING_SCOPES, *_RESOURCE_SCOPES],
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": methods,
        "revocation_endpoint_auth_methods_supported": methods,
        "introspection_endpoint_auth_methods_supported": [*(name for name in methods if name != "none"), "Bearer"],
        "tls_client_certificate_bound_access_tokens": authorization.knows_certificates,
        "token_endpoint_auth_signing_alg_values_supported": list(KEY_TYPES),
        "revocation_endpoint_auth_signing_alg_values_supported": list(KEY_TYPES),
        "introspection_endpoint_auth_signing_alg_values_supported": list(KEY_TYPES),
        "authorization_response_iss_parameter_supported": True,
    }
