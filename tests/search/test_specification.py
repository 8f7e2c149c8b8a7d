"""The example searches of search.html, asked of a small world; and its rules, one row a rule. Spec: search.html"""

from collections.abc import Callable
from typing import Any

import pytest

from fhir_server.foundation.operation_outcome import BadRequest, FhirError
from fhir_server.search.parameters import Parameters
from fhir_server.search.parse import parse
from fhir_server.search.query import IncludeClause, SortKey

Finds = Callable[..., list[str]]
LOINC, SNOMED, UCUM = "http://loinc.org", "http://snomed.info/sct", "http://unitsofmeasure.org"


def coded(system: str, code: str, **more: Any) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code, **more}]}


def made(reference: str, **elements: Any) -> dict[str, Any]:
    resource_type, _, resource_id = reference.partition("/")
    return {"resourceType": resource_type, "id": resource_id, **elements}


def refer(reference: str) -> dict[str, str]:
    return {"reference": reference}


def measured(value: float, unit: str) -> dict[str, Any]:
    return {"value": value, "system": UCUM, "code": unit, "unit": unit}


PATIENT_23 = made(
    "Patient/23",
    identifier=[
        {"system": "http://acme.org/patient", "value": "2345"},
        {"type": coded("http://terminology.hl7.org/CodeSystem/v2-0203", "MR"), "value": "446053"},
    ],
    active=True,
    gender="male",
    name=[{"family": "Chalmers", "given": ["Peter", "Steve"]}],
    birthDate="2013-03-14",
    communication=[{"language": coded("urn:ietf:bcp:47", "fr")}],
    generalPractitioner=[refer("Practitioner/joe")],
)
WORLD = (
    PATIENT_23,
    made("Patient/eve", name=[{"given": ["Eve"]}, {"given": ["Severine"]}], birthDate="2013-03"),
    made("Patient/f", gender="female", name=[{"family": "Évelyne"}], deceasedBoolean=True),
    made("Practitioner/joe", name=[{"given": ["Joe"]}], address=[{"state": "MN"}]),
    made("Observation/potassium", code=coded(LOINC, "2823-3"), valueQuantity=measured(5.8, "mmol/L"), status="final"),
    made(
        "Observation/mass",
        status="final",
        code=coded(LOINC, "1234-5"),
        subject=refer("Patient/23"),
        valueQuantity=measured(5.4, "mg"),
        effectiveDateTime="2013-01-14T10:00:00Z",
        meta={"lastUpdated": "2023-11-14T22:13:20Z"},
    ),
    made(
        "Observation/pressure",
        status="final",
        code=coded(LOINC, "85354-9"),
        subject=refer("Patient/eve"),
        component=[
            {"code": coded(LOINC, "8480-6"), "valueQuantity": measured(55, "mm[Hg]")},
            {"code": coded(LOINC, "8462-4"), "valueQuantity": measured(90, "mm[Hg]")},
        ],
        effectivePeriod={"start": "2013-01-01", "end": "2013-02-01"},
    ),
    made(
        "Condition/headache",
        code={"text": "Headache, tension", **coded("http://acme.org/conditions/codes", "ha125")},
        meta={
            "tag": [{"system": "http://acme.org/codes", "code": "needs-review"}],
            "security": [{"code": "R"}],
            "source": "http://example.com/Organization/123",
        },
        text={"status": "generated", "div": "<div>Metastases of the <b>bone</b></div>"},
    ),
    made(
        "DiagnosticReport/lipids",
        subject=refer("Patient/23"),
        result=[refer("Observation/potassium")],
        meta={"profile": ["http://hl7.org/fhir/StructureDefinition/lipid"]},
    ),
    made("Group/102", member=[{"entity": refer("Patient/23")}], characteristic=[]),
    made("Group/mixed", characteristic=[{"code": {"coding": [{"code": "gender"}]}, "valueCodeableConcept": {
        "coding": [{"code": "mixed"}]}, "exclude": False}]),
    made("Encounter/e", subject=refer("Patient/23")),
    made("AuditEvent/a", entity=[{"what": refer("Observation/mass")}], agent=[{"who": refer("Practitioner/joe")}]),
    made("List/42", entry=[{"item": refer("Patient/23")}, {"item": refer("Patient/f/_history/2")}]),
    made("ValueSet/123", url="http://acme.org/fhir/ValueSet/123"),
    made("ValueSet/123h", url="http://acme.org/fhir/ValueSet/123/_history/5"),
    made("ValueSet/oid", url="urn:oid:1.2.3.4.5"),
    made("Composition/c", section=[{"code": coded(LOINC, "48765-2")}, {"code": coded(LOINC, "1-8")}]),
    made("RiskAssessment/r", prediction=[{"probabilityDecimal": 0.9}]),
    made("ImmunizationRecommendation/i", recommendation=[{"doseNumberPositiveInt": 2}]),
    made(
        "Questionnaire/q",
        useContext=[{"code": {"code": "focus"}, "valueCodeableConcept": coded(SNOMED, "408934002")}],
    ),
    made("Procedure/p", performedDateTime="2011-05-05", location=refer("Location/ward")),
    made("Location/ward", partOf=refer("Location/hospital"), position={"longitude": -83.69, "latitude": 42.26}),
    made("Location/hospital", position={"longitude": -83.0, "latitude": 42.3}),
    made(
        "MedicationRequest/23",
        contained=[{"resourceType": "Medication", "id": "m1", "ingredient": [
            {"itemCodeableConcept": coded("http://example.com/medications", "abc")}]}],
        medicationReference=refer("#m1"),
    ),
)  # fmt: skip

EXAMPLES = [
    ("Patient?_id=23", "23"),
    ("Observation?_lastUpdated=gt2010-10-01", "potassium mass pressure"),
    ("Condition?_tag=http://acme.org/codes|needs-review", "headache"),
    ("Condition?_security=R", "headache"),
    ("Condition?_source=http://example.com/Organization/123", "headache"),
    ("DiagnosticReport?_profile=http://hl7.org/fhir/StructureDefinition/lipid", "lipids"),
    ("Condition?_text=(bone OR liver) and metastases", "headache"),
    ("Condition?_text=(lung OR liver) and metastases", ""),
    ("Condition?_content=tension and bone", "headache"),
    ("Patient?_list=42", "23 f"),
    ("Patient?gender=female&_list=List/42", "f"),
    ("Patient?_has:Observation:patient:code=1234-5", "23"),
    ("Patient?_has:Observation:patient:_has:AuditEvent:entity:agent=Practitioner/joe", "23"),
    ("Patient?_has:Group:member:_id=102", "23"),
    ("Encounter?patient._has:Group:member:_id=102", "e"),
    ("Patient?given=eve", "eve"),
    ("Patient?given:contains=eve", "23 eve"),
    ("Patient?given:exact=Eve", "eve"),
    ("Patient?given:exact=eve", ""),
    ("Patient?family=eve", "f"),
    ("ValueSet?url=http://acme.org/fhir/ValueSet/123", "123"),
    ("ValueSet?url:below=http://acme.org/fhir/", "123 123h"),
    ("ValueSet?url:above=http://acme.org/fhir/ValueSet/123/_history/5", "123 123h"),
    ("ValueSet?url=urn:oid:1.2.3.4.5", "oid"),
    ("Observation?date=eq2013-01-14", "mass"),
    ("Observation?date=2013-01-14", "mass"),
    ("Observation?date=ne2013-01-14", "pressure"),
    ("Observation?date=lt2013-01-14T10:00", "pressure"),
    ("Observation?date=gt2013-01-14T10:00", "pressure"),
    ("Observation?date=le2013-01-14", "mass pressure"),
    ("Observation?date=ge2013-01-14", "mass pressure"),
    ("Observation?date=sa2013-01-13", "mass"),
    ("Observation?date=eb2013-01-15", "mass"),
    ("Observation?date=sa2013-02-01", ""),
    ("Observation?date=ap2013-01-14", "mass pressure"),
    ("Observation?date=2013-01-14T11:00:00%2B01:00", "mass"),
    ("Patient?birthdate=2013-03-14", "23"),
    ("Patient?birthdate=2013-03", "23 eve"),
    ("Patient?birthdate=2013", "23 eve"),
    ("Procedure?date=ge2010-01-01&date=le2011-12-31", "p"),
    ("Patient?identifier=http://acme.org/patient|2345", "23"),
    ("Patient?gender=male", "23"),
    ("Patient?gender:not=male", "eve f"),
    ("Patient?gender:not=male,female", "eve"),
    ("Patient?gender:missing=true", "eve"),
    ("Composition?section=48765-2", "c"),
    ("Composition?section:not=48765-2", ""),
    ("Composition?section:not=48765-3", "c"),
    ("Patient?active=true", "23"),
    ("Patient?deceased=true", "f"),
    ("Condition?code=http://acme.org/conditions/codes|ha125", "headache"),
    ("Condition?code=ha125", "headache"),
    ("Condition?code=|ha125", ""),
    ("Condition?code=http://acme.org/conditions/codes|", "headache"),
    ("Condition?code:text=headache", "headache"),
    ("Patient?identifier:of-type=http://terminology.hl7.org/CodeSystem/v2-0203|MR|446053", "23"),
    ("Observation?value-quantity=5.4|http://unitsofmeasure.org|mg", "mass"),
    ("Observation?value-quantity=5.40e-3|http://unitsofmeasure.org|g", "mass"),
    ("Observation?value-quantity=5.4||mg", "mass"),
    ("Observation?value-quantity=5.4", "mass"),
    ("Observation?value-quantity=5.40", "mass"),
    ("Observation?value-quantity=5", "mass"),
    ("Observation?value-quantity=5.0", ""),
    ("Observation?value-quantity=le5.4|http://unitsofmeasure.org|mg", "mass"),
    ("Observation?value-quantity=ap5|http://unitsofmeasure.org|mg", "mass"),
    ("Observation?value-quantity=gt5.4", "potassium"),
    ("Observation?subject=Patient/23", "mass"),
    ("Observation?subject=23", "mass"),
    ("Observation?subject:Patient=23", "mass"),
    ("Observation?subject=https://sante.example/fhir/Patient/23", "mass"),
    ("Observation?subject=http://acme.org/fhir/Patient/23", ""),
    ("List?item=Patient/f/_history/2", "42"),
    ("List?item=Patient/f/_history/1", ""),
    ("List?item=Patient/f", "42"),
    ("Procedure?location:below=Location/hospital", "p"),
    ("Procedure?location:above=Location/hospital", ""),
    (f"DiagnosticReport?result.code-value-quantity={LOINC}|2823-3$gt5.4|{UCUM}|mmol/L", "lipids"),
    ("Observation?component-code-value-quantity=http://loinc.org|8480-6$lt60", "pressure"),
    ("Observation?component-code-value-quantity=http://loinc.org|8462-4$lt60", ""),
    ("Group?characteristic-value=gender$mixed", "mixed"),
    ("Questionnaire?context-type-value=focus$http://snomed.info/sct|408934002", "q"),
    ("RiskAssessment?probability=gt0.8", "r"),
    ("RiskAssessment?probability=0.9", "r"),
    ("RiskAssessment?probability=1", "r"),
    ("RiskAssessment?probability=1.0", ""),
    ("ImmunizationRecommendation?_filter=target-disease pr true", ""),
    ("DiagnosticReport?subject.name=peter", "lipids"),
    ("DiagnosticReport?subject:Patient.name=peter", "lipids"),
    ("Patient?general-practitioner:Practitioner.name=Joe&general-practitioner:Practitioner.address-state=MN", "23"),
    ("Patient?language=FR,NL", ""),
    ("Patient?language=fr,nl", "23"),
    ("Patient?language=fr&language=nl", ""),
    ("MedicationRequest?medication.ingredient-code=abc", "23"),
    ("Medication?ingredient-code=abc", ""),
    ("Medication?ingredient-code=abc&_contained=true", "23"),
    ("Location?near=42.256500|-83.694810|11.20|km", "ward"),
    ("Location?near=42.256500|-83.694810|100|km", "ward hospital"),
    ("?_type=Patient,Group&_id=23,102", "23 102"),
    ("?_id=102", "102"),
    ("Patient?_filter=given eq Eve and birthdate ge 2013", "eve"),
    ("Patient?_filter=not (gender eq male) and (name co eve or active eq true)", "eve f"),
    ("Observation?_filter=subject:Patient.name co peter", "mass"),
    ("Observation?_filter=code eq http://loinc.org|1234-5 or value-quantity gt 5.5", "potassium mass"),
]  # fmt: skip


@pytest.mark.spec("search.html")
@pytest.mark.parametrize(("url", "expected"), EXAMPLES)
def test_the_examples_of_the_specification(finds: Finds, url: str, expected: str) -> None:
    assert finds(url, *WORLD) == expected.split()


@pytest.mark.spec("search.html#errors")
@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("Patient?nmae=x", "Did you mean name"),
        ("Patient?name:exat=x", "has no modifier 'exat'; it has missing, contains, exact"),
        ("Patient?birthdate=xx2013", r"write \[eq\|ne\|gt"),
        ("Patient?birthdate=2013-13", "is not understood"),
        ("Patient?gender:missing=maybe", "gender:missing is true or false"),
        ("Observation?value-quantity=five", "write"),
        ("RiskAssessment?probability=~5", "as in ge5.40"),
        ("Observation?subject:Patinet=23", "it has"),
        ("Patient?subject.name=x", "has no search parameter 'subject'"),
        ("Patient?general-practitioner.nmae=x", "has no search parameter 'nmae'"),
        ("Patient?name.family=x", "is no reference: it cannot be followed"),
        ("Patient?_has:Observation:patient=x", "write _has:Type:reference parameter:parameter"),
        ("Patient?_query=all", "no named queries"),
        ("Patient?_list=$current-problems", "functional list"),
        ("Location?near=paris", "write latitude"),
        ("Patient?_filter=name xx peter", "expected an operator"),
        ("Patient?_sort=nmae", "Did you mean name"),
        ("Patient?_include=Patient:nmae", "has no search parameter 'nmae'"),
        ("Patient?_summary=all", "none of true, text, data, count, false"),
        ("Patient?_total=exact", "none of none, estimate, accurate"),
        ("Condition?code:below=126851005", "for a hierarchy is that of a system"),
        ("Condition?code:in=http://acme.org/fhir/ValueSet/cardiac-conditions", "is not known here"),
        ("Group?characteristic-value=gender", "one value for each component"),
    ],
)
def test_what_is_wrong_is_told_with_what_would_be_right(finds: Finds, url: str, told: str) -> None:
    with pytest.raises(BadRequest, match=told):
        finds(url, *WORLD)


def included(*parts: str, **flags: bool) -> IncludeClause:
    return IncludeClause(*parts, **flags)


@pytest.mark.spec("search.html#return")
@pytest.mark.parametrize(
    ("resource_type", "pairs", "field", "expected"),
    [
        (
            "MedicationRequest",
            [("_include", "MedicationRequest:patient")],
            "includes",
            (included("MedicationRequest", "patient"),),
        ),
        (
            "MedicationRequest",
            [("_revinclude", "Provenance:target")],
            "includes",
            (included("Provenance", "target", is_reverse=True),),
        ),
        (
            "MedicationDispense",
            [
                ("_include", "MedicationDispense:prescription"),
                ("_include:iterate", "MedicationRequest:requester:Practitioner"),
            ],
            "includes",
            (
                included("MedicationDispense", "prescription"),
                included("MedicationRequest", "requester", "Practitioner", is_iterated=True),
            ),
        ),
        (
            "Observation",
            [("_sort", "status,-date,category")],
            "sort",
            (SortKey("status"), SortKey("date", True), SortKey("category")),
        ),
        ("Patient", [("_elements", "identifier,active,link")], "elements", ("identifier", "active", "link")),
        ("Patient", [("_count", "0")], "count", 0),
        ("Patient", [("_summary", "count")], "summary", "count"),
        ("Patient", [("_total", "estimate")], "total", "estimate"),
        ("Medication", [("_contained", "both"), ("_containedType", "contained")], "contained_type", "contained"),
    ],
)
def test_the_result_parameters_of_the_specification(
    resource_type: str, pairs: list[tuple[str, str]], field: str, expected: Any
) -> None:
    assert getattr(parse(resource_type, pairs, Parameters()), field) == expected


@pytest.mark.spec("search.html#lenient")
def test_leniently_what_is_unknown_is_left_out_and_told() -> None:
    query = parse("Patient", [("nmae", "x"), ("name", "x")], Parameters(), is_lenient=True)
    assert ([clause.parameter for clause in query.clauses], query.ignored) == (["name"], ("nmae",))
    with pytest.raises(FhirError):
        parse("Patient", [("name:exat", "x")], Parameters(), is_lenient=True)
