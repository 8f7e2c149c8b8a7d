"""Our own guide: every definition and example is right by our validator, the wrong twins are not, the code agrees."""

import copy
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fhir_server.access.authors import IDENTITY
from fhir_server.access.labels import LABELS, VISIBILITY_SYSTEM
from fhir_server.access.relations.codes import APP_ACCESS, BRICKS, GROUNDS, OPERATIONS, RECORD_CONSENT_SYSTEM
from fhir_server.access.relations.consent import consent_rows
from fhir_server.access.rules.notice import EMERGENCY_ACCESS, NOTICE_SYSTEM
from fhir_server.conformance.publish import definitions
from fhir_server.foundation import fhir_json
from fhir_server.foundation.operation_outcome import Issue
from fhir_server.terminology.terminology import Terminology
from fhir_server.validation.profiles.profile import Profiles
from fhir_server.validation.profiles.run import Environment
from fhir_server.validation.profiles.validate import validate_profiles
from mappings.cda.datatypes import QUALIFIER
from mappings.cda.values import VALUE
from mappings.entries.care.device import PERFORMER
from mappings.entries.care.procedure import PRIORITY
from mappings.entries.clinical_statement import ACT_CODE
from mappings.entries.participants import PARTICIPANT

GUIDE = Path(__file__).parents[2] / "profiles/dossier"
EXAMPLES = {path.stem: fhir_json.parse(path.read_bytes()) for path in sorted((GUIDE / "examples").glob("*.json"))}
DEFINITIONS = {(one["url"], one["resourceType"]): one for one in definitions() if "url" in one}
OURS = [fhir_json.parse(path.read_bytes()) for path in sorted(GUIDE.glob("*-*.json"))]
Change = Callable[[dict[str, Any]], Any]


def resolve(canonical: str, resource_type: str) -> dict[str, Any] | None:
    return DEFINITIONS.get((canonical.partition("|")[0], resource_type))


def errors(resource: dict[str, Any]) -> list[Issue]:
    """What is wrong, and all that could not be checked."""
    environment = Environment(Profiles(resolve), Terminology(resolve).contains)
    return [issue for issue in validate_profiles(resource, (), environment) if issue.diagnostics[:5] != "dom-6"]


@pytest.mark.parametrize("definition", OURS, ids=lambda one: f"{one['resourceType']}/{one['id']}")
def test_a_definition_is_right_and_published(definition: dict[str, Any]) -> None:
    assert errors(definition) == []
    assert (definition["url"], definition["resourceType"]) in DEFINITIONS
    readme = (GUIDE.parent / "README.md").read_text(encoding="utf-8")
    assert definition["resourceType"] == "ImplementationGuide" or f"`{definition['id']}`" in readme


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_is_right(name: str) -> None:
    assert errors(EXAMPLES[name]) == []


def put(*path: str | int, value: Any) -> Change:
    """Return the change that sets what stands at a path."""

    def change(resource: dict[str, Any]) -> None:
        place: Any = resource
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = value

    return change


def drop(*path: str | int) -> Change:
    """Return the change that takes away what stands at a path."""

    def change(resource: dict[str, Any]) -> None:
        place: Any = resource
        for step in path[:-1]:
            place = place[step]
        del place[path[-1]]

    return change


def category(code: str) -> list[dict[str, Any]]:
    return [{"coding": [{"system": RECORD_CONSENT_SYSTEM, "code": code}]}]


DEVICE, PATIENT = {"reference": "Device/example"}, {"reference": "Patient/example"}
FIRST, ACTOR = ("provision", "provision", 0), ("provision", "actor", 0, "reference")
NAMED = {"role": {"text": "x"}, "reference": DEVICE}
LABEL = ("securityLabel", 1, "coding", 0, "code")


@pytest.mark.parametrize(
    ("example", "change", "place"),
    [
        ("consent-given", put("provision", "class", value=[{"code": "x"}]), "Consent"),
        ("consent-given", put(*ACTOR, value=DEVICE), "Consent"),
        ("consent-given", put(*ACTOR, value=PATIENT), "Consent.provision.actor[0].reference"),
        ("consent-given", drop("provision", "type"), "Consent.provision"),
        ("consent-given", drop("provision", "actor"), "Consent.provision"),
        ("consent-given", drop("dateTime"), "Consent"),
        ("consent-given", put("scope", value={"text": "x"}), "Consent.scope"),
        ("consent-given", put("provision", "purpose", 0, "code", value="HRESCH"), "Consent.provision.purpose[0]"),
        ("consent-blocks", put("provision", "dataPeriod", value={"start": "2026"}), "Consent"),
        ("refusal-closing", put("category", value=category("app-access")), "Consent.category[0]"),
        ("refusal-closing", put("category", value=category("closing") * 2), "Consent"),
        ("refusal-closing", put("provision", "actor", value=[NAMED]), "Consent.provision"),
        ("app-authorised", put("category", value=category("closing")), "Consent.category[0]"),
        ("app-authorised", put(*ACTOR, value=PATIENT), "Consent.provision.actor[0].reference"),
        ("app-authorised", put(*FIRST, "type", value="deny"), "Consent.provision.provision[0].type"),
        ("app-authorised", drop(*FIRST, "action"), "Consent.provision.provision[0]"),
        ("app-authorised", put(*FIRST, "class", 0, "code", value="read"), "Consent.provision.provision[0].class[0]"),
        ("app-authorised", put(*FIRST, "action", value=category("agenda")), "Consent.provision.provision[0].action[0]"),
        ("document-masked", drop("subject"), "DocumentReference"),
        ("document-masked", put(*LABEL, value="N"), "DocumentReference.securityLabel[1]"),
        ("document-masked", drop("securityLabel", 1), "DocumentReference"),
        ("message-begun", put("sender", value=PATIENT), "Communication"),
        ("message-begun", drop("payload"), "Communication"),
        ("message-begun", put("recipient", value=[DEVICE]), "Communication.recipient[0]"),
        ("message-answered", drop("inResponseTo"), "Communication"),
        ("message-answered", put("category", 0, "coding", 0, "code", value="other"), "Communication.category[0]"),
        ("vaccination-refused", drop("statusReason"), "Immunization"),
        ("vaccination-refused", put("vaccineCode", value={"id": "a"}), "Immunization.vaccineCode"),
        ("vaccination-done", drop("primarySource"), "Immunization"),
        ("vaccination-done", put("performer", 0, "actor", value=PATIENT), "Immunization.performer[0].actor"),
        ("v3-extensions", drop("code", "extension", 0, "extension"), "Procedure.code.extension[0]"),
        ("v3-extensions", put("extension", 0, value={"url": PRIORITY, "valueString": "R"}), "Procedure.extension[0]"),
        ("v3-extensions", put("extension", 3, "valueReference", value=None), "Procedure.extension[3]"),
        ("v3-extensions", drop("extension", 4, "extension", 0), "Procedure.extension[4]"),
        ("v3-extensions", put("extension", 5, "valueQuantity", value=None), "Procedure.extension[5]"),
    ],
)  # fmt: skip
def test_a_wrong_twin_is_refused_at_its_place(example: str, change: Change, place: str) -> None:
    twin = copy.deepcopy(EXAMPLES[example])
    change(twin)
    found = [issue for issue in errors(twin) if issue.severity == "error"]
    assert found
    assert any(expression.startswith(place) for issue in found for expression in issue.expression)


def codes(name: str) -> set[str]:
    (resource,) = (one for one in OURS if one["id"] == name and one["resourceType"] == "ValueSet")
    (include,) = resource["compose"]["include"]
    return {concept["code"] for concept in include["concept"]}


def test_the_codes_are_those_that_decisions_read() -> None:
    systems = {one["url"]: {concept["code"] for concept in one["concept"]} for one in OURS if "concept" in one}
    assert systems[RECORD_CONSENT_SYSTEM] == {*GROUNDS, APP_ACCESS, *OPERATIONS, *BRICKS}
    assert systems[NOTICE_SYSTEM] == {EMERGENCY_ACCESS}
    assert codes("record-refusal") == set(GROUNDS)
    assert (codes("app-operation"), codes("app-part")) == (set(OPERATIONS), set(BRICKS))
    assert codes("document-visibility") == LABELS
    assert EXAMPLES["document-masked"]["securityLabel"][1]["coding"][0]["system"] == VISIBILITY_SYSTEM


def test_each_consent_means_something_to_decisions() -> None:
    grounds = {name: [row[1] for row in consent_rows(one)] for name, one in EXAMPLES.items() if "provision" in one}
    refusals = {f"refusal-{code}": [ground] for code, ground in GROUNDS.items()}
    permits = {"app-authorised": ["app-read-measurements", "app-write-agenda"], "consent-given": ["consent"]}
    assert grounds == {**refusals, **permits, "consent-blocks": ["block"]}


def test_the_extensions_are_those_of_the_mappings() -> None:
    defined = {one["url"] for one in OURS if one.get("type") == "Extension"}
    assert defined == {QUALIFIER, VALUE, PARTICIPANT, PERFORMER, PRIORITY, ACT_CODE, IDENTITY}
    mappings = (GUIDE.parents[1] / "mappings/README.md").read_text(encoding="utf-8")
    assert defined - {IDENTITY} == set(re.findall(r"urn:hl7-org:v3#[A-Za-z.]+", mappings))
