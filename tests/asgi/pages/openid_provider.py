"""An OpenID provider in a process of its own, which answers as Pro Santé Connect documents; it can be told to lie.

The provider is Authlib's authorization server on Flask: its grant, its PKCE, its client authentication, its id_tokens
and its discovery checks. Ours are the one person who signs in at once, what is told of him, and the lies. Run it with a
port. `POST /fault` with a name makes every answer after it wrong in that way.
"""

import base64
import os
import re
import secrets
import sys
import time
from typing import Any
from wsgiref.types import WSGIApplication

from authlib.integrations.flask_oauth2 import AuthorizationServer, ResourceProtector, current_token
from authlib.oauth2.rfc6749 import grants
from authlib.oauth2.rfc6749.requests import OAuth2Request
from authlib.oauth2.rfc6750 import BearerTokenValidator
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oidc.core import OpenIDCode, UserInfo
from authlib.oidc.discovery import OpenIDProviderMetadata
from flask import Flask, Response, jsonify, redirect, request
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey
from werkzeug.serving import make_server

PATH = "/auth/realms/esante-wallet"
ISSUER = f"http://127.0.0.1:{sys.argv[1]}{PATH}"
CLIENT, SECRET = "fhir server", "a secret:with colon"
CALLBACK = re.compile(r"(https://record\.example|http://127\.0\.0\.1:\d+)/sign-in/[a-z-]+/callback", re.ASCII)
KEYS = {name: RSAKey.generate_key(2048, {"kid": name}) for name in ("old", "new")}
state: dict[str, Any] = {"fault": "", "key": "old", "codes": {}, "tokens": {}, "told": {}}
USER_INFO = {
    "sub": "f:550dc1c8-d97b-4b1e-ac8c-8eb4471cf9dd:899700000001",
    "preferred_username": "899700000001",
    "SubjectNameID": "899700000001",
    "given_name": "Claire",
    "family_name": "MARTIN",
    "SubjectRole": ["10^1.2.250.1.213.1.1.5.5"],
    "SubjectOrganization": "CABINET M. MARTIN",
    "Secteur_Activite": "SA07^1.2.250.1.71.4.2.4",
    "Palier_Authentification": "APPPRIP3^1.2.250.1.213.1.5.1.1.1",
    "Acces_Regulation_Medicale": "VRAI",
    "otherIds": [{"identifiant": "899700000001", "origine": "RPPS", "qualite": 1}],
    "SubjectRefPro": {
        "codeCivilite": "M",
        "exercices": [
            {
                "codeProfession": "10",
                "codeCategorieProfessionnelle": "C",
                "codeSavoirFaire": "SM54",
                "activities": [{"codeRole": "", "numeroSiretSite": None, "numeroFinessSite": "990000001"}],
            }
        ],
    },
}
CHANGES: dict[str, dict[str, Any]] = {
    "issuer": {"iss": "https://evil.example"},
    "audience": {"aud": "another"},
    "party": {"aud": [CLIENT, "another"], "azp": "another"},
    "no-party": {"aud": [CLIENT, "another"], "azp": None},
    "expired": {"exp": lambda now: now - 60},
    "future": {"nbf": lambda now: now + 600},
    "old": {"iat": lambda now: now - 3600},
    "nonce": {"nonce": "another"},
    "no-nonce": {"nonce": None},
    "eidas2": {"acr": "eidas2"},
    "eidas1": {"acr": "eidas1"},
}


def is_at_fault(name: str) -> bool:
    return bool(state["fault"] == name)


class Client:
    """The one client, as Authlib asks of one."""

    client_id = CLIENT

    def get_client_id(self) -> str:
        return CLIENT

    def get_default_redirect_uri(self) -> None:
        return None

    def get_allowed_scope(self, scope: str) -> str:
        return " ".join(word for word in scope.split() if word in ("openid", "scope_all", "profile", "birth"))

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        return CALLBACK.fullmatch(redirect_uri) is not None

    def check_client_secret(self, client_secret: str) -> bool:
        return secrets.compare_digest(client_secret, SECRET)

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return method == "client_secret_basic"

    def check_response_type(self, response_type: str) -> bool:
        return response_type == "code"

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type == "authorization_code"


class Code:
    """What a code stands for, as Authlib asks of one."""

    def __init__(self, text: str, asked: dict[str, str]) -> None:
        self.text, self.asked = text, asked
        self.code_challenge = asked.get("code_challenge")
        self.code_challenge_method = asked.get("code_challenge_method")

    def get_redirect_uri(self) -> str:
        return self.asked["redirect_uri"]

    def get_scope(self) -> str:
        return self.asked["scope"]

    def get_nonce(self) -> str | None:
        return self.asked.get("nonce")

    def get_auth_time(self) -> int:
        return int(time.time())

    def get_acr(self) -> None:
        return None

    def get_amr(self) -> None:
        return None


class CodeGrant(grants.AuthorizationCodeGrant):  # type: ignore[misc] # Authlib has no types
    TOKEN_ENDPOINT_AUTH_METHODS = ("client_secret_basic",)

    def save_authorization_code(self, code: str, request: OAuth2Request) -> None:
        state["codes"][code] = Code(code, dict(request.payload.data))

    def query_authorization_code(self, code: str, client: Client) -> Code | None:
        return None if is_at_fault("no-token") else state["codes"].get(code)

    def delete_authorization_code(self, code: Code) -> None:
        del state["codes"][code.text]

    def authenticate_user(self, code: Code) -> dict[str, Any]:
        return USER_INFO


class IdTokens(OpenIDCode):  # type: ignore[misc] # Authlib has no types
    """Authlib's id_tokens, changed after they were made when the provider is to lie."""

    def exists_nonce(self, nonce: str, request: OAuth2Request) -> bool:
        return any(code.get_nonce() == nonce for code in state["codes"].values())

    def resolve_client_private_key(self, client: Client) -> RSAKey:
        return KEYS[state["key"]]

    def get_client_claims(self, client: Client) -> dict[str, Any]:
        now = int(time.time())
        return {"iss": ISSUER, "aud": CLIENT, "azp": CLIENT, "iat": now, "exp": now + 300}

    def get_encode_header(self, client: Client) -> dict[str, str]:
        return {"alg": "RS256", "kid": state["key"]}

    def generate_user_info(self, user: dict[str, Any], scope: str) -> UserInfo:
        return UserInfo(sub=user["sub"])

    def encode_id_token(self, token: dict[str, Any], request: OAuth2Request) -> str:
        honest: str = super().encode_id_token(token, request)
        return lied(honest) if state["fault"] in (*CHANGES, "forged", "none", "hs256") else honest


def lied(id_token: str) -> str:
    """The same id_token with one thing wrong."""
    now, claims = int(time.time()), jwt.decode(id_token, KEYS[state["key"]]).claims
    claims |= CHANGES.get(state["fault"], {})
    claims = {name: value(now) if callable(value) else value for name, value in claims.items() if value is not None}
    if is_at_fault("none"):
        parts = [base64.urlsafe_b64encode(text).rstrip(b"=") for text in (b'{"alg":"none"}', str(claims).encode())]
        return (b".".join(parts) + b".").decode()
    if is_at_fault("hs256"):
        return jwt.encode({"alg": "HS256"}, claims, OctKey.import_key(SECRET.encode().ljust(32)))
    key = RSAKey.generate_key(2048) if is_at_fault("forged") else KEYS[state["key"]]
    return jwt.encode({"alg": "RS256", "kid": state["key"]}, claims, key)


class Tokens(BearerTokenValidator):  # type: ignore[misc] # Authlib has no types
    def authenticate_token(self, token_string: str) -> object:
        return state["tokens"].get(token_string)

    def validate_token(self, token: object, scopes: list[str], request: object) -> None:
        if token is None:
            raise ValueError("unknown token")


def save_token(token: dict[str, Any], request: OAuth2Request) -> None:
    state["tokens"][token["access_token"]] = request.user


app = Flask(__name__)
server = AuthorizationServer(app, lambda client_id: Client() if client_id == CLIENT else None, save_token)
challenge = CodeChallenge(required=True)
challenge.SUPPORTED_CODE_CHALLENGE_METHOD = ["S256"]
server.register_grant(CodeGrant, [IdTokens(require_nonce=True), challenge])
protected = ResourceProtector()
protected.register_token_validator(Tokens())


@app.get(f"{PATH}/.well-known/openid-configuration")
def discovery() -> Response:
    metadata = OpenIDProviderMetadata(
        issuer=ISSUER,
        jwks_uri=f"{ISSUER}/jwks",
        **{f"{name}_endpoint": f"{ISSUER}/{name}" for name in ("authorization", "token", "userinfo")},
        response_types_supported=["code"],
        subject_types_supported=["public"],
        id_token_signing_alg_values_supported=["RS256"],
        acr_values_supported=["eidas1"],
    )
    for name in ("response_types_supported", "subject_types_supported", "id_token_signing_alg_values_supported"):
        getattr(metadata, f"validate_{name}")()
    lie = {"issuer": "https://evil.example"} if is_at_fault("issuer-mix-up") else {}
    return jsonify({**metadata, "end_session_endpoint": f"{ISSUER}/logout", **lie})


@app.get(f"{PATH}/jwks")
def jwks() -> Response:
    return jsonify({"keys": [KEYS[state["key"]].as_dict(private=False)]})


@app.get(f"{PATH}/authorization")
def authorize() -> Any:
    grant = server.get_consent_grant(end_user=USER_INFO)
    return server.create_authorization_response(grant=grant, grant_user=None if is_at_fault("denied") else USER_INFO)


@app.post(f"{PATH}/token")
def token() -> Any:
    return server.create_token_response()


@app.get(f"{PATH}/userinfo")
@protected()  # type: ignore[untyped-decorator] # Authlib has no types
def userinfo() -> Response:
    changes: dict[str, Any] = {}
    if is_at_fault("userinfo-of-another"):
        changes = {"sub": "another"}
    if is_at_fault("unknown"):
        changes = {"SubjectNameID": "899700000002"}
    return jsonify({**current_token, **state["told"], **changes})


@app.get(f"{PATH}/logout")
def logout() -> Any:
    jwt.decode(request.args["id_token_hint"], KEYS[state["key"]], algorithms=["RS256"])
    return redirect(request.args["post_logout_redirect_uri"], 303)


@app.post("/told")
def told() -> Response:
    """Change what is told of the person, until the next fault."""
    state["told"] = request.get_json()
    return Response(status=204)


@app.post("/fault")
def fault() -> Response:
    name = request.get_data(as_text=True)
    state["fault"], state["told"] = name, {}
    state["key"] = "new" if name == "new-key" else "old"
    return Response(status=204)


if __name__ == "__main__":
    os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"  # http, on this machine
    application: WSGIApplication = app
    make_server("127.0.0.1", int(sys.argv[1]), application, threaded=True).serve_forever()
