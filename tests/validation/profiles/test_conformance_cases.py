"""The public validator cases for R4: whether an error is found where one is, and none where none is.

A case passes when we agree with it on whether the resource has errors. Those that fail are explained one by one.
"""

import csv
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from fhir_server.conformance.terminology import is_unit
from fhir_server.fhirpath.node import UCUM_URL
from fhir_server.foundation import fhir_json, fhir_xml
from fhir_server.foundation.operation_outcome import FhirError
from fhir_server.foundation.packages import Packages
from fhir_server.terminology.terminology import Terminology
from fhir_server.validation.profiles.definitions.guides import global_profiles
from fhir_server.validation.profiles.profile import Profiles
from fhir_server.validation.profiles.run import Environment
from fhir_server.validation.profiles.validate import validate_profiles

TABLE: Final = Path(__file__).with_name("conformance_cases.csv")
KINDS: Final = {"case", "terminology", "package"}
"""The case is wrong or asks a policy; it needs codes, or a package, that are not here."""


def explained() -> dict[str, tuple[str, str]]:
    with TABLE.open(encoding="utf-8") as file:
        return {row["case"]: (row["kind"], row["reason"]) for row in csv.DictReader(file)}


def read(path: Path) -> dict[str, Any]:
    content = path.read_bytes()
    return fhir_xml.parse(content) if path.suffix == ".xml" else fhir_json.parse(content)


def definitions(case: Mapping[str, Any], folder: Path) -> dict[str, dict[str, Any]]:
    """Return what a case brings along, by url; its own profile under "" too."""
    profile = case["profile"] or {}
    found: dict[str, dict[str, Any]] = {}
    for name in (*case["supporting"], *profile.get("supporting", ()), *filter(None, [profile.get("source")])):
        try:
            resource = read(folder / name)
        except (FhirError, OSError):
            continue  # Some cases bring along what is wrong by intent, or no FHIR at all.
        bundled = [entry.get("resource", {}) for entry in resource.get("entry", ())]
        for one in (resource, *bundled):
            if "url" in one:
                found[one["url"]] = one
        if name == profile.get("source"):
            found[""] = resource
    return found


def has_errors(case: Mapping[str, Any], folder: Path, core: Packages) -> bool:
    brought = definitions(case, folder)

    def resolve(canonical: str, resource_type: str = "") -> Mapping[str, Any] | None:
        found = brought.get(canonical.partition("|")[0])
        is_it = found is not None and resource_type in ("", found["resourceType"])
        return found if is_it else core.resolve(canonical, resource_type)

    try:
        resource = read(folder / case["file"])
    except FhirError:
        return True
    wanted = [brought[""]["url"]] if "url" in brought.get("", {}) else []
    terminology = Terminology(resolve, {UCUM_URL: is_unit})
    environment = Environment(Profiles(resolve), terminology.contains, terminology.validate_in_system)
    guides = [one for one in brought.values() if one["resourceType"] == "ImplementationGuide"]
    wanted += global_profiles(guides).get(str(resource.get("resourceType")), ())
    issues = validate_profiles(resource, wanted, environment)
    return any(issue.severity == "error" for issue in issues)


@pytest.mark.slow
def test_the_cases_pass_or_are_explained(shared: Path) -> None:
    folder = shared / "data/conformance-cases/lib"
    core = Packages([shared / "data/fhir-packages/hl7.fhir.r4.core-4.0.1.tgz"])
    cases = [json.loads(line) for line in (folder / "validator-r4.jsonl").read_text("utf-8").splitlines()]
    failed = set()
    for case in cases:
        is_wrong = max(case["errors"], (case["profile"] or {}).get("errors", 0)) > 0
        if has_errors(case, folder / "validator", core) is not is_wrong:
            failed.add(case["id"])
    table = explained()
    assert sorted(failed) == sorted(table)
    assert {kind for kind, _ in table.values()} == KINDS
    assert all(reason for _, reason in table.values())
    assert len(cases) - len(failed) == PASSED


PASSED: Final = 201
"""Of 243."""
