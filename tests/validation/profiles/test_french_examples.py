"""The examples of the French guides: 124 of 248 are right, and each error in the others is one that we defend."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from fhir_server.conformance.terminology import is_unit
from fhir_server.fhirpath.node import UCUM_URL
from fhir_server.foundation import fhir_json
from fhir_server.foundation.operation_outcome import Issue
from fhir_server.foundation.packages import Packages
from fhir_server.terminology.terminology import Terminology
from fhir_server.validation.profiles.profile import Profiles
from fhir_server.validation.profiles.run import Environment
from fhir_server.validation.profiles.validate import validate_profiles
from tests.validation.profiles.test_mutations import name_of

DEFENDED: Final[list[tuple[str, str, str, str]]] = [
    (
        "annuaire",
        "minimum",
        "profile:as-dr-canonical",
        "the guide's profile asks for both canonicals in meta.profile, and one is there",
    ),
    ("cds", "structure", "This is an empty string", "an empty string is no value in FHIR"),
    ("eprescription", "structure", "ref-1", "'#' is for contained resources, and these are entries of the Bundle"),
    (
        "eprescription",
        "bundle-full-url",
        "searchset",
        "an entry with relative references and without full URL, which it SHALL have (Bundle.entry.fullUrl)",
    ),
    ("mes-api", "bundle-full-url", "searchset", "the same"),
    ("cds", "code-unknown", "MEDICAL", "fr-core-cs-v2-3307 has no code MEDICAL"),
    (
        "eprescription",
        "slice-closed",
        "medicationReference",
        "the profile closes medication[x] to references, and this is a code",
    ),
    (
        "eprescription",
        "extension-context",
        "fr-additional-action-relationship",
        "its definition misspells the context (retaledAction)",
    ),
    ("eprescription", "invariant", "rat-1", "a ratio with a numerator alone"),
    ("eprescription", "invariant", "tim-", "a timing that R4 forbids"),
    (
        "eprescription",
        "minimum",
        "family is needed",
        "the second name has no family name, which fr-core-patient asks for",
    ),
    ("mes-api", "structure", "Observation.", "no Observation: what R4 requires is absent"),
    ("mes-api", "bundle-full-url-relative", "fullUrl", "a bare id is no URL"),
    ("nde", "minimum", "type is needed", "an identifier without type, which fr-core-practitioner asks for"),
    ("nde", "target-profile", "fr-core-practitioner", "the same, seen from the reference"),
    ("pdsm-", "structure", "dom-", "contained resources with versions, or to which nothing refers"),
    (
        "pdsm-",
        "aggregation",
        "allows contained",
        "the profile wants authors and patient contained, and they are elsewhere",
    ),
    (
        "pdsm-",
        "minimum",
        "-canonical is needed",
        "the directory's profile asks for canonicals in meta.profile (1.2.0 is here, 1.1.0 was meant)",
    ),
    (
        "pdsm-",
        "pattern",
        "annuaire.esante.gouv.fr",
        "the directory's profile asks for meta.source (1.2.0 is here, 1.1.0 was meant)",
    ),
    (
        "pdsm-",
        "extension-part",
        "digitization",
        "the directory's extension has no such part (1.2.0 is here, 1.1.0 was meant)",
    ),
    ("pdsm4dmp", "minimum", "custodian is needed", "the profile requires a custodian"),
    (
        "pdsm4dmp",
        "minimum",
        "entry:SubmissionSet",
        "the submission set names a source of a type that its profile forbids, so it is none",
    ),
    ("pdsm4dmp", "minimum", "type is needed", "an identifier without type, which the directory's profile asks for"),
    (
        "pdsm4dmp",
        "target-type",
        "points to Practitioner",
        "the source of a submission set is no Practitioner in the profile",
    ),
    ("pdsm4dmp", "target-profile", "as-practitioner", "the contained practitioner has an identifier without type"),
    ("pdsm4dmp", "target-profile", "pdsm-comprehensive-document-reference", "the document has errors of its own"),
    (
        "pdsm4dmp",
        "slice-closed",
        "SubmissionSet",
        "entries that do not meet their profiles are in no slice, and others are closed out",
    ),
    ("pdsm4dmp", "bundle-full-url-relative", "fullUrl", "a relative fullUrl"),
    (
        "eprescription",
        "binding-required",
        "BogusSystemMedicabase",
        "the example says itself that its system is bogus: the value set has that of the ANSM",
    ),
    (
        "eprescription",
        "binding-required",
        "fr-substance-code",
        "the value set has the two systems of the ANSM, and this is a code of SNOMED CT",
    ),
    *(
        (
            folder,
            "binding-required",
            "fr-core-vs-insee-code",
            "the value set has TRE-R13-CommuneOM, not TRE-R13-Commune",
        )
        for folder in ("annuaire", "cahier", "cds", "eprescription", "telesurveillance")
    ),
    (
        "annuaire",
        "binding-required",
        "all-languages",
        "R4 binds the language of communication to BCP 47 at most, and this is a code of TRE-G00",
    ),
    ("pdsm-", "attachment-size", "250000", "the size is that of another document than the content"),
    ("pdsm-", "attachment-hash", "SHA-1", "the hash is that of another document than the content"),
    (
        "sas",
        "binding-missing",
        "fr-practitioner-specialty",
        "words only, where the base profile binds a code as required (terminologies.html#required)",
    ),
    ("telesurveillance", "code-unknown", "[kg]", "[kg] is no unit of UCUM: kg is"),
    ("telesurveillance", "binding-required", "ucum-bodyweight", "the same, against the units of a body weight"),
    ("telesurveillance", "minimum", "category:VSCat", "a body weight without the category of vital signs"),
    ("tde", "minimum", "type is needed", "an identifier without type, which fr-core-practitioner asks for"),
]
"""Folder, message id, a part of the sentence, and why the example is wrong."""


@pytest.fixture(scope="module")
def found(shared: Path) -> dict[str, list[Issue]]:
    """The errors of each example, by folder and name."""
    paths = [path for path in (shared / "data/fhir-packages").glob("*.tgz") if "examples" not in path.name]
    packages = Packages(sorted(paths))
    terminology = Terminology(packages.resolve, {UCUM_URL: is_unit})
    environment = Environment(Profiles(packages.resolve), terminology.contains, terminology.validate_in_system)
    return dict(_judge(shared / "data/examples", environment))


def _judge(folder: Path, environment: Environment) -> Iterator[tuple[str, list[Issue]]]:
    for path in sorted(folder.rglob("*.json")):
        issues = validate_profiles(fhir_json.parse(path.read_bytes()), [], environment)
        name = path.relative_to(folder).as_posix()
        yield name, [issue for issue in issues if issue.severity == "error"]


def test_each_error_is_one_that_we_defend(found: dict[str, list[Issue]]) -> None:
    unexplained = [
        (name, issue.message_id, issue.expression[0], issue.diagnostics)
        for name, issues in found.items()
        for issue in issues
        if not any(
            name.startswith(folder) and name_of(issue) == message_id and part in issue.diagnostics
            for folder, message_id, part, _ in DEFENDED
        )
    ]
    assert unexplained == []


def test_no_defence_stands_for_nothing(found: dict[str, list[Issue]]) -> None:
    uses: Counter[int] = Counter()
    for name, issues in found.items():
        for issue in issues:
            for number, (folder, message_id, part, _) in enumerate(DEFENDED):
                uses[number] += name.startswith(folder) and name_of(issue) == message_id and part in issue.diagnostics
    assert [row for number, row in enumerate(DEFENDED) if not uses[number]] == []


def test_most_examples_are_right(found: dict[str, list[Issue]]) -> None:
    assert len(found) == 248
    assert sum(not issues for issues in found.values()) == 124
