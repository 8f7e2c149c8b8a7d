"""Nothing clinical, no token and no secret is ever in the logs, whatever is sent and however it fails."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from fhir_server.app import Deployment, create
from fhir_server.settings import Settings

pytestmark = [pytest.mark.anyio, pytest.mark.spec("security.html#audit")]
MARKER = "marqueur-7f3a9c"
TOKEN = f"Bearer {MARKER}.{MARKER}.{MARKER}"


@asynccontextmanager
async def serving(app: Any) -> AsyncIterator[None]:
    """Start the application as a server would, and stop it."""
    asked: asyncio.Queue[dict[str, str]] = asyncio.Queue()
    told: asyncio.Queue[Any] = asyncio.Queue()
    life = asyncio.create_task(app({"type": "lifespan"}, asked.get, told.put))
    await asked.put({"type": "lifespan.startup"})
    assert (await told.get())["type"] == "lifespan.startup.complete"
    yield
    await asked.put({"type": "lifespan.shutdown"})
    await life


def requests() -> list[tuple[str, str, dict[str, str], bytes]]:
    resource = f'{{"resourceType":"Observation","status":"final","code":{{"text":"{MARKER}"}}}}'.encode()
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    return [
        ("POST", "/fhir/Observation", {"Authorization": TOKEN}, resource),
        ("POST", "/fhir/Observation", {}, resource),
        ("POST", "/fhir/Observation", {}, resource[:-2]),
        ("POST", "/fhir/Observation", {"Content-Type": f"text/{MARKER}"}, resource),
        ("PUT", f"/fhir/Observation/{MARKER}", {}, b"\xff\xfe" + MARKER.encode()),
        ("GET", f"/fhir/Patient?name={MARKER}", {"Authorization": TOKEN}, b""),
        ("GET", f"/fhir/Patient/{MARKER}", {"Authorization": f"Basic {MARKER}"}, b""),
        ("GET", f"/fhir/{MARKER}", {}, b""),
        ("GET", f"/{MARKER}?secret={MARKER}", {"Cookie": f"session={MARKER}"}, b""),
        ("POST", "/oauth/token", form, f"grant_type=authorization_code&code={MARKER}&client_secret={MARKER}".encode()),
        ("POST", "/oauth/token", form, f"grant_type=client_credentials&client_assertion={MARKER}".encode()),
        ("POST", "/oauth/introspect", form, f"token={MARKER}".encode()),
        ("POST", "/sign-in", form, f"login={MARKER}&password={MARKER}".encode()),
    ]


@pytest.mark.parametrize("is_open", [True, False], ids=["open", "with authorization"])
async def test_what_is_sent_is_not_in_the_logs(
    is_open: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.INFO)
    app = create(Deployment(Settings(data=str(tmp_path), open=is_open), "http://testserver"))
    transport = httpx.ASGITransport(app)
    async with serving(app), httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
        caplog.clear()
        for method, path, headers, body in requests():
            answer = await client.request(method, path, headers=headers, content=body)
            assert answer.status_code < 500, (method, path, answer.text)
    logged = [record for record in caplog.records if not record.name.startswith("httpx")]
    assert MARKER not in "\n".join(f"{record.getMessage()} {record.exc_text or ''}" for record in logged)
    told = capfd.readouterr()
    assert MARKER not in told.out + told.err
