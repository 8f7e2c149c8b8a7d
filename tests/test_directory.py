"""Who is who: what the authorization server is lent."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

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
from fhir_server.smart.outside import Outside

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


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("279035121518989", ["zoe"]),
        ("Durand 1980-01-01", ["max"]),
        ("durand", []),
        ("1980-01-01", []),
        ("Durand 1980-02-31", []),
        ("2790", []),
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
