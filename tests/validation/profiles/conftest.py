"""Profiles made for a test: a differential over a type of R4."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from fhir_server.validation.profiles.definitions.snapshot import CORE
from fhir_server.validation.profiles.profile import Profiles
from fhir_server.validation.profiles.run import Environment
from fhir_server.validation.profiles.validate import validate_profiles

URL = "http://example.org/StructureDefinition/"
Findings = list[tuple[str, str, str]]


def define(name: str, kind: str, *elements: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "StructureDefinition",
        "url": URL + name,
        "type": kind,
        "derivation": "constraint",
        "baseDefinition": CORE + kind,
        "differential": {"element": list(elements)},
        **more,
    }


def environment(*definitions: dict[str, Any], **more: Any) -> Environment:
    known: Mapping[str, dict[str, Any]] = {definition["url"]: definition for definition in definitions}
    return Environment(Profiles(lambda canonical, _: known.get(canonical.partition("|")[0])), **more)


def find(resource: dict[str, Any], *definitions: dict[str, Any], **more: Any) -> Findings:
    """Check a resource against the first definition; the others are there to be referred to."""
    issues = validate_profiles(resource, [definitions[0]["url"]], environment(*definitions, **more))
    found = [(issue.severity, issue.message_id, issue.expression[0]) for issue in issues]
    return [row for row in found if ("dom-6" not in str(row) and row[1] != "invariant") or row[0] == "error"]


@pytest.fixture
def check() -> Callable[..., Findings]:
    return find


@pytest.fixture
def made() -> Callable[..., dict[str, Any]]:
    return define
