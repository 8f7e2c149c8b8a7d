"""What lies inside an act: tied to its owner, never said of the patient when it is denied or of another."""

import pytest

import mappings
from tests.mappings import samples

MODEL = "1.2.250.1.213.1.1.3."
DONE = '<statusCode code="completed"/>'


def converted(entries: str) -> mappings.Conversion:
    return mappings.convert(samples.document(samples.section("mots", f"<entry>{entries}</entry>")))


def act(name: str, model: str, inner: str, attributes: str = 'moodCode="EVN"') -> str:
    return f'<{name} {attributes}><templateId root="{MODEL}{model}"/>{inner}</{name}>'


def observation(code: str = "a", value: str = "", attributes: str = 'moodCode="EVN"', model: str = "48") -> str:
    return act("observation", model, f'<code code="{code}"/>{DONE}{value}', attributes)


def inside(kind: str, inner: str, attributes: str = "") -> str:
    return f'<entryRelationship typeCode="{kind}"{attributes}>{inner}</entryRelationship>'


CODE = '<value xsi:type="CD" code="x"/>'


@pytest.mark.parametrize(
    ("kind", "member"), [("COMP", "hasMember"), ("SUBJ", "hasMember"), ("SPRT", "derivedFrom"), ("CAUS", "extension")]
)
def test_an_observation_in_an_observation(kind: str, member: str) -> None:
    outer, inner = act("observation", "48", f'<code code="out"/>{DONE}{inside(kind, observation())}'), "a"
    found = samples.resources(converted(outer), "Observation")
    owner = next(one for one in found if one["code"]["coding"][0]["code"] == "out")
    part = next(one for one in found if one["code"]["coding"][0]["code"] == inner)
    reference = owner[member][0]
    assert reference.get("valueReference", reference) == {"reference": f"urn:uuid:{part['id']}"}


@pytest.mark.parametrize(
    ("name", "model", "resource_type", "member"),
    [
        ("procedure", "62", "Procedure", "partOf"),
        ("encounter", "58", "Encounter", "encounter"),
        ("observation", "54", "Consent", "focus"),
    ],
)
def test_an_observation_names_the_owner_that_cannot_name_it(
    name: str, model: str, resource_type: str, member: str
) -> None:
    conversion = converted(act(name, model, f'<code code="c"/>{DONE}{inside("COMP", observation())}'))
    owner = samples.resources(conversion, resource_type)[0]
    value = samples.resources(conversion, "Observation")[0][member]
    assert {"reference": f"urn:uuid:{owner['id']}"} in (value if isinstance(value, list) else [value])


def test_a_denied_relation_denies_what_it_holds() -> None:
    outer = f'<code code="out"/>{DONE}{inside("SPRT", observation(value=CODE), """ negationInd="true" """.rstrip())}'
    found = samples.resources(converted(act("observation", "48", outer)), "Observation")
    inner = next(one for one in found if one["code"]["coding"][0]["code"] == "a")
    assert inner["valueBoolean"] is False
    assert inner["component"] == [{"code": {"coding": [{"code": "x"}]}, "valueBoolean": False}]
    assert "valueCodeableConcept" not in inner


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ('<value xsi:type="BL" value="true"/>', {"valueBoolean": False}),
        ("", {"valueBoolean": False}),
        ('<value xsi:type="INT" value="2"/>', {"valueBoolean": False, "component": 2}),
    ],
)
def test_a_denied_observation_says_false(value: str, expected: dict[str, object]) -> None:
    denied = observation(value=value, attributes='moodCode="EVN" negationInd="true"')
    found = samples.resources(converted(denied), "Observation")[0]
    assert found["valueBoolean"] is expected["valueBoolean"]
    component = found.get("component", [{}])[0]
    assert component.get("valueInteger") == expected.get("component")


def test_a_reaction_that_is_denied_is_no_reaction() -> None:
    problem = observation(value=CODE, attributes='moodCode="EVN" negationInd="true"', model="37")
    allergy = act("observation", "41", f'<code code="ALG"/>{DONE}{CODE}{inside("MFST", problem)}')
    conversion = converted(allergy)
    assert "reaction" not in samples.resources(conversion, "AllergyIntolerance")[0]
    refuted = samples.resources(conversion, "Condition")[0]["verificationStatus"]
    assert refuted["coding"][0]["code"] == "refuted"


@pytest.mark.parametrize(
    ("time", "status"),
    [
        ('<low value="2023"/>', "active"),
        ('<low value="2023"/><high nullFlavor="UNK"/>', "active"),
        ('<low value="2023"/><high value="20240101"/>', "completed"),
        ('<low value="2023"/><high value="20250101"/>', "active"),
        ("", "unknown"),
    ],
)
def test_the_period_tells_whether_a_treatment_goes_on(time: str, status: str) -> None:
    inner = f'{DONE}<effectiveTime xsi:type="IVL_TS">{time}</effectiveTime>'
    found = samples.resources(converted(act("substanceAdministration", "42", inner)), "MedicationStatement")[0]
    assert found["status"] == status


@pytest.mark.parametrize(
    ("mood", "resource_type"),
    [("EVN", "Observation"), ("INT", "ServiceRequest"), ("RQO", "ServiceRequest"), ("GOL", "Goal")],
)
def test_the_mood_decides_what_an_observation_is(mood: str, resource_type: str) -> None:
    for model in ("27", "48"):
        conversion = converted(observation(attributes=f'moodCode="{mood}"', model=model))
        assert samples.resources(conversion, resource_type)


def test_a_treatment_of_a_relative_is_not_the_patient_s() -> None:
    subject = '<subject><relatedSubject classCode="PRS"><code code="MTH"/></relatedSubject></subject>'
    for name, model in (("substanceAdministration", "42"), ("procedure", "62"), ("encounter", "58"), ("supply", "20")):
        conversion = converted(act(name, model, DONE + subject))
        types = {entry["resource"]["resourceType"] for entry in conversion.bundle["entry"]}
        assert not types & {"MedicationStatement", "Procedure", "Encounter", "DeviceUseStatement", "Device"}
        assert [issue for issue in conversion.issues if issue.code == "business-rule"]


def test_a_reference_to_an_act_that_comes_later_is_found() -> None:
    number = '<id root="2.999.5" extension="p"/>'
    reference = inside("RSON", act("act", "36", f'{number}<code code="x"/>'))
    procedure = act("procedure", "62", f'<code code="c"/>{DONE}{reference}')
    problem = act("observation", "37", f'{number}<code code="y"/>{DONE}{CODE}')
    found = converted(f"{procedure}</entry><entry>{problem}")
    condition = samples.resources(found, "Condition")[0]
    converted_procedure = samples.resources(found, "Procedure")[0]
    assert converted_procedure["reasonReference"] == [{"reference": f"urn:uuid:{condition['id']}"}]
    assert converted_procedure["reasonCode"] == [{"coding": [{"code": "x"}]}]


def test_a_reference_to_nothing_is_reported() -> None:
    reference = inside("RSON", act("act", "36", '<id root="2.999.5"/><code code="x"/>'))
    conversion = converted(act("procedure", "62", f'<code code="c"/>{DONE}{reference}'))
    assert [issue for issue in conversion.issues if "names no act" in issue.diagnostics]


def test_a_device_that_is_named_by_its_number_is_the_device_described_elsewhere() -> None:
    role = '<participant typeCode="DEV"><participantRole><id root="2.999.6" extension="sn"/>{}</participantRole>'
    role += "</participant>"
    described = role.format('<playingDevice><code code="k"/></playingDevice>')
    supply = act("supply", "20", DONE + described)
    procedure = act("procedure", "62", f'<code code="c"/>{DONE}{role.format("")}')
    for order in (f"{procedure}</entry><entry>{supply}", f"{supply}</entry><entry>{procedure}"):
        conversion = converted(order)
        devices = samples.resources(conversion, "Device")
        assert len(devices) == 1
        assert devices[0]["type"] == {"coding": [{"code": "k"}]}
        manipulated = samples.resources(conversion, "Procedure")[0]["focalDevice"][0]["manipulated"]
        assert manipulated == {"reference": f"urn:uuid:{devices[0]['id']}"}


def test_parents_count_only_without_a_ci_sis_model() -> None:
    parent = '<templateId root="1.3.6.1.4.1.19376.1.5.3.1.4.19"/>'
    bare = f'<procedure moodCode="EVN">{parent}<code code="c"/>{DONE}</procedure>'
    assert samples.resources(converted(bare), "Procedure")
    other = bare.replace(parent, f'{parent}<templateId root="{MODEL}999"/>')
    conversion = converted(other)
    assert not samples.resources(conversion, "Procedure")
    assert [issue for issue in conversion.issues if issue.template_id == f"{MODEL}999"]


def test_a_line_of_a_treatment_plan_is_an_activity_of_a_care_plan() -> None:
    line = act("substanceAdministration", "83", DONE, 'moodCode="INT"')
    plan = '<substanceAdministration moodCode="INT"><templateId root="1.3.6.1.4.1.19376.1.9.1.3.10"/>'
    plan += f'<id root="2.999.7"/>{inside("COMP", line)}</substanceAdministration>'
    conversion = converted(plan)
    asked = samples.resources(conversion, "MedicationRequest")[0]
    found = samples.resources(conversion, "CarePlan")[0]
    assert found["activity"] == [{"reference": {"reference": f"urn:uuid:{asked['id']}"}}]
    assert (found["status"], found["intent"]) == ("unknown", "plan")
