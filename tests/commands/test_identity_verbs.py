"""The verbs about who may ask for tokens, and who signs in: each on a real store."""

from pathlib import Path

import pytest

from tests.commands.test_verbs import Run


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "400")
    return Run()


def test_each_kind_of_client_is_registered(run: Run) -> None:
    app = ("--name", "Un carnet", "--scope", "patient/*.rs", "--redirect-uri", "https://app.example/back")
    assert "(public)" in run("client", "register", "one", *app, "--purpose", "care").output
    told = run("client", "register", "two", *app, "--confidential").output
    assert "(confidential-symmetric)" in told
    assert "Its secret, told this once: " in told
    host = run("client", "register", "host", "--name", "Cabinet", "--scope", "", "--confidential", "--launch-host")
    assert "secret" in host.output
    assert "jwk.json" in run("client", "register", "lab", "--name", "Labo", "--scope", "system/*.crs").output
    public_host = run("client", "register", "no", *app, "--launch-host", code=2)
    assert "proves who it is" in public_host.stderr


def test_each_kind_of_person_is_added(run: Run) -> None:
    for login, *options in (
        ("sarah", "--actor", "RelatedPerson/1", "--represents", "Patient/leo"),
        ("dr.roux", "--actor", "Practitioner/1", "--profession", "10", "--regulator"),
        ("alix", "--actor", "Person/1"),
    ):
        run("user", "add", login, "--name", login, *options, given="a long password\na long password\n")
    told = run("user", "list").output
    assert "Patient/leo" in told
    assert "(centre" in told
    assert "operator" in told
    wrong = ("user", "add", "x", "--name", "x", "--actor", "RelatedPerson/2")
    assert "represents a patient" in run(*wrong, given="a long password\na long password\n", code=2).stderr


def test_keys_rotate(run: Run) -> None:
    assert "verify for 25 hours" in run("keys", "rotate").output
    listed = run("keys", "list").output
    assert (listed.count("ES256"), listed.count("yes")) == (2, 2)
    assert "everybody signs in again" in run("keys", "rotate", "--at-once").output
    assert run("keys", "list").output.count("ES256") == 1
