"""The command line as a person types it: each verb on a real store."""

import json
import stat
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from fhir_server.__main__ import application

PATIENT = {"resourceType": "Patient", "id": "p1", "name": [{"family": "Martin"}]}


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> "Run":
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "400")
    return Run()


class Run:
    def __call__(self, *arguments: str, given: str = "", code: int = 0) -> Result:
        result = CliRunner().invoke(application, arguments, input=given)
        assert result.exit_code == code, f"{result.output}{result.exception!r}"
        return result


def test_without_a_verb_the_help_teaches(run: Run) -> None:
    assert "fhir-server demo" in run(code=2).output
    assert "0.1.0" in run("--version").output


def test_a_mistake_in_the_settings_is_told_in_one_sentence(run: Run, tmp_path: Path) -> None:
    (tmp_path / "fhir-server.toml").write_text("prot = 1\n", encoding="utf-8")
    told = run("check", code=2)
    assert "prot is not a setting. Did you mean port?" in told.stderr
    assert "Traceback" not in told.output


def test_check_tells_each_value_and_its_source(run: Run, tmp_path: Path) -> None:
    (tmp_path / "fhir-server.toml").write_text("port = 1234\n", encoding="utf-8")
    told = run("check").output
    assert "1234" in told
    assert "fhir-server.toml" in told
    assert "No mistake found" in told


def test_check_finds_what_will_not_work_here(run: Run, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "fhir-server.toml").write_text('host = "0.0.0.0"\ndata = "file/below"\n', encoding="utf-8")
    told = run("check", code=1).stderr
    assert "is a file; name a folder" in told
    assert "needs https://" in told


def test_check_looks_at_packages_and_profiles(run: Run, tmp_path: Path) -> None:
    text = 'packages = ["absent.tgz", "hl7.fhir.r4.core@4.0.1"]\n[profiles]\nPateint = "http://x/p"\n'
    (tmp_path / "fhir-server.toml").write_text(text, encoding="utf-8")
    told = run("check", code=1).stderr
    assert "absent.tgz is no file and no folder here" in told
    assert "Pateint is no resource type" in told
    assert "hl7.fhir.r4.core" not in told


def test_check_reads_the_matrix(run: Run, tmp_path: Path) -> None:
    (tmp_path / "fhir-server.toml").write_text('matrix = "matrix.csv"\n', encoding="utf-8")
    assert "matrix.csv cannot be read" in run("check", code=1).stderr
    (tmp_path / "matrix.csv").write_text("profession,kind,code,allowed,from,to\n10,sort,*,yes,,\n", encoding="utf-8")
    assert "matrix: matrix.csv" in run("check", code=1).stderr
    (tmp_path / "matrix.csv").write_text("profession,kind,code,allowed,from,to\n10,type,*,no,,\n*,class,*,yes,,\n")
    assert "matrix" in run("check", code=1).stderr


def test_open_on_a_public_address_refuses_to_start(run: Run) -> None:
    assert "loopback" in run("serve", "--open", "--host", "0.0.0.0", code=2).stderr


def test_load_keeps_ids_and_tells_what_was_refused(run: Run, tmp_path: Path) -> None:
    (tmp_path / "patient.json").write_text(json.dumps(PATIENT), encoding="utf-8")
    (tmp_path / "more.ndjson").write_text(
        "\n".join([json.dumps({**PATIENT, "id": "p2"}), json.dumps({**PATIENT, "id": "p3", "gender": "F"})]),
        encoding="utf-8",
    )
    (tmp_path / "group.xml").write_text(
        '<Group xmlns="http://hl7.org/fhir"><type value="person"/><actual value="true"/></Group>'
    )
    told = run("load", str(tmp_path), "--data", "store", code=1).output
    assert "3 resources loaded, 1 refused" in told
    assert "Patient/p3" in told


def test_import_cda_tells_what_happened(run: Run) -> None:
    folder = Path(__file__).parents[2] / "fhir_server" / "commands" / "demo"
    first = run("import-cda", str(folder), "--data", "store").output
    assert "2 documents imported" in first
    assert "2 known already" in run("import-cda", str(folder), "--data", "store").output
    reported = run("import-cda", str(folder), "--report", "reports", "--data", "store").output
    assert "biologie.xml" in reported
    assert json.loads(Path("reports/biologie.json").read_text(encoding="utf-8"))["counts"]["unaccounted"] == 0
    assert "<html" in Path("reports/vaccination.html").read_text(encoding="utf-8")
    broken = Path("broken.xml")
    broken.write_text("<ClinicalDocument", encoding="utf-8")
    assert "1 refused" in run("import-cda", str(broken), "--data", "store", code=1).output


def test_import_cda_goes_on_where_it_stopped(run: Run, tmp_path: Path) -> None:
    demo = Path(__file__).parents[2] / "fhir_server" / "commands" / "demo"
    folder = tmp_path / "cda"
    folder.mkdir()
    (folder / "1.xml").write_bytes((demo / "biologie.xml").read_bytes())
    assert "1 documents imported" in run("import-cda", str(folder), "--data", "store").output
    (folder / "2.xml").write_bytes((demo / "vaccination.xml").read_bytes())
    (folder / "3.xml").write_bytes((demo / "vaccination.xml").read_bytes())
    changed = (demo / "biologie.xml").read_bytes().replace(b'"5.10"', b'"9.99"')
    (folder / "4.xml").write_bytes(changed)
    told = " ".join(run("import-cda", str(folder), "--data", "store", code=1).output.split())
    assert "1 documents imported" in told
    assert "1 were done by an earlier run" in told
    assert "1 have the bytes of another file" in told
    assert "3.xml: as" in told
    assert "Another document was imported under the id" in told


def test_reindex_makes_every_row_anew(run: Run, tmp_path: Path) -> None:
    people = [{**PATIENT, "id": f"p{number}"} for number in range(450)]
    (tmp_path / "people.ndjson").write_text("\n".join(map(json.dumps, people)), encoding="utf-8")
    run("load", "people.ndjson", "--data", "store")
    assert "450 resources indexed" in run("reindex", "--data", "store").output
    assert "450 resources indexed" in run("reindex", "--data", "store").output


def test_an_interrupted_reindex_goes_on_where_it_stopped(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from fhir_server.interactions.canonicals import indexing as verb

    people = [{**PATIENT, "id": f"p{number}"} for number in range(450)]
    (tmp_path / "people.ndjson").write_text("\n".join(map(json.dumps, people)), encoding="utf-8")
    run("load", "people.ndjson", "--data", "store")
    calls = 0
    whole = verb.index_rows

    async def stop_after_300(*arguments: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls > 300:
            raise OSError("interrupted")
        return await whole(*arguments)

    monkeypatch.setattr(verb, "index_rows", stop_after_300)
    assert "interrupted" in run("reindex", "--data", "store", code=2).stderr
    monkeypatch.setattr(verb, "index_rows", whole)
    told = run("reindex", "--data", "store").output
    assert "Going on after 300 resources" in told
    assert "450 resources indexed" in told


def test_a_backend_client_gets_a_key_that_only_its_owner_reads(run: Run) -> None:
    told = run("client", "register", "lab", "--name", "Lab", "--scope", "system/*.crs", "--data", "store").output
    assert "private key" in told
    file = Path("store/lab.jwk.json")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert json.loads(file.read_text(encoding="utf-8"))["crv"] == "P-384"
    assert "system/*.crs" in run("client", "list", "--data", "store").output
    again = run("client", "register", "lab", "--name", "Lab", "--scope", "system/*.crs", "--data", "store", code=2)
    assert "already a client" in again.stderr


def test_an_unsafe_redirect_uri_is_refused(run: Run) -> None:
    told = run(
        *("client", "register", "app", "--name", "App", "--scope", "patient/*.rs", "--data", "store"),
        *("--redirect-uri", "http://example.org/callback"),
        code=2,
    )
    assert "redirect URI" in told.stderr


def test_a_user_is_added_with_a_password_that_is_asked_for(run: Run) -> None:
    told = run(
        *("user", "add", "dr.martin", "--actor", "Practitioner/1", "--name", "Dr Martin", "--data", "store"),
        given="correct horse\ncorrect horse\n",
    ).output
    assert "correct horse" not in told
    assert "professional" in run("user", "list", "--data", "store").output


def test_a_store_that_cannot_be_opened_is_told_in_one_sentence(run: Run, tmp_path: Path) -> None:
    (tmp_path / "store").touch()
    told = run("client", "list", "--data", "store", code=2).stderr
    assert told.startswith("fhir-server:")
    assert "Traceback" not in told


def test_fhirpath_prints_each_item_with_its_place(run: Run, tmp_path: Path) -> None:
    person = {**PATIENT, "name": [{"family": "Martin", "given": ["Zoé", "Inès"]}]}
    (tmp_path / "patient.json").write_text(json.dumps(person), encoding="utf-8")
    told = run("fhirpath", "Patient.name.given", "patient.json").output.splitlines()
    assert told == ['Patient.name[0].given[0] "Zoé"', 'Patient.name[0].given[1] "Inès"']
    assert "(empty)" in run("fhirpath", "Patient.photo", "patient.json").output
    assert "1" in run("fhirpath", "Patient.name.count()", "patient.json").output
    refused = run("fhirpath", "Patient.name.(", "patient.json", code=2).stderr
    assert refused.startswith("fhir-server:")


def test_an_app_that_registered_itself_waits_until_it_is_approved(run: Run) -> None:
    assert "Waiting for an approval" in run("client", "pending", "--data", "store").output
    assert "absent" in run("client", "approve", "absent", "--data", "store", code=2).stderr


def test_packages_are_added_listed_and_removed(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "guide"
    folder.mkdir()
    manifest = {"name": "org.example", "version": "1.0.0", "title": "Guide", "dependencies": {"org.other": "1.0.0"}}
    (folder / "package.json").write_text(json.dumps(manifest))
    colours = {"resourceType": "ValueSet", "id": "colours", "url": "http://example.org/colours", "status": "active"}
    (folder / "ValueSet-colours.json").write_text(json.dumps(colours))
    told = run("package", "add", str(folder), code=1).output
    assert "org.example#1.0.0 1 resources" in told
    assert "missing org.other@1.0.0 needed by org.example#1.0.0" in told
    assert "is here already" in run("package", "add", "org.example@1.0.0", code=1).output
    (folder / "package.json").write_text(json.dumps({"name": "org.alone", "version": "1.0.0"}))
    assert "missing" not in run("package", "add", str(folder), code=0).output
    assert "Guide" in run("package", "list").output
    run("package", "remove", "org.alone@1.0.0")
    assert "no file and no folder" in run("package", "add", "nothing", code=2).stderr
    assert "1 resources removed" in run("package", "remove", "org.example@1.0.0").output
    assert "Here are: none" in run("package", "remove", "org.example@1.0.0", code=2).stderr
