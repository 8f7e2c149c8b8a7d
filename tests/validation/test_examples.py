"""The official examples pass, at the door and against R4's own definitions, but for those that break a rule."""

import csv
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from fhir_server.conformance.terminology import is_unit
from fhir_server.fhirpath.node import UCUM_URL
from fhir_server.foundation import fhir_json
from fhir_server.foundation.operation_outcome import FhirError
from fhir_server.foundation.packages import Packages
from fhir_server.terminology.terminology import Terminology
from fhir_server.validation.profiles.profile import Profiles
from fhir_server.validation.profiles.run import Environment
from fhir_server.validation.profiles.validate import validate_profiles
from fhir_server.validation.validate import validate

EXAMPLES = Path(__file__).parents[2].parent / "shared/data/fhir-packages/hl7.fhir.r4.examples-4.0.1.tgz"

EMPTY_NARRATIVE = "txt-2: the div holds no text and no image"
NO_BASE = "SearchParameter.base is 1..*"
GUIDE = "ImplementationGuide.name and status are 1..1"
REFUSED = {
    "ActivityDefinition-blood-tubes-supply": EMPTY_NARRATIVE,
    "ActivityDefinition-heart-valve-replacement": EMPTY_NARRATIVE,
    "EventDefinition-example": EMPTY_NARRATIVE,
    "Questionnaire-zika-virus-exposure-assessment": EMPTY_NARRATIVE,
    "DeviceMetric-example": "DeviceMetric.parent refers to a Device, not to a DeviceDefinition",
    "DeviceUseStatement-example": "DeviceUseStatement.reasonReference may not refer to a Procedure",
    "MedicationRequest-medrx0301": "MedicationRequest.dispenseRequest.performer refers to an Organization",
    "Observation-clinical-gender": "Observation.performer may not refer to an Encounter",
    "Questionnaire-qs1": "Questionnaire.item.linkId is 1..1",
    "ImplementationGuide-fhir": GUIDE,
    "ig-r4": GUIDE,
    "SearchParameter-questionnaireresponse-extensions-QuestionnaireResponse-item-subject": "its id has 69 characters",
    **{
        f"SearchParameter-{name.lower()}-extensions-{name}-{code}": NO_BASE
        for name in ("CodeSystem", "ValueSet")
        for code in ("author", "effective", "end", "keyword", "workflow")
    },
}


TABLE = Path(__file__).with_name("official_examples.csv")
"""File -> the ids of what is wrong with it."""
DEFENDED = {
    "attachment-hash": "the hash of DiagnosticReport-example-pgx is not the SHA-1 of its content",
    "binding-required": "json and xml are no mime types of BCP 13; ClinicalImpression has its own statuses",
    "bundle-full-url-id": "a RESTful fullUrl ends with the type and id of its resource (bundle.html#bundle-unique)",
    "canonical-relative": "a canonical is absolute, or leads to what is contained (references.html#canonical)",
    "canonical-type": "the bindings of ExplanationOfBenefit name a code system as value set",
    "code-unknown": "no unit of UCUM (mcg, mEq, ml/hr, tbl), two codes in one, or a code its system lacks (Vial, Tab)",
    "extension-context": "the definition of the extension names other elements",
    "extension-part": "hla-genotyping-results-glstring has no part uri",
    "identifier-uri": "with urn:ietf:rfc:3986 the value is a whole URI (datatypes.html#Identifier)",
    "invariant": "que-7 (exists asks a boolean), and sdf-4 (a structure has a base) in the patterns of the workflow",
    "expression": "hasExtension is no function of FHIRPath",
    "minimum": "a body temperature without time does not meet the vital signs (observation-vitalsigns.html)",
    "modifier-unknown": "a modifier extension that nobody defines may change the meaning (extensibility.html#modifier)",
    "narrative-link": "a generated narrative links to anchors that it does not have",
    "oid-form": "urn:oid:X.Y.Z is no OID",
    "primitive": "the id has 69 characters",
    "reference-target": "the element may not refer to this type",
    "required": "R4 requires the element: ImplementationGuide.name, SearchParameter.base and others",
    "system-relative": "the system of a value set's include is absolute, not a fragment",
    "txt-2": "the narrative shows nothing",
    "uuid-form": "a UUID is written in lower case (datatypes.html#uuid)",
}


def examples() -> Iterator[tuple[str, bytes]]:
    with tarfile.open(EXAMPLES, "r|gz") as archive:
        for member in archive:
            name = member.name.rpartition("/")[2]
            reader = archive.extractfile(member) if name.endswith(".json") else None
            if reader is not None and name not in ("package.json", ".index.json"):
                yield name.removesuffix(".json"), reader.read()


@pytest.mark.slow
@pytest.mark.spec("downloads.html")
@pytest.mark.skipif(not EXAMPLES.exists(), reason="the official examples package is not beside the repository")
def test_official_examples_pass_but_those_that_break_a_rule():
    core = Packages([EXAMPLES.with_name("hl7.fhir.r4.core-4.0.1.tgz")])
    terminology = Terminology(core.resolve, {UCUM_URL: is_unit})
    profiles = Profiles(core.resolve)
    environment = Environment(profiles, terminology.contains, terminology.validate_in_system, hints=False)
    refused, found, number = set(), {}, 0
    for name, content in examples():
        number += 1
        resource = fhir_json.parse(content)
        try:
            validate(resource)
        except FhirError:
            refused.add(name)
        issues = validate_profiles(resource, [], environment, is_sound=name not in refused)
        errors = {issue.message_id for issue in issues if issue.severity == "error"}
        if errors:
            found[name] = " ".join(sorted(errors))
    assert number > 5000
    assert refused == REFUSED.keys()
    with TABLE.open(encoding="utf-8") as file:
        assert found == {row["file"]: row["found"] for row in csv.DictReader(file)}
    assert {message_id for ids in found.values() for message_id in ids.split()} == DEFENDED.keys()
