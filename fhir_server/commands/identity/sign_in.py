"""`fhir-server client sign-in`: get a token as an app does, through the browser, with a code and PKCE.

Spec: https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html, https://www.rfc-editor.org/rfc/rfc8252
"""

import base64
import hashlib
import secrets
import urllib.parse
import webbrowser
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

from rich.console import Console

from fhir_server.commands.identity.clients import get_json

PAGE = (
    b"<!doctype html><html lang=fr><meta charset=utf-8><title>fhir-server</title>"
    b"<p>Vous pouvez fermer cette page. You may close this page."
)


def token(base_url: str, client_id: str, redirect_uri: str, scope: str) -> str:
    """Return an access token after a person signed in and agreed; raises OSError when he did not."""
    configuration = get_json(f"{base_url}/.well-known/smart-configuration")
    verifier, state = secrets.token_urlsafe(48), secrets.token_urlsafe(16)
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    asked = {
        "response_type": "code",
        "client_id": client_id,
        "redirect_uri": redirect_uri,
        "scope": scope,
        "state": state,
        "aud": base_url,
        "code_challenge": challenge,
        "code_challenge_method": "S256",
    }
    url = f"{configuration['authorization_endpoint']}?{urllib.parse.urlencode(asked)}"
    Console(stderr=True).print(f"Ouvrez / open: {url}", soft_wrap=True, highlight=False)
    webbrowser.open(url)
    answer = wait_for_answer(redirect_uri)
    if answer.get("state") != state or "code" not in answer:
        raise OSError(f"no code came back: {answer.get('error_description') or answer.get('error') or 'wrong state'}")
    form = {
        "grant_type": "authorization_code",
        "code": answer["code"],
        "redirect_uri": redirect_uri,
        "client_id": client_id,
        "code_verifier": verifier,
    }
    return str(get_json(configuration["token_endpoint"], urllib.parse.urlencode(form).encode())["access_token"])


def wait_for_answer(redirect_uri: str) -> dict[str, str]:
    """Serve the redirect URI on this machine until the browser comes back, and return the query it brings."""
    address = urllib.parse.urlsplit(redirect_uri)
    if address.hostname not in ("127.0.0.1", "localhost") or address.port is None:
        raise OSError(f"the redirect URI must be on this machine with a port, and is {redirect_uri}")
    found: dict[str, str] = {}

    class Callback(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = urllib.parse.urlsplit(self.path)
            if asked.path == address.path:
                found.update(urllib.parse.parse_qsl(asked.query))
            self.send_response(200 if found else 404)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write(PAGE)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is the library's
            """Log nothing: the address holds the code."""

    with HTTPServer((address.hostname, address.port), Callback) as server:
        while not found:
            server.handle_request()
    return found
