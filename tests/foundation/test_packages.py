"""FHIR packages: reading within bounds, canonicals in several versions, dependencies."""

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from fhir_server.foundation import package_files
from fhir_server.foundation.package_files import UnreadablePackage
from fhir_server.foundation.packages import Packages

URL = "http://example.org/ValueSet/colours"


def value_set(version: str, **more: Any) -> dict[str, Any]:
    return {"resourceType": "ValueSet", "id": "colours", "url": URL, "version": version, "status": "active", **more}


def package(path: Path, name: str, version: str, *resources: dict[str, Any], **more: Any) -> Path:
    files = {"package/package.json": {"name": name, "version": version, **more}}
    files |= {f"package/{number}.json": resource for number, resource in enumerate(resources)}
    return archive(path, {file: json.dumps(content).encode() for file, content in files.items()})


def archive(path: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


def test_a_canonical_is_found_in_the_version_asked_for_or_the_latest(tmp_path: Path) -> None:
    old = package(tmp_path / "old.tgz", "org.example", "1.0.0", value_set("1.9.0"))
    new = package(tmp_path / "new.tgz", "org.example", "2.0.0", value_set("1.10.0"), value_set("1.10.0-ballot"))
    packages = Packages([new, old])
    found = {asked: packages.find(asked) for asked in (URL, f"{URL}|1.9.0", f"{URL}|1.10.0-ballot", f"{URL}|3.0.0")}
    assert [member and (member.version, member.package) for member in found.values()] == [
        ("1.10.0", "org.example#2.0.0"),
        ("1.9.0", "org.example#1.0.0"),
        ("1.10.0-ballot", "org.example#2.0.0"),
        None,
    ]
    assert packages.resolve(f"{URL}|1.9.0") == value_set("1.9.0")
    assert packages.resolve(URL, "CodeSystem") is None


def test_a_folder_is_a_package_too(tmp_path: Path) -> None:
    folder = tmp_path / "package"
    (folder / "other").mkdir(parents=True)
    (folder / "package.json").write_text('{"name": "org.example", "version": "1.0.0"}')
    (folder / "ValueSet-colours.json").write_text(json.dumps(value_set("1.0.0")))
    (folder / "other" / "ValueSet-notes.json").write_text(json.dumps(value_set("9.0.0")))
    for path in (tmp_path, folder):
        assert [member.version for member in Packages([path]).members("ValueSet")] == ["1.0.0"]


def test_a_package_read_twice_is_there_once(tmp_path: Path) -> None:
    path = package(tmp_path / "one.tgz", "org.example", "1.0.0", value_set("1.0.0"))
    packages = Packages([path, path])
    assert len(list(packages.members())) == 1
    assert packages.read(next(packages.members())) == value_set("1.0.0")


def test_decimals_keep_their_digits(tmp_path: Path) -> None:
    packages = Packages()
    packages.put(b'{"resourceType": "Basic", "id": "one", "url": "%s", "number": 1.50}' % URL.encode())
    found = packages.resolve(URL)
    assert found is not None
    assert str(found["number"]) == "1.50"


def test_missing_dependencies_are_named_with_what_is_there(tmp_path: Path) -> None:
    needs = {"org.other": "2.x", "org.exact": "1.0.1", "alias@npm:org.exact": "1.0.0", "org.live": "current"}
    packages = Packages(
        [
            package(tmp_path / "a.tgz", "org.example", "1.0.0", dependencies=needs),
            package(tmp_path / "b.tgz", "org.exact", "1.0.0"),
            package(tmp_path / "c.tgz", "org.other", "2.1.0"),
        ]
    )
    assert [missing.sentence() for missing in packages.missing()] == [
        "org.example#1.0.0 needs org.exact#1.0.1; here is 1.0.0: add that package.",
        "org.example#1.0.0 needs org.live#current: add that package.",
    ]


MANIFEST = b'{"name": "org.example", "version": "1.0.0"}'


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        ({"package/Patient-1.json": b"{}"}, "no FHIR package"),
        ({"package/package.json": b"{}"}, "not right"),
        ({"package/package.json": MANIFEST.replace(b"org.", b"../../")}, "a name or version that none can have"),
        ({"package/package.json": MANIFEST.replace(b"1.0.0", b"1#2")}, "a name or version that none can have"),
        ({"package/package.json": MANIFEST, "package/../../etc/passwd": b"x"}, "outside of itself"),
        ({"/package/package.json": MANIFEST}, "outside of itself"),
    ],
)
def test_what_is_no_package_is_refused(tmp_path: Path, files: dict[str, bytes], sentence: str) -> None:
    with pytest.raises(UnreadablePackage, match=sentence):
        Packages([archive(tmp_path / "bad.tgz", files)])


def test_a_truncated_or_other_file_is_refused(tmp_path: Path) -> None:
    whole = package(tmp_path / "whole.tgz", "org.example", "1.0.0", value_set("1.0.0")).read_bytes()
    for number, content in enumerate((whole[: len(whole) // 2], b"no archive", b"")):
        path = tmp_path / f"{number}.tgz"
        path.write_bytes(content)
        with pytest.raises(UnreadablePackage):
            Packages([path])


def test_bombs_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    large = archive(tmp_path / "large.tgz", {"package/package.json": MANIFEST, "package/a.json": b" " * 300_000})
    monkeypatch.setattr(package_files, "MAX_FILE_BYTES", 200_000)
    with pytest.raises(UnreadablePackage, match="refused"):
        Packages([large])
    monkeypatch.setattr(package_files, "MAX_FILE_BYTES", 400_000)
    monkeypatch.setattr(package_files, "MAX_PACKAGE_BYTES", 200_000)
    with pytest.raises(UnreadablePackage, match="more than a package may hold"):
        Packages([large])
    monkeypatch.setattr(package_files, "MAX_PACKAGE_BYTES", 400_000)
    monkeypatch.setattr(package_files, "MAX_FILES", 1)
    with pytest.raises(UnreadablePackage, match="refused"):
        Packages([large])


def test_the_french_packages_all_load(shared: Path) -> None:
    paths = [path for path in sorted((shared / "data/fhir-packages").glob("*.tgz")) if "examples" not in path.name]
    packages = Packages(paths)
    assert len(packages.manifests) == len(paths)
    patient = "https://hl7.fr/ig/fhir/core/StructureDefinition/fr-core-patient-ins"
    assert {
        packages.resolve(f"{patient}|{version}", "StructureDefinition")["version"] for version in ("2.1.0", "2.2.0")
    } == {  # type: ignore[index]
        "2.1.0",
        "2.2.0",
    }
    assert packages.find(patient).version == "2.2.0"  # type: ignore[union-attr]
    missing = {(missing.package, missing.name, missing.version) for missing in packages.missing()}
    assert ("ans.fhir.fr.pdsm#3.1.1", "ihe.iti.mhd", "4.2.3") in missing
    assert not [name for _, name, _ in missing if name == "hl7.fhir.r4.core"]
