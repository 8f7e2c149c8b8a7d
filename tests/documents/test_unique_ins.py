"""One Patient an INS, where the settings ask for it."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from fhir_server.access.grant import OPEN
from fhir_server.commands.local import opened
from fhir_server.foundation.operation_outcome import Duplicate
from fhir_server.interactions.dispatch import dispatch
from fhir_server.interactions.request import Request, Response, Runtime
from fhir_server.settings import Settings

pytestmark = [pytest.mark.anyio, pytest.mark.spec("http.html#create")]
INS = {"system": "urn:oid:1.2.250.1.213.1.4.10", "value": "279035121518989"}
OTHER = {"system": "urn:oid:1.2.250.1.213.1.4.10", "value": "277076322082910"}
LOCAL = {"system": "urn:oid:1.2.250.1.999", "value": "7"}


@pytest.fixture
async def runtime(tmp_path: Path) -> AsyncIterator[Runtime]:
    async with opened(Settings(data=str(tmp_path), unique_ins=True)) as runtime:
        yield runtime


def patient(*identifiers: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"resourceType": "Patient", "identifier": list(identifiers), **more}


async def sent(runtime: Runtime, interaction: str, resource: dict[str, Any], resource_id: str = "") -> Response:
    content = msgspec.json.encode(resource)
    kind = "" if interaction == "transaction" else "Patient"
    return await dispatch(Request(interaction, OPEN, kind, resource_id, content=content), runtime)


async def created(runtime: Runtime, *identifiers: dict[str, Any], **more: Any) -> str:
    response = await sent(runtime, "create", patient(*identifiers, **more))
    assert response.version is not None
    return response.version.resource_id


async def test_a_second_patient_with_an_ins_is_refused_however_he_comes(runtime: Runtime) -> None:
    first = await created(runtime, INS, LOCAL)
    second = await created(runtime, OTHER, LOCAL)
    with pytest.raises(Duplicate, match="If-None-Exist"):
        await sent(runtime, "create", patient(INS))
    with pytest.raises(Duplicate):
        await sent(runtime, "update", patient(OTHER, INS, id=second), second)
    entry = {"resource": patient(INS), "request": {"method": "POST", "url": "Patient"}}
    with pytest.raises(Duplicate) as refused:
        await sent(runtime, "transaction", {"resourceType": "Bundle", "type": "transaction", "entry": [entry]})
    assert "Bundle.entry[0]" in refused.value.issues[0].diagnostics
    again = await sent(runtime, "update", patient(INS, id=first, gender="female"), first)
    assert again.status == 200


async def test_two_entries_of_one_transaction_do_not_share_an_ins(runtime: Runtime) -> None:
    entry = {"resource": patient(INS), "request": {"method": "POST", "url": "Patient"}}
    with pytest.raises(Duplicate):
        await sent(runtime, "transaction", {"resourceType": "Bundle", "type": "transaction", "entry": [entry, entry]})
    await created(runtime, INS)


async def test_a_patient_who_was_replaced_or_deleted_keeps_nobody_out(runtime: Runtime) -> None:
    link = [{"other": {"reference": "Patient/1"}, "type": "replaced-by"}]
    await created(runtime, INS, link=link)
    current = await created(runtime, INS)
    await created(runtime, INS, link=link)
    with pytest.raises(Duplicate):
        await created(runtime, INS)
    await dispatch(Request("delete", OPEN, "Patient", current), runtime)
    await created(runtime, INS)


async def test_by_default_duplicates_are_the_senders_to_avoid(tmp_path: Path) -> None:
    async with opened(Settings(data=str(tmp_path / "other"))) as plain:
        assert await created(plain, INS) != await created(plain, INS)
