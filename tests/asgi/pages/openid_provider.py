"""An OpenID provider in a process of its own, which answers as Pro Santé Connect documents; it can be told to lie.

Run it with a port. `POST /fault` with a name makes every answer after it wrong in that way.
"""

import base64
import hashlib
import sys
import time
from typing import Any
from urllib.parse import parse_qs, urlencode

import uvicorn
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

ISSUER = f"http://127.0.0.1:{sys.argv[1]}/auth/realms/esante-wallet"
CLIENT, SECRET = "fhir server", "a secret:with colon"
KEYS = {"old": RSAKey.generate_key(2048, {"kid": "old"}), "new": RSAKey.generate_key(2048, {"kid": "new"})}
state: dict[str, Any] = {"fault": "", "key": "old", "codes": {}, "told": {}}
USER_INFO = {
    "sub": "f:550dc1c8-d97b-4b1e-ac8c-8eb4471cf9dd:899700000001",
    "preferred_username": "899700000001",
    "SubjectNameID": "899700000001",
    "given_name": "Claire",
    "family_name": "MARTIN",
    "SubjectRole": ["10^1.2.250.1.213.1.1.5.5"],
    "SubjectOrganization": "CABINET M. MARTIN",
    "Secteur_Activite": "SA07^1.2.250.1.71.4.2.4",
    "Acces_Regulation_Medicale": "VRAI",
    "SubjectRefPro": {
        "codeCivilite": "M",
        "exercices": [
            {
                "codeProfession": "10",
                "codeSavoirFaire": "SM54",
                "activities": [{"codeRole": "", "numeroSiretSite": None, "numeroFinessSite": "990000001"}],
            }
        ],
    },
}


def is_at_fault(name: str) -> bool:
    return bool(state["fault"] == name)


async def discovery(request: Request) -> Response:
    issuer = "https://evil.example" if is_at_fault("issuer-mix-up") else ISSUER
    endpoints = {f"{name}_endpoint": f"{ISSUER}/{name}" for name in ("authorization", "token", "userinfo")}
    endpoints["end_session_endpoint"] = f"{ISSUER}/logout"
    return JSONResponse({"issuer": issuer, "jwks_uri": f"{ISSUER}/jwks", **endpoints})


async def jwks(request: Request) -> Response:
    return JSONResponse({"keys": [KEYS[state["key"]].as_dict(private=False)]})


async def authorize(request: Request) -> Response:
    asked = dict(request.query_params)
    assert asked["response_type"] == "code"
    assert asked["code_challenge_method"] == "S256"
    if is_at_fault("denied"):
        answer = {"error": "access_denied", "error_description": "refusé", "state": asked["state"]}
        return RedirectResponse(f"{asked['redirect_uri']}?{urlencode(answer)}", 303)
    code = f"code-{len(state['codes'])}"
    state["codes"][code] = asked
    answer = {"code": code, "state": asked["state"], "session_state": "x"}
    return RedirectResponse(f"{asked['redirect_uri']}?{urlencode(answer)}", 303)


async def token(request: Request) -> Response:
    form = {name: values[0] for name, values in parse_qs((await request.body()).decode()).items()}
    basic = base64.b64decode(request.headers["authorization"].removeprefix("Basic ")).decode()
    asked = state["codes"].pop(form["code"], None)
    challenge = base64.urlsafe_b64encode(hashlib.sha256(form["code_verifier"].encode()).digest()).rstrip(b"=").decode()
    is_right = asked and basic == "fhir%20server:a%20secret%3Awith%20colon" and asked["code_challenge"] == challenge
    if not is_right or form["redirect_uri"] != asked["redirect_uri"] or is_at_fault("no-token"):
        return JSONResponse({"error": "invalid_grant"}, 400)
    now = int(time.time())
    claims = {"iss": ISSUER, "sub": USER_INFO["sub"], "aud": CLIENT, "iat": now, "exp": now + 300}
    claims |= {"nonce": asked["nonce"], "azp": CLIENT, **CHANGES.get(state["fault"], {})}
    claims = {name: value(now) if callable(value) else value for name, value in claims.items() if value is not None}
    header = {"alg": "RS256", "kid": state["key"]}
    key: Any = RSAKey.generate_key(2048) if is_at_fault("forged") else KEYS[state["key"]]
    if is_at_fault("none"):
        parts = [base64.urlsafe_b64encode(text).rstrip(b"=") for text in (b'{"alg":"none"}', str(claims).encode())]
        id_token = (b".".join(parts) + b".").decode()
    elif is_at_fault("hs256"):
        id_token = jwt.encode({"alg": "HS256"}, claims, OctKey.import_key(SECRET.encode().ljust(32)))
    else:
        id_token = jwt.encode(header, claims, key)
    return JSONResponse({"access_token": "at-1", "token_type": "Bearer", "id_token": id_token})


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


async def userinfo(request: Request) -> Response:
    assert request.headers["authorization"] == "Bearer at-1"
    changes: dict[str, Any] = {}
    if is_at_fault("userinfo-of-another"):
        changes = {"sub": "another"}
    if is_at_fault("unknown"):
        changes = {"SubjectNameID": "899700000002"}
    return JSONResponse({**USER_INFO, **state["told"], **changes})


async def told(request: Request) -> Response:
    """Change what is told of the person, until the next fault."""
    state["told"] = await request.json()
    return Response(status_code=204)


async def logout(request: Request) -> Response:
    asked = dict(request.query_params)
    jwt.decode(asked["id_token_hint"], KEYS[state["key"]], algorithms=["RS256"])
    return RedirectResponse(asked["post_logout_redirect_uri"], 303)


async def fault(request: Request) -> Response:
    name = (await request.body()).decode()
    state["fault"], state["told"] = name, {}
    state["key"] = "new" if name == "new-key" else "old"
    return Response(status_code=204)


PATH = "/auth/realms/esante-wallet"
app = Starlette(
    routes=[
        Route(f"{PATH}/.well-known/openid-configuration", discovery),
        Route(f"{PATH}/jwks", jwks),
        Route(f"{PATH}/authorization", authorize),
        Route(f"{PATH}/token", token, methods=["POST"]),
        Route(f"{PATH}/userinfo", userinfo),
        Route(f"{PATH}/logout", logout),
        Route("/fault", fault, methods=["POST"]),
        Route("/told", told, methods=["POST"]),
    ]
)

if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")
