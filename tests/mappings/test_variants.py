"""What documents of other authors write: unknown models, several values, denials, roles without a name, odd times."""

from typing import Any

import pytest

import mappings
from mappings import CdaRefused
from tests.mappings import samples

MODEL = "1.2.250.1.213.1.1.3."


def converted(entries: str) -> mappings.Conversion:
    return mappings.convert(samples.document(samples.section("mots", entries)))


def observation(template_id: str | None, inner: str, more: str = "") -> str:
    template = f'<templateId root="{template_id}"/>' if template_id else ""
    return (
        f'<entry><observation classCode="OBS" moodCode="EVN"{more}>{template}'
        '<code code="8302-2" codeSystem="2.16.840.1.113883.6.1"/><statusCode code="completed"/>'
        f"{inner}</observation></entry>"
    )


def only(conversion: mappings.Conversion, resource_type: str) -> dict[str, Any]:
    (found,) = samples.resources(conversion, resource_type)
    assert isinstance(found, dict)
    return found


VALUE = '<value xsi:type="PQ" value="1.80" unit="m"/>'


@pytest.mark.parametrize("template_id", ["2.999.4", f"{MODEL}9999", None])
def test_an_observation_of_an_unknown_model_is_plain_and_counted(template_id: str | None) -> None:
    conversion = converted(observation(template_id, VALUE) * 2)
    found = samples.resources(conversion, "Observation")
    assert [(item["valueQuantity"]["code"], "category" in item) for item in found] == [("m", False)] * 2
    (issue,) = [issue for issue in conversion.issues if "no rule of its own" in issue.diagnostics]
    assert (issue.template_id, issue.count, issue.code) == (template_id, 2, "not-supported")
    assert issue.location is not None


def test_a_group_of_an_unknown_model_has_its_members() -> None:
    member = observation(f"{MODEL}48", VALUE).replace("entry>", "component>")
    group = f'<organizer classCode="CLUSTER" moodCode="EVN"><templateId root="2.999.5"/>{member}</organizer>'
    conversion = converted(f"<entry>{group}</entry>")
    panels = [item for item in samples.resources(conversion, "Observation") if "hasMember" in item]
    assert len(panels) == 1
    assert len(panels[0]["hasMember"]) == 1


def test_an_act_of_an_unknown_model_stays_in_the_narrative() -> None:
    act = '<procedure classCode="PROC" moodCode="EVN"><templateId root="2.999.6"/><code code="A"/></procedure>'
    conversion = converted(f"<entry>{act}</entry>")
    assert not samples.resources(conversion, "Procedure")
    assert [issue.template_id for issue in conversion.issues if issue.template_id] == ["2.999.6"]


def test_the_values_after_the_first_are_kept_beside_it() -> None:
    two = (
        '<value xsi:type="CD" code="1" codeSystem="2.999.1"/><value xsi:type="CD" code="2" codeSystem="2.999.1"/>'
        '<value xsi:type="ST">trois</value>'
    )
    found = only(converted(observation(f"{MODEL}48", two)), "Observation")
    assert found["valueCodeableConcept"]["coding"][0]["code"] == "1"
    second, third = found["extension"]
    assert second["url"] == third["url"] == "urn:hl7-org:v3#Observation.value"
    assert second["valueCodeableConcept"]["coding"][0]["code"] == "2"
    assert third["valueString"] == "trois"


@pytest.mark.parametrize("template_id", [f"{MODEL}50", f"{MODEL}80"])
def test_a_measure_that_is_denied_was_not_made(template_id: str) -> None:
    found = only(converted(observation(template_id, "", ' negationInd="true"')), "Observation")
    assert found["status"] == "cancelled"
    assert found["dataAbsentReason"]["coding"][0]["code"] == "not-performed"
    assert not [name for name in found if name.startswith("value")]


def test_every_denied_value_is_denied() -> None:
    codes = "".join(f'<value xsi:type="CD" code="{code}" codeSystem="2.999.1"/>' for code in "ab")
    found = only(converted(observation(f"{MODEL}80", codes, ' negationInd="true"')), "Observation")
    assert found["valueBoolean"] is False
    said = [(part["code"]["coding"][0]["code"], part["valueBoolean"]) for part in found["component"]]
    assert said == [("a", False), ("b", False)]
    assert "extension" not in found


def test_an_aim_that_is_denied_is_cancelled() -> None:
    entry = observation(f"{MODEL}48", "", ' negationInd="true"').replace('"EVN"', '"GOL"')
    assert only(converted(entry), "Goal")["lifecycleStatus"] == "cancelled"


def test_of_an_interval_that_ends_before_it_starts_the_start_is_kept() -> None:
    time = '<effectiveTime><low value="20240301"/><high value="202402"/></effectiveTime>'
    conversion = converted(observation(f"{MODEL}48", time + VALUE))
    assert only(conversion, "Observation")["effectiveDateTime"] == "2024-03-01"
    assert [issue.code for issue in conversion.issues] == ["business-rule"]


def test_a_centre_alone_tells_when() -> None:
    time = '<effectiveTime><center value="20240301"/></effectiveTime>'
    assert only(converted(observation(f"{MODEL}48", time)), "Observation")["effectiveDateTime"] == "2024-03-01"


def test_a_body_without_section_makes_no_empty_array() -> None:
    body = "<component><structuredBody/></component>"
    assert "section" not in only(mappings.convert(samples.document(body)), "Composition")


@pytest.mark.parametrize("words", ["é" * 8, "JVBERi0xLjQ\u200b"])
def test_a_file_that_is_not_base64_is_no_crash(words: str) -> None:
    text = f'<text mediaType="application/pdf" representation="B64">{words}</text>'
    conversion = mappings.convert(samples.document(f"<component><nonXMLBody>{text}</nonXMLBody></component>"))
    assert {issue.code for issue in conversion.issues} >= {"value"}


@pytest.mark.parametrize("markup", ["<br>mot</br>", "<renderMultiMedia>mot<sub>x</sub></renderMultiMedia>"])
def test_words_where_cda_has_none_are_kept(markup: str) -> None:
    conversion = mappings.convert(samples.document(samples.section(markup)))
    assert "mot" in only(conversion, "Composition")["section"][0]["text"]["div"]


def test_an_act_in_one_that_is_another_act_s_file_points_to_the_file() -> None:
    inner = observation("2.999.4", "").replace("entry>", "entryRelationship>")
    act = (
        '<entry><act classCode="ACT" moodCode="EVN"><templateId root="1.2.250.1.213.1.1.3.35"/>'
        '<reference typeCode="REFR">'
        f'<externalDocument><id root="2.999.7"/></externalDocument></reference>{inner}</act></entry>'
    )
    conversion = converted(act)
    (focus,) = only(conversion, "Observation")["focus"]
    assert focus["reference"] in [entry["fullUrl"] for entry in conversion.bundle["entry"]]


def test_a_document_about_two_patients_is_refused() -> None:
    with pytest.raises(CdaRefused) as caught:
        mappings.convert(samples.document(patient=samples.PATIENT * 2))
    assert (caught.value.code, caught.value.location) == ("business-rule", "/ClinicalDocument/recordTarget")


def test_a_profession_without_a_person_is_a_role() -> None:
    performer = (
        '<performer><assignedEntity><id nullFlavor="UNK"/><code code="G15_10" codeSystem="1.2.250.1.213.1.1.4.5"/>'
        '<assignedPerson><name nullFlavor="NASK"/></assignedPerson></assignedEntity></performer>'
    )
    conversion = converted(observation(f"{MODEL}48", performer))
    reference = only(conversion, "Observation")["performer"][0]["reference"]
    role = next(entry["resource"] for entry in conversion.bundle["entry"] if entry["fullUrl"] == reference)
    assert role["resourceType"] == "PractitionerRole"
    assert role["code"][0]["coding"][0]["code"] == "G15_10"
    assert "practitioner" not in role


def test_a_later_mention_completes_the_name_of_a_professional() -> None:
    legal = (
        "<legalAuthenticator><time value='20240301'/><assignedEntity><id root='1.2.250.1.71.4.2.1' "
        "extension='801234567897'/><assignedPerson><name><prefix>DR</prefix><family>DUPONT</family>"
        "<given>Jean</given></name></assignedPerson></assignedEntity></legalAuthenticator>"
    )
    found = only(mappings.convert(samples.document(legal + samples.section("a"))), "Practitioner")
    assert found["name"] == [{"family": "DUPONT", "given": ["Jean"], "prefix": ["DR"]}]


def test_a_participant_that_no_element_takes_is_an_extension() -> None:
    participant = (
        '<participant typeCode="REF"><participantRole><id root="2.999.8" extension="1"/><playingEntity>'
        "<name>Dr Adresseur</name></playingEntity></participantRole></participant>"
    )
    conversion = converted(observation(f"{MODEL}48", participant))
    (extension,) = only(conversion, "Observation")["extension"]
    assert extension["url"] == "urn:hl7-org:v3#Act.participant"
    kind, who = extension["extension"]
    assert kind["valueCodeableConcept"]["coding"][0]["code"] == "REF"
    named = {entry["fullUrl"]: entry["resource"] for entry in conversion.bundle["entry"]}
    assert named[who["valueReference"]["reference"]]["identifier"][0]["value"] == "1"


def test_a_comment_that_stands_alone_is_an_observation() -> None:
    act = (
        f'<entry><act classCode="ACT" moodCode="EVN"><templateId root="{MODEL}32"/><code code="48767-8" '
        'codeSystem="2.16.840.1.113883.6.1"/><text>À revoir</text><statusCode code="completed"/></act></entry>'
    )
    found = only(converted(act), "Observation")
    assert (found["valueString"], found["status"]) == ("À revoir", "final")


def test_an_observation_points_to_the_act_that_it_names() -> None:
    inner = (
        '<entryRelationship typeCode="REFR"><act classCode="ACT" moodCode="EVN">'
        f'<templateId root="{MODEL}36"/><id root="2.999.9"/><code code="R" codeSystem="2.999.1"/></act>'
        "</entryRelationship>"
    )
    conversion = converted(observation(f"{MODEL}48", '<id root="2.999.9"/>') + observation(f"{MODEL}48", inner))
    target, owner = samples.resources(conversion, "Observation")
    (support,) = owner["extension"]
    assert support["valueReference"]["reference"] == f"urn:uuid:{target['id']}"
    assert support["valueReference"]["extension"][0]["valueCodeableConcept"]["coding"][0]["code"] == "R"
