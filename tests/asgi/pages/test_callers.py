"""Who a token says that the caller is: representatives, and apps of the catalogue.

CSP L.1111-13-1, R.1111-50
"""

from typing import Any

import msgspec
import pytest

from fhir_server.access.grant import App
from fhir_server.foundation.operation_outcome import Unprocessable
from fhir_server.smart.authorization import Authorization
from fhir_server.smart.bearer import Bearer
from fhir_server.smart.users import User
from tests.asgi.pages.flow import exchange, fields

pytestmark = [pytest.mark.anyio, pytest.mark.spec("CSP L.1111-13-1")]
MOTHER = User("", "mother", "representative", "RelatedPerson/1", "Anne Durand", represents="7")


async def token_of(browser: Any, scope: str) -> Any:
    page = await browser.get("/oauth/authorize", params=fields(scope))
    return page, await exchange(browser, await browser.submit(page, "/oauth/consent", decision="allow"))


async def test_a_representative_acts_in_one_record(browser: Any, authorization: Authorization) -> None:
    await authorization.users.add(MOTHER, "a good password")
    await browser.sign_in("mother")
    page, token = await token_of(browser, "launch/patient patient/*.rs user/*.rs openid fhirUser")
    assert "la personne que vous représentez" in page.text
    assert token["patient"] == "7"
    assert "user/*.rs" not in token["scope"]
    grant = await Bearer(authorization).grant(f"Bearer {token['access_token']}")
    assert (grant.kind, grant.actor, grant.patient_id) == ("representative", "RelatedPerson/1", "7")


@pytest.mark.parametrize(
    "wrong",
    [
        msgspec.structs.replace(MOTHER, represents=""),
        msgspec.structs.replace(MOTHER, actor="Patient/1"),
        User("", "pat2", "patient", "Patient/1", "Pat", represents="7"),
    ],
)
async def test_who_represents_whom_is_said(authorization: Authorization, wrong: User) -> None:
    with pytest.raises(Unprocessable):
        await authorization.users.add(wrong, "a good password")


@pytest.mark.parametrize(
    ("changes", "app"),
    [
        ({}, None),
        ({"purpose": "care"}, App("Device/app", "care", is_referenced=True)),
        ({"purpose": "care", "actor": "Device/9", "catalogue": ""}, App("Device/9", "care", is_referenced=False)),
    ],
)
async def test_an_app_with_a_purpose_is_bound_by_consents(
    browser: Any, authorization: Authorization, changes: dict[str, Any], app: App | None
) -> None:
    client = await authorization.clients.get("app")
    assert client is not None
    await authorization.clients.register(msgspec.structs.replace(client, **changes), is_replacing=True)
    await browser.sign_in()
    _, token = await token_of(browser, "patient/*.rs")
    assert (await Bearer(authorization).grant(f"Bearer {token['access_token']}")).app == app
