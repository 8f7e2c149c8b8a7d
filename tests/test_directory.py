"""Who is who: what the authorization server is lent."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from fhir_server.access.grant import OPEN, Grant
from fhir_server.access.scopes import parse_scopes
from fhir_server.commands.local import opened
from fhir_server.directory import outside_of
from fhir_server.foundation import fhir_json
from fhir_server.foundation.operation_outcome import Forbidden
from fhir_server.interactions.dispatch import dispatch
from fhir_server.interactions.request import Request, Runtime
from fhir_server.settings import Settings
from fhir_server.smart.launch.emergencies import Emergency
from fhir_server.smart.outside import Kept, Outside
from fhir_server.smart.providers.directory_entry import RPPS, entry_of

pytestmark = pytest.mark.anyio
DOCTOR = Grant("professional", "Practitioner/1", "app", parse_scopes("user/*.rs"), profession="10")
EMERGENCY = replace(DOCTOR, purpose_of_use="bris_de_glace", reason="Patient inconscient aux urgences")
NIR = "urn:oid:1.2.250.1.213.1.4.10"
RESOURCES = (
    {
        "resourceType": "Patient",
        "id": "zoe",
        "identifier": [{"system": NIR, "value": "279035121518989"}],
        "name": [{"family": "Durand", "given": ["Zoé"]}],
        "birthDate": "1979-03-28",
    },
    {
        "resourceType": "Patient",
        "id": "max",
        "name": [{"family": "Durand", "given": ["Max"]}],
        "birthDate": "1980-01-01",
    },
    {
        "resourceType": "Practitioner",
        "id": "1",
        "identifier": [{"system": "urn:oid:1.2.250.1.71.4.2.1", "value": "899700000018"}],
    },
    {
        "resourceType": "CareTeam",
        "id": "team",
        "status": "active",
        "subject": {"reference": "Patient/zoe"},
        "participant": [{"member": {"reference": "Practitioner/1"}}],
    },
)


@pytest.fixture
async def outside(tmp_path: Path) -> AsyncIterator[Outside]:
    async with opened(Settings(data=str(tmp_path))) as runtime:
        await fill(runtime)
        yield outside_of(runtime)


async def fill(runtime: Runtime) -> None:
    for resource in RESOURCES:
        place = {"resource_type": resource["resourceType"], "resource_id": resource["id"]}
        await dispatch(Request("update", OPEN, resource=resource, **place), runtime)


async def test_a_professional_picks_among_the_patients_he_may_see(outside: Outside) -> None:
    assert outside.patients_of is not None
    assert await outside.patients_of(DOCTOR, "durand") == [("zoe", "Zoé Durand 1979-03-28")]
    assert await outside.patients_of(DOCTOR, "max") == []
    assert await outside.patients_of(DOCTOR, '"') == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("279035121518989", ["zoe"]),
        ("Durand 1980-01-01", ["max"]),
        ("durand", []),
        ("1980-01-01", []),
        ("Durand 1980-02-31", []),
        ("2790", []),
        ('1980-01-01 "', []),
    ],
)
async def test_in_an_emergency_only_who_is_named_exactly_is_found(
    outside: Outside, text: str, found: list[str]
) -> None:
    assert outside.patients_of is not None
    assert [one for one, _ in await outside.patients_of(EMERGENCY, text)] == found


async def test_a_national_number_names_a_practitioner_or_nobody(outside: Outside) -> None:
    assert outside.practitioner_of is not None
    assert await outside.practitioner_of("899700000018") == "Practitioner/1"
    assert await outside.practitioner_of("899700000099") == ""
    assert await outside.practitioner_of("8|9") == ""


async def test_an_emergency_is_told_in_the_record_to_the_patient_and_his_doctor(tmp_path: Path) -> None:
    async with opened(Settings(data=str(tmp_path))) as runtime:
        await fill(runtime)
        named = {**RESOURCES[0], "generalPractitioner": [{"reference": "Practitioner/1"}]}
        await dispatch(Request("update", OPEN, "Patient", "zoe", content=fhir_json.format(named)), runtime)
        tell = outside_of(runtime).tell_emergency
        assert tell is not None
        at = datetime(2026, 6, 1, 12, tzinfo=UTC)
        reason = "Patiente inconsciente aux urgences"
        told = ("f", at, "u", "Practitioner/9", "Dr Neuf", "zoe", "app", "bris_de_glace", reason)
        await tell(Emergency(*told))
        zoe = Grant("patient", "Patient/zoe", "app", parse_scopes("patient/*.cruds"), patient_id="zoe")
        for reader in (zoe, DOCTOR):
            answer = await dispatch(Request("search", reader, "Communication"), runtime)
            (entry,) = msgspec.json.decode(answer.content)["entry"]
            assert entry["resource"]["reasonCode"][0]["text"] == reason
            assert [one["reference"] for one in entry["resource"]["recipient"]] == ["Patient/zoe", "Practitioner/1"]
            assert "bris de glace" in entry["resource"]["payload"][0]["contentString"]
        with pytest.raises(Forbidden, match="see"):
            await dispatch(Request("delete", zoe, "Communication", entry["resource"]["id"]), runtime)


CLAIMS: dict[str, Any] = {
    "iss": "https://psc.example/realm",
    "SubjectNameID": "899700000018",
    "given_name": "Claire",
    "family_name": "MARTIN",
    "SubjectOrganization": "CABINET M. MARTIN",
    "SubjectRefPro": {
        "exercices": [
            {
                "codeProfession": "10",
                "codeSavoirFaire": "SM54",
                "activities": [
                    {"numeroFinessSite": "990000001", "raisonSocialeSite": "Clinique des Lilas"},
                    {"numeroSiretSite": "12345678900011"},
                    {"identifiantTechniqueDeLaStructure": None},
                ],
            }
        ]
    },
}


async def keep(runtime: Runtime, **changes: Any) -> Kept:
    entry, keep_professional = entry_of({**CLAIMS, **changes}), outside_of(runtime).keep_professional
    assert entry is not None
    assert keep_professional is not None
    return await keep_professional(entry)


async def read(runtime: Runtime, reference: str) -> dict[str, Any]:
    resource_type, _, resource_id = reference.partition("/")
    answer = await dispatch(Request("read", OPEN, resource_type, resource_id), runtime)
    content: dict[str, Any] = msgspec.json.decode(answer.content)
    return content


@pytest.mark.spec("Pro Santé Connect: UserInfo mapped to Practitioner, PractitionerRole, Organization")
async def test_the_directory_follows_what_is_told_of_a_professional(tmp_path: Path) -> None:
    async with opened(Settings(data=str(tmp_path))) as runtime:
        own = {**RESOURCES[2], "identifier": [{"system": RPPS, "value": "99700000018"}], "birthDate": "1970-01-01"}
        await dispatch(Request("update", OPEN, "Practitioner", "1", resource=own), runtime)
        kept = await keep(runtime)
        assert (kept.actor, len(kept.places), len(kept.roles)) == ("Practitioner/1", 2, 3)
        practitioner = await read(runtime, kept.actor)
        assert [one["value"] for one in practitioner["identifier"]] == ["99700000018", "899700000018"]
        assert (practitioner["birthDate"], practitioner["name"][0]["family"]) == ("1970-01-01", "MARTIN")
        assert practitioner["qualification"][0]["code"]["coding"][0]["code"] == "10"
        clinic = await read(runtime, kept.places[0])
        assert (clinic["name"], clinic["identifier"][0]["value"]) == ("Clinique des Lilas", "990000001")
        role = await read(runtime, kept.roles[0])
        assert (role["practitioner"], role["organization"]) == (
            {"reference": "Practitioner/1"},
            {"reference": kept.places[0]},
        )
        assert [role[name][0]["coding"][0]["code"] for name in ("code", "specialty")] == ["10", "SM54"]
        assert await keep(runtime) == kept
        assert (await read(runtime, kept.actor))["meta"]["versionId"] == "2"
        moved = {"exercices": [{"codeProfession": "10", "activities": [{"numeroFinessSite": "990000002"}]}]}
        later = await keep(runtime, SubjectRefPro=moved, family_name="DUPONT")
        assert later.actor == kept.actor
        assert not set(later.roles) & set(kept.roles)
        assert [(await read(runtime, one))["active"] for one in (*kept.roles, *later.roles)] == [False] * 3 + [True]
        assert [one["family"] for one in (await read(runtime, kept.actor))["name"]] == ["MARTIN", "DUPONT"]
        assert (await keep(runtime)).roles == kept.roles
        assert (await read(runtime, kept.roles[0]))["active"] is True


async def test_two_who_hold_one_national_number_are_nobody(tmp_path: Path) -> None:
    async with opened(Settings(data=str(tmp_path))) as runtime:
        await fill(runtime)
        await dispatch(Request("create", OPEN, "Practitioner", resource={**RESOURCES[2]}), runtime)
        assert (await keep(runtime)).actor == ""
        assert [entry_of({**CLAIMS, "SubjectNameID": number}) for number in ("", "3990000001/7", "8|9")] == [None] * 3
