import copy

import pytest

from fhir_server.foundation.operation_outcome import BadRequest, Unprocessable
from fhir_server.validation.validate import validate

DIV = '<div xmlns="http://www.w3.org/1999/xhtml">'
EXTENDED = {"extension": [{"url": "http://absent", "valueCode": "unknown"}]}

PATIENT = {
    "resourceType": "Patient",
    "id": "p1",
    "meta": {"versionId": "1", "lastUpdated": "2026-01-01T10:00:00Z"},
    "text": {"status": "generated", "div": f"{DIV}Jane</div>"},
    "contained": [{"resourceType": "Organization", "id": "org", "name": "x"}],
    "extension": [{"url": "http://x", "valueString": "a"}],
    "identifier": [{"use": "official", "system": "urn:oid:1.2.3", "value": "123"}],
    "active": True,
    "name": [{"use": "official", "family": "Doe", "given": ["Jane", None], "_given": [{"id": "g"}, EXTENDED]}],
    "telecom": [{"system": "phone", "value": "1", "rank": 1}],
    "gender": "female",
    "birthDate": "1980-02-29",
    "_birthDate": {"extension": [{"url": "http://time", "valueDateTime": "1980-02-29T10:00:00+01:00"}]},
    "contact": [{"period": {"start": "2026", "end": "2026-02"}, "name": {"family": "X"}}],
    "managingOrganization": {"reference": "#org"},
    "photo": [{"contentType": "image/png", "data": "SGVsbG8="}],
}
OBSERVATION = {
    "resourceType": "Observation",
    "status": "final",
    "code": {"coding": [{"system": "http://loinc.org", "code": "29463-7"}]},
    "subject": {"reference": "Patient/p1"},
    "effectiveDateTime": "2026-03-28",
    "valueQuantity": {"value": 185, "unit": "lbs"},
}
CONDITION = {
    "resourceType": "Condition",
    "clinicalStatus": {
        "coding": [{"system": "http://terminology.hl7.org/CodeSystem/condition-clinical", "code": "active"}]
    },
    "subject": {"reference": "Patient/1"},
}
BUNDLE = {
    "resourceType": "Bundle",
    "type": "transaction",
    "entry": [
        {"fullUrl": "urn:uuid:1", "resource": PATIENT, "request": {"method": "POST", "url": "Patient"}},
        {"resource": OBSERVATION, "request": {"method": "POST", "url": "Observation"}},
    ],
}
PARAMETERS = {"resourceType": "Parameters", "parameter": [{"name": "r", "resource": OBSERVATION}]}
BASES = {
    "Patient": PATIENT,
    "Observation": OBSERVATION,
    "Condition": CONDITION,
    "Bundle": BUNDLE,
    "Parameters": PARAMETERS,
}

GONE = object()
MISTAKES = [
    # resource type, where, what is put there, issue code, expression; GONE removes.
    ("Patient", "birthDate", ["1980"], "structure", "Patient.birthDate"),
    ("Patient", "name", {"family": "x"}, "structure", "Patient.name"),
    ("Observation", "code", [{"text": "x"}], "structure", "Observation.code"),
    ("Observation", "status", GONE, "required", "Observation.status"),
    ("Observation", "code", GONE, "required", "Observation.code"),
    ("Bundle", "entry.1.resource.status", GONE, "required", "Bundle.entry[1].resource.status"),
    ("Bundle", "entry.0.request.url", GONE, "required", "Bundle.entry[0].request.url"),
    ("Parameters", "parameter.0.resource.status", "x", "code-invalid", "Parameters.parameter[0].resource.status"),
    ("Patient", "active", "true", "value", "Patient.active"),
    ("Patient", "active", 1, "value", "Patient.active"),
    ("Patient", "name.0.family", 12, "value", "Patient.name[0].family"),
    ("Patient", "name.0.family", {"x": 1}, "value", "Patient.name[0].family"),
    ("Patient", "name.0.given.0", "", "value", "Patient.name[0].given[0]"),
    ("Patient", "name.0.family", "a\x00b", "value", "Patient.name[0].family"),
    ("Patient", "name.0.family", "x" * 1_048_577, "value", "Patient.name[0].family"),
    ("Observation", "valueQuantity.value", "185", "value", "Observation.value.value"),
    ("Observation", "valueQuantity.value", True, "value", "Observation.value.value"),
    ("Observation", "code", "29463-7", "structure", "Observation.code"),
    ("Patient", "telecom.0.rank", 0, "value", "Patient.telecom[0].rank"),
    ("Patient", "telecom.0.rank", 1.5, "value", "Patient.telecom[0].rank"),
    ("Patient", "telecom.0.rank", 2**31, "value", "Patient.telecom[0].rank"),
    ("Patient", "colour", "red", "structure", "Patient.colour"),
    ("Patient", "name.0.surname", "x", "structure", "Patient.name[0].surname"),
    ("Patient", "name.0.resourceType", "HumanName", "structure", "Patient.name[0].resourceType"),
    ("Patient", "gender", "F", "code-invalid", "Patient.gender"),
    ("Patient", "name.0.use", "legal", "code-invalid", "Patient.name[0].use"),
    ("Condition", "clinicalStatus.coding.0.code", "ill", "code-invalid", "Condition.clinicalStatus"),
    ("Patient", "birthDate", "1980-13-01", "value", "Patient.birthDate"),
    ("Patient", "birthDate", "1981-02-29", "value", "Patient.birthDate"),
    ("Patient", "birthDate", "0000", "value", "Patient.birthDate"),
    ("Patient", "birthDate", "1980-02-29\n", "value", "Patient.birthDate"),
    ("Patient", "birthDate", "٢٠٢٦", "value", "Patient.birthDate"),
    ("Observation", "effectiveDateTime", "2026-03-28T10:00:00", "value", "Observation.effective"),
    ("Observation", "effectiveDateTime", "2026-03-28T10:00Z", "value", "Observation.effective"),
    ("Patient", "meta.lastUpdated", "2026-01-01", "value", "Patient.meta.lastUpdated"),
    ("Patient", "managingOrganization.reference", "Patient/1", "structure", "Patient.managingOrganization.reference"),
    ("Patient", "managingOrganization.reference", "#x", "invariant", "Patient.managingOrganization.reference"),
    ("Observation", "subject", "Patient/p1", "structure", "Observation.subject"),
    ("Observation", "subject.reference", "#p", "invariant", "Observation.subject.reference"),
    ("Observation", "valueString", "x", "structure", "Observation.value"),
    ("Observation", "valueAttachment", {"url": "x"}, "structure", "Observation.valueAttachment"),
    ("Observation", "value", "x", "structure", "Observation.value"),
    ("Patient", "contained.0.id", "other", "invariant", "Patient.contained[0]"),
    ("Patient", "contained.0.resourceType", "Org", "structure", "Patient.contained[0]"),
    ("Patient", "contained.0.meta", {"versionId": "1"}, "invariant", "Patient.contained[0]"),
    ("Patient", "contained.0.meta", {"security": [{"code": "R"}]}, "invariant", "Patient.contained[0]"),
    ("Patient", "contained.0.active", 1, "value", "Patient.contained[0].active"),
    ("Patient", "_birthDate", "x", "structure", "Patient.birthDate"),
    ("Patient", "_birthDate", {"extension": [{"valueString": "x"}]}, "required", "Patient.birthDate.extension[0].url"),
    ("Patient", "_name", [{"id": "x"}], "structure", "Patient.name"),
    ("Patient", "_id", {"id": "x"}, "structure", "Patient.id"),
    ("Patient", "name.0._id", {"id": "x"}, "structure", "Patient.name[0].id"),
    ("Patient", "extension.0._url", {"id": "x"}, "structure", "Patient.extension[0].url"),
    ("Patient", "text._div", {"id": "x"}, "structure", "Patient.text.div"),
    ("Patient", "name.0._given", [None, None], "structure", "Patient.name[0].given"),
    ("Patient", "name.0._given", [EXTENDED, EXTENDED, EXTENDED], "structure", "Patient.name[0].given"),
    ("Patient", "name.0._given", GONE, "structure", "Patient.name[0].given[1]"),
    ("Patient", "telecom", [], "structure", "Patient.telecom"),
    ("Patient", "telecom.0", None, "structure", "Patient.telecom[0]"),
    ("Patient", "maritalStatus", {}, "invariant", "Patient.maritalStatus"),
    ("Patient", "maritalStatus", {"id": "x"}, "invariant", "Patient.maritalStatus"),
    ("Patient", "gender", None, "structure", "Patient.gender"),
    ("Patient", "extension.0.extension", [{"url": "y", "valueCode": "b"}], "invariant", "Patient.extension[0]"),
    ("Patient", "extension.0.valueString", GONE, "invariant", "Patient.extension[0]"),
    ("Patient", "contact.0.period.start", "2026-03", "invariant", "Patient.contact[0].period"),
    ("Patient", "id", "a b", "value", "Patient.id"),
    ("Patient", "id", "a" * 65, "value", "Patient.id"),
    ("Patient", "photo.0.data", "%%%", "value", "Patient.photo[0].data"),
    ("Patient", "photo.0.data", "SGVsbG8", "value", "Patient.photo[0].data"),
    ("Observation", "valueQuantity.code", " kg", "value", "Observation.value.code"),
    ("Patient", "identifier.0.system", "a b", "value", "Patient.identifier[0].system"),
    ("Patient", "text.div", f"{DIV}<script>1</script></div>", "invariant", "Patient.text.div"),
]


def changed(resource_type, where, value):
    resource = copy.deepcopy(BASES[resource_type])
    node = resource
    *steps, last = (int(step) if step.isdigit() else step for step in where.split("."))
    for step in steps:
        node = node[step]
    if value is GONE:
        del node[last]
    else:
        node[last] = value
    return resource


@pytest.mark.parametrize("resource", BASES.values(), ids=BASES)
def test_right_resources_pass(resource):
    validate(resource, expected_type=resource["resourceType"])


@pytest.mark.spec("validation.html")
@pytest.mark.parametrize(("resource_type", "where", "value", "code", "expression"), MISTAKES)
def test_a_mistake_is_told_with_its_place(resource_type, where, value, code, expression):
    with pytest.raises(Unprocessable) as refusal:
        validate(changed(resource_type, where, value))
    assert (code, (expression,)) in {(issue.code, issue.expression) for issue in refusal.value.issues}


def test_all_mistakes_are_told_at_once_up_to_a_hundred():
    resource = {"resourceType": "Patient", "gender": "x", "birthDate": "y", "name": [{"colour": 1}]}
    with pytest.raises(Unprocessable) as refusal:
        validate(resource)
    assert len(refusal.value.issues) == 3
    with pytest.raises(Unprocessable) as refusal:
        validate({"resourceType": "Patient", "telecom": [1] * 500})
    assert len(refusal.value.issues) == 101
    assert refusal.value.issues[-1].diagnostics == "400 more problems are not listed."


@pytest.mark.parametrize(
    ("where", "value", "sentence"),
    [
        ("name.0.famly", "x", "did you mean 'family'?"),
        ("value", "x", "add the type to its name"),
        ("valueAttachment", {}, "the types of value[x] are"),
        ("status", "done", "final"),
    ],
)
def test_a_sentence_says_how_to_mend(where, value, sentence):
    resource_type = "Patient" if where.startswith("name") else "Observation"
    with pytest.raises(Unprocessable) as refusal:
        validate(changed(resource_type, where, value))
    assert sentence in " ".join(issue.diagnostics for issue in refusal.value.issues)


@pytest.mark.spec("http.html#create")
@pytest.mark.parametrize(
    ("resource", "sentence"),
    [
        ({}, "There is no resourceType"),
        ({"resourceType": "Pacient"}, "did you mean 'Patient'"),
        ({"resourceType": 1}, "a number"),
        ({"resourceType": []}, "an array"),
        ({"resourceType": "DomainResource"}, "no resource type"),
        ({"resourceType": "Observation"}, "The address says Patient"),
    ],
)
def test_what_is_no_resource_of_the_address_is_a_bad_request(resource, sentence):
    with pytest.raises(BadRequest, match=sentence):
        validate(resource, expected_type="Patient")


@pytest.mark.spec("json.html#primitive")
def test_a_version_id_may_have_extensions():
    validate({"resourceType": "Patient", "meta": {"versionId": "1", "_versionId": {"id": "v"}}})


@pytest.mark.spec("references.html#contained")
def test_contained_resources_may_refer_to_each_other_and_to_the_container():
    validate(
        {
            "resourceType": "Condition",
            "contained": [
                {"resourceType": "Practitioner", "id": "a"},
                {"resourceType": "Observation", "id": "b", "status": "final", "code": {"text": "x"}}
                | {"performer": [{"reference": "#a"}], "focus": [{"reference": "#"}]},
            ],
            "clinicalStatus": CONDITION["clinicalStatus"],
            "subject": {"reference": "Patient/1"},
        }
    )


@pytest.mark.spec("references.html#contained")
def test_a_canonical_may_name_a_contained_resource():
    item = {"linkId": "1", "type": "choice", "answerValueSet": "#vs"}
    contained = [{"resourceType": "ValueSet", "id": "vs", "status": "draft"}]
    validate({"resourceType": "Questionnaire", "status": "draft", "contained": contained, "item": [item]})


@pytest.mark.spec("domainresource.html#invariants")
def test_a_contained_resource_contains_none():
    inner = {"resourceType": "Patient", "id": "p", "contained": [{"resourceType": "Basic", "id": "b"}]}
    resource = OBSERVATION | {"contained": [inner], "subject": {"reference": "#p"}}
    with pytest.raises(Unprocessable, match="not valid") as refusal:
        validate(resource)
    assert any("dom-2" in issue.diagnostics for issue in refusal.value.issues)


@pytest.mark.spec("references.html#literal")
@pytest.mark.parametrize(
    "reference",
    [
        "Patient/1",
        "Patient/1/_history/2",
        "http://other/fhir/Patient/1",
        "http://other/fhir/Patient/1/_history/2",
        "urn:uuid:9d1ec1ae-0000-4000-8000-000000000000",
        "Patient?identifier=urn:x|Practitioner/1",
        "http://other/thing",
        "Group/1",
    ],
)
def test_references_that_may_be_right_pass(reference):
    validate(OBSERVATION | {"subject": {"reference": reference}})


@pytest.mark.parametrize(
    "reference", ["Practitioner/1", "http://x/fhir/Practitioner/1/_history/2", "Practitioner?identifier=a/b"]
)
def test_references_to_another_type_are_refused(reference):
    with pytest.raises(Unprocessable):
        validate(OBSERVATION | {"subject": {"reference": reference}})


@pytest.mark.parametrize("node", [None, [], {"a": {"b": []}}, "x", 1, True, {"resourceType": {}}])
@pytest.mark.parametrize(
    "where", ["meta", "contained", "text", "extension", "name", "_birthDate", "managingOrganization"]
)
def test_any_shape_is_refused_without_a_crash(where, node):
    with pytest.raises(Unprocessable):
        validate({"resourceType": "Patient", where: node})
    with pytest.raises(Unprocessable):
        validate({"resourceType": "Patient", where: [node]})
