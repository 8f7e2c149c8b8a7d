"""Every verb that opens a store, as a person types it, on a real MongoDB: it says and does what it does on SQLite."""

import asyncio
import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from fhir_server.access.grant import OPEN
from fhir_server.commands.local import call, opened
from fhir_server.interactions.request import Request
from fhir_server.interactions.trail import drain_all
from fhir_server.settings import Settings
from tests.commands.test_verbs import PATIENT, Run
from tests.storage.mongod import database_of, shared
from tests.terminology.test_ihe_svs import SAMPLE
from tests.terminology.test_loaders import CLAML
from tests.xds.test_vihf import CERTIFICATE

DEMO = Path(__file__).parents[2] / "fhir_server" / "commands" / "demo"
PASSWORD = "a long password\n" * 2
STEPS: tuple[tuple[str, str, str, int], ...] = (
    ("load people.ndjson", "", "30 resources loaded, 1 refused", 1),
    ("load people.ndjson", "", "30 resources loaded, 1 refused", 1),
    (f"import-cda {DEMO}", "", "2 documents imported", 0),
    (f"import-cda {DEMO}", "", "2 known already", 0),
    ("reindex", "", "resources indexed", 0),
    ("package add guide", "", "org.example#1.0.0 1 resources", 0),
    ("package list", "", "Guide", 0),
    ("package remove org.example@1.0.0", "", "1 resources removed", 0),
    ("terminology import jdv.xml cim10.xml", "", "3 concepts", 0),
    ("terminology import jdv.xml", "", "1 unchanged", 0),
    ("terminology list", "", "CIM-10", 0),
    ("client register lab --name Lab --scope system/*.crs", "", "private key", 0),
    ("client register lab --name Lab --scope system/*.crs", "", "already a client", 2),
    ("client list", "", "system/*.crs", 0),
    ("client pending", "", "Waiting for an approval", 0),
    ("client approve absent", "", "absent", 2),
    ("user add dr.roux --name Roux --actor Practitioner/1 --profession 10", PASSWORD, "dr.roux", 0),
    ("user list", "", "professional", 0),
    ("keys rotate", "", "verify for 25 hours", 0),
    ("keys list", "", "ES256", 0),
    ("vihf trust seal.pem --structure 1750000001", "", "", 0),
    ("vihf list", "", "1750000001", 0),
    ("audit verify", "", "", 0),
    ("audit emergencies", "", "", 0),
    ("check", "", "No mistake found", 0),
)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "400")
    monkeypatch.setenv("FHIR_SERVER_STORE", database_of(tmp_path, "verbs"))
    people = [{**PATIENT, "id": f"p{number}"} for number in range(30)]
    lines = [json.dumps(one) for one in (*people, {**PATIENT, "id": "wrong", "gender": "F"})]
    Path("people.ndjson").write_text("\n".join(lines), encoding="utf-8")
    Path("jdv.xml").write_text(SAMPLE, encoding="utf-8")
    Path("cim10.xml").write_text(CLAML, encoding="utf-8")
    Path("seal.pem").write_bytes(CERTIFICATE.public_bytes(Encoding.PEM))
    Path("guide").mkdir()
    manifest = {"name": "org.example", "version": "1.0.0", "title": "Guide"}
    Path("guide/package.json").write_text(json.dumps(manifest))
    colours = {"resourceType": "ValueSet", "id": "colours", "url": "http://example.org/colours", "status": "active"}
    Path("guide/ValueSet-colours.json").write_text(json.dumps(colours))
    return Run()


def test_every_verb_that_opens_a_store(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for arguments, given, told, code in STEPS:
        output = run(*arguments.split(), given=given, code=code).output
        assert told in output, arguments
    assert not list(tmp_path.rglob("fhir.sqlite")), "a verb opened an embedded store beside"
    url = Settings(store=database_of(tmp_path, "verbs")).store
    copied = run("copy", "--from", url, "--to", str(tmp_path / "copied")).output
    assert "the same" in copied
    users = run("user", "list").output
    monkeypatch.delenv("FHIR_SERVER_STORE")
    assert run("user", "list", "--data", "copied").output == users


def test_an_audit_event_that_is_changed_behind_the_servers_back_is_named(run: Run, tmp_path: Path) -> None:
    async def fill() -> None:
        async with opened(Settings(store=database_of(tmp_path, "verbs"))) as runtime:
            patient = {"resourceType": "Patient", "id": "1"}
            await call(runtime, Request("update", OPEN, "Patient", "1", resource=patient))
            for _ in range(3):
                await call(runtime, Request("read", OPEN, "Patient", "1"))
            await drain_all(runtime)

    asyncio.run(fill())
    assert "4 audit events hold" in run("audit", "verify").output
    with shared().members[0].client() as client:
        resource = client["verbs"].resource
        event = resource.find_one({"t": "AuditEvent"}, sort=[("o", 1)])
        assert event is not None
        changed = event["b"].replace(b'"action":"U"', b'"action":"R"').replace(b'"action":"C"', b'"action":"R"')
        assert resource.update_one({"_id": event["_id"]}, {"$set": {"b": changed}}).modified_count == 1
    assert event["i"] in run("audit", "verify", code=1).output
