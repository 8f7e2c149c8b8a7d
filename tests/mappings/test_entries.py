"""Entries: by template, about the patient only, and never lost in silence."""

from uuid import uuid5

import mappings
from mappings.context import NAMESPACE
from tests.mappings import samples


def converted(entries: str) -> mappings.Conversion:
    return mappings.convert(samples.document(samples.section("mots", entries)))


PROBLEM = (
    '<observation classCode="OBS" moodCode="EVN"{more}><templateId root="1.2.250.1.213.1.1.3.37"/><id root="2.999.7"/>'
    '<code code="55607006" codeSystem="2.16.840.1.113883.6.96"/><statusCode code="completed"/>'
    "{subject}<effectiveTime>{time}</effectiveTime>"
    '<value xsi:type="CD" code="E11" codeSystem="2.16.840.1.113883.6.3"/>{inner}</observation>'
)


def problem(more: str = "", time: str = "", inner: str = "", subject: str = "") -> str:
    return f"<entry>{PROBLEM.format(more=more, time=time, inner=inner, subject=subject)}</entry>"


def status(code: str) -> str:
    return (
        '<entryRelationship typeCode="REFR"><observation><templateId root="1.2.250.1.213.1.1.3.30"/>'
        f'<value xsi:type="CE" code="{code}"/></observation></entryRelationship>'
    )


def test_a_negated_problem_is_refuted() -> None:
    condition = samples.resources(converted(problem(' negationInd="true"')), "Condition")[0]
    assert condition["verificationStatus"]["coding"][0]["code"] == "refuted"


def test_an_end_makes_a_problem_resolved() -> None:
    condition = samples.resources(converted(problem(time='<low value="2020"/><high value="2021"/>')), "Condition")[0]
    assert condition["clinicalStatus"]["coding"][0]["code"] == "resolved"
    assert (condition["onsetDateTime"], condition["abatementDateTime"]) == ("2020", "2021")


def test_an_end_never_contradicts_the_status_con_4() -> None:
    conversion = converted(problem(time='<high value="2021"/>', inner=status("active")))
    condition = samples.resources(conversion, "Condition")[0]
    assert condition["clinicalStatus"]["coding"][0]["code"] == "active"
    assert "abatementDateTime" not in condition
    assert any(issue.code == "business-rule" for issue in conversion.issues)


def test_a_problem_of_a_relative_is_not_one_of_the_patient() -> None:
    subject = '<subject><relatedSubject classCode="PRS"><code code="FTH"/></relatedSubject></subject>'
    conversion = converted(problem(subject=subject))
    assert not samples.resources(conversion, "Condition")
    assert {issue.code for issue in conversion.issues} >= {"business-rule", "not-supported"}


def test_a_vital_sign_of_a_child_has_the_child_as_focus() -> None:
    conversion = converted(
        '<entry><observation moodCode="EVN"><templateId root="1.2.250.1.213.1.1.3.50"/><code code="8302-2"/>'
        '<statusCode code="completed"/><value xsi:type="PQ" value="50.0" unit="cm"/><subject><relatedSubject>'
        '<code code="CHILD"/><subject><birthTime value="20240101"/></subject></relatedSubject></subject>'
        "</observation></entry>"
    )
    observation, child = (samples.resources(conversion, name)[0] for name in ("Observation", "RelatedPerson"))
    assert observation["focus"] == [{"reference": f"urn:uuid:{child['id']}"}]
    assert child["birthDate"] == "2024-01-01"


def test_an_unknown_template_is_counted() -> None:
    entry = (
        '<entry><procedure classCode="PROC" moodCode="EVN"><templateId root="1.2.250.1.213.1.1.3.201"/>'
        "<entryRelationship><act><templateId root='2.999.8'/></act></entryRelationship></procedure></entry>"
    )
    conversion = converted(entry * 3)
    counted = {issue.template_id: issue for issue in conversion.issues if issue.template_id}
    assert counted["1.2.250.1.213.1.1.3.201"].count == 3
    assert counted["2.999.8"].count == 3
    location = counted["1.2.250.1.213.1.1.3.201"].location
    assert location == "/ClinicalDocument/component/structuredBody/component/section/entry[1]/procedure"


def test_an_element_that_a_converter_leaves_is_counted() -> None:
    conversion = converted(problem(inner='<priorityCode code="R"/>'))
    assert [issue.diagnostics for issue in conversion.issues if "priorityCode" in issue.diagnostics]


def test_a_planned_vaccination_is_not_one_that_was_done() -> None:
    template = '<templateId root="1.2.250.1.213.1.1.3.45"/>'
    planned = f'<entry><substanceAdministration moodCode="INT">{template}</substanceAdministration></entry>'
    conversion = converted(planned)
    assert not samples.resources(conversion, "Immunization")
    assert [issue for issue in conversion.issues if issue.template_id == "1.2.250.1.213.1.1.3.45"]


def test_ihe_parent_templates_are_known_too() -> None:
    entry = problem().replace("1.2.250.1.213.1.1.3.37", "1.3.6.1.4.1.19376.1.5.3.1.4.5")
    assert len(samples.resources(converted(entry), "Condition")) == 1


def test_the_same_professional_is_one_practitioner() -> None:
    legal = (
        '<legalAuthenticator><time value="20240301"/><signatureCode code="S"/><assignedEntity>'
        '<id root="1.2.250.1.71.4.2.1" extension="801234567897"/><telecom value="tel:01"/>'
        "<assignedPerson><name><family>DUPONT</family><given>Jean</given></name></assignedPerson>"
        "</assignedEntity></legalAuthenticator>"
    )
    conversion = mappings.convert(samples.document(legal + samples.section("a")))
    practitioners = samples.resources(conversion, "Practitioner")
    assert len(practitioners) == 1
    assert practitioners[0]["telecom"] == [{"system": "phone", "value": "01"}]
    numbers = [(number["system"], number["value"]) for number in practitioners[0]["identifier"]]
    assert numbers == [("urn:oid:1.2.250.1.71.4.2.1", "801234567897"), ("https://rpps.esante.gouv.fr", "01234567897")]
    assert len(practitioners[0]["name"]) == 1


def test_an_author_who_is_the_patient_is_the_patient() -> None:
    author = (
        '<author><time value="20240301"/><assignedAuthor><id root="1.2.250.1.213.1.4.10" extension="279035121518989"/>'
        "</assignedAuthor></author>"
    )
    conversion = mappings.convert(samples.document(author))
    references = [who["reference"] for who in samples.resources(conversion, "Composition")[0]["author"]]
    assert conversion.document.patient_full_url in references


def test_a_model_that_borrows_the_allergy_s_shape_is_no_allergy() -> None:
    entry = (
        '<entry><observation moodCode="EVN"><templateId root="1.3.6.1.4.1.19376.1.5.3.1.4.6"/>{model}'
        '<value xsi:type="CD" code="x"/></observation></entry>'
    )
    assert samples.resources(converted(entry.format(model="")), "AllergyIntolerance")
    effect = entry.format(model='<templateId root="1.2.250.1.213.1.1.3.210"/>')
    assert not samples.resources(converted(effect), "AllergyIntolerance")


def test_full_urls_are_name_based_uuids() -> None:
    conversion = converted(problem())
    seed = uuid5(NAMESPACE, conversion.document.document_id)
    assert conversion.document.patient_full_url == f"urn:uuid:{uuid5(seed, 'Patient|patient')}"
