"""App state: what apps keep here, by https://hl7.org/fhir/smart-app-launch/STU2.2/app-state.html"""

from typing import Any

import httpx
import msgspec
import pytest

from fhir_server.access.audit.entry import decode
from fhir_server.smart.authorization import Authorization
from fhir_server.smart.backend_services import grant_system_token
from fhir_server.smart.clients import Client
from fhir_server.smart.clients.assertion import Proof
from tests.asgi.pages.flow import BACK, exchange, fields

pytestmark = pytest.mark.anyio
BASE = "https://record.example/fhir"
PATIENT, DOCTOR = f"{BASE}/Patient/1", f"{BASE}/Practitioner/1"
CODE = "https://app.example|keys"
BASIC = "/appstate/Basic"


def state(subject: str = PATIENT, **changes: Any) -> dict[str, Any]:
    resource = {
        "resourceType": "Basic",
        "code": {"coding": [{"system": "https://app.example", "code": "keys"}]},
        "extension": [{"url": "https://app.example/keys", "valueString": "s3cr3t \u00e9 \\ 1.0"}],
    }
    return resource | ({"subject": {"reference": subject}} if subject else {}) | changes


class App:
    """An app with a token."""

    def __init__(self, browser: Any, token: str) -> None:
        self._browser = browser
        self.headers = {"Authorization": f"Bearer {token}"}

    async def post(self, resource: Any) -> httpx.Response:
        answer: httpx.Response = await self._browser.post(BASIC, json=resource, headers=self.headers)
        return answer

    async def put(self, resource: dict[str, Any], etag: str | None) -> httpx.Response:
        headers = self.headers | ({} if etag is None else {"If-Match": etag})
        answer: httpx.Response = await self._browser.put(f"{BASIC}/{resource['id']}", json=resource, headers=headers)
        return answer

    async def delete(self, state_id: str, etag: str | None) -> httpx.Response:
        headers = self.headers | ({} if etag is None else {"If-Match": etag})
        answer: httpx.Response = await self._browser.delete(f"{BASIC}/{state_id}", headers=headers)
        return answer

    async def get(self, **parameters: str) -> httpx.Response:
        named = {name.replace("__", ":"): value for name, value in parameters.items()}
        answer: httpx.Response = await self._browser.get(BASIC, params=named, headers=self.headers)
        return answer


async def app_of(browser: Any, scope: str, *person: str) -> App:
    await browser.sign_in(*person)
    page = await browser.get("/oauth/authorize", params=fields(scope))
    token = await exchange(browser, await browser.submit(page, "/oauth/consent", decision="allow"))
    browser.cookies.clear()
    return App(browser, token["access_token"])


@pytest.fixture
async def app(browser: Any, authorization: Authorization) -> App:
    """The app of a patient."""
    client = await authorization.clients.get("app")
    assert client is not None
    client = msgspec.structs.replace(client, scopes=(*client.scopes, "user/*.cruds"))
    await authorization.clients.register(client, is_replacing=True)
    return await app_of(browser, "launch/patient patient/Basic.cuds")


async def doctor(browser: Any, scope: str = "user/Basic.cuds") -> App:
    return await app_of(browser, scope, "doc", "another password")


@pytest.mark.spec("SHALL advertise smart-app-state, at the FHIR server or at an associated endpoint")
async def test_it_is_discovered(browser: Any) -> None:
    found = (await browser.get("/fhir/.well-known/smart-configuration")).json()
    assert found["associated_endpoints"] == [
        {"url": "https://record.example/appstate", "capabilities": ["smart-app-state"]}
    ]


@pytest.mark.spec(
    "SHALL persist the resource with a new id and versionId, its subject, coding and extensions, or reject"
)
@pytest.mark.spec("The response headers include an ETag; SHALL support GET /Basic?code={}&subject={}")
async def test_a_state_is_kept_as_it_was_sent(app: App) -> None:
    made = await app.post(state())
    assert made.status_code == 201, made.text
    assert made.headers["etag"] == 'W/"1"'
    assert made.headers["location"] == f"https://record.example{BASIC}/{made.json()['id']}"
    assert {name: value for name, value in made.json().items() if name not in ("id", "meta")} == state()
    found = (await app.get(code=CODE, subject=PATIENT)).json()
    assert [entry["resource"] for entry in found["entry"]] == [made.json()]
    assert found["entry"][0]["fullUrl"] == made.headers["location"]
    assert (await app.get(code="https://app.example|other", subject=PATIENT)).json()["entry"] == []


@pytest.mark.spec(
    "SHALL require If-Match at PUT and DELETE, and answer 412 when it is missing or not the newest version"
)
@pytest.mark.spec("Basic.subject and Basic.code SHALL NOT change")
async def test_changes_need_the_newest_version(app: App) -> None:
    made = (await app.post(state())).json()
    assert [(await app.put(made, etag)).status_code for etag in (None, 'W/"2"', "*")] == [412, 412, 412]
    other = {"coding": [{"system": "https://app.example", "code": "other"}]}
    assert (await app.put({**made, "code": other}, 'W/"1"')).status_code == 412
    changed = {**made, "extension": [{"url": "https://app.example/keys", "valueString": "new"}]}
    second = await app.put(changed, 'W/"1"')
    assert (second.status_code, second.headers["etag"]) == (200, 'W/"2"')
    assert second.json()["extension"] == changed["extension"]
    assert (await app.put(changed, 'W/"1"')).status_code == 412
    assert [(await app.delete(made["id"], etag)).status_code for etag in (None, 'W/"1"')] == [412, 412]
    assert (await app.delete(made["id"], 'W/"2"')).status_code == 204
    assert (await app.get(code=CODE, subject=PATIENT)).json()["total"] == 0


@pytest.mark.spec("SHALL process requests about the id of a deleted state as a failed precondition")
async def test_a_deleted_state_stays_deleted(app: App) -> None:
    made = (await app.post(state())).json()
    await app.delete(made["id"], 'W/"1"')
    assert (await app.put(made, 'W/"1"')).status_code == 412
    assert (await app.delete(made["id"], 'W/"1"')).status_code == 412


@pytest.mark.spec(
    "Total resource size SHALL NOT exceed 256KB; no id, no versionId, one coding, absolute subject, valueString"
)
@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"id": "x"}, 400),
        ({"meta": {"versionId": "1"}}, 400),
        ({"meta": []}, 422),
        ({"resourceType": "Patient"}, 422),
        ({"code": {"coding": []}}, 422),
        ({"code": {"coding": [{"system": "https://app.example", "code": "a"}] * 2}}, 422),
        ({"code": {"coding": [{"code": "keys"}]}}, 422),
        ({"code": "keys"}, 422),
        ({"code": {"coding": [{"system": "https://[", "code": "keys"}]}}, 403),
        ({"subject": {"reference": "Patient/1"}}, 422),
        ({"subject": {"reference": "https://evil.example/fhir/Patient/1"}}, 422),
        ({"subject": {"reference": f"{BASE}/Device/1"}}, 422),
        ({"extension": [{"url": "u", "valueInteger": 1}]}, 422),
        ({"extension": [{"url": "u", "valueString": "a", "extension": []}]}, 422),
        ({"extension": {}}, 422),
        ({"author": {"reference": "Patient/1"}}, 422),
        ({"extension": [{"url": "u", "valueString": "x" * 262_144}]}, 413),
    ],
)
async def test_what_cannot_be_kept_is_refused_whole(app: App, changes: dict[str, Any], status: int) -> None:
    refused = await app.post(state(**changes))
    assert refused.status_code == status, refused.text
    assert refused.json()["resourceType"] == "OperationOutcome"
    assert (await app.get(code=CODE, subject=PATIENT)).json()["total"] == 0


@pytest.mark.spec("SHALL NOT exceed 256KB: up to that it is kept")
async def test_a_large_state_is_kept(app: App) -> None:
    resource = state()
    resource["extension"] = [{"url": "u", "valueString": "x" * (262_144 - 400)}]
    assert (await app.post(resource)).status_code == 201


@pytest.mark.spec("SHALL enforce access controls: only codes of that app, its patient, its user")
async def test_only_what_is_the_apps_and_the_persons(app: App, browser: Any) -> None:
    made = (await app.post(state())).json()
    foreign = {"coding": [{"system": "https://other.example", "code": "keys"}]}
    assert (await app.post(state(code=foreign))).status_code == 403
    assert (await app.get(code="https://other.example|keys", subject=PATIENT)).status_code == 403
    for subject in (f"{BASE}/Patient/2", DOCTOR, ""):
        assert (await app.post(state(subject))).status_code == 403, subject
    physician = await doctor(browser)
    assert (await physician.get(code=CODE, subject=PATIENT)).status_code == 403
    assert (await physician.put({**made, "subject": {"reference": DOCTOR}}, 'W/"1"')).status_code == 412
    assert (await physician.delete(made["id"], 'W/"1"')).status_code == 403
    assert (await physician.post(state(DOCTOR))).status_code == 201
    assert (await physician.get(code=CODE, subject=DOCTOR)).json()["total"] == 1


@pytest.mark.spec(
    "SHALL support GET /Basic?code={}&subject:missing=true; global state is changed by administrative apps only"
)
async def test_global_configuration(app: App, browser: Any) -> None:
    physician = await doctor(browser)
    assert (await physician.post(state(""))).status_code == 201
    assert (await app.get(code=CODE, subject__missing="true")).json()["total"] == 1
    assert (await app.post(state(""))).status_code == 403


@pytest.mark.spec("SMART scopes narrow the reach: patient/Basic.s?code=system|code")
@pytest.mark.parametrize(
    ("scope", "reads", "writes"),
    [
        ("patient/Basic.cuds", 200, 201),
        ("patient/*.cruds", 200, 201),
        ("patient/Basic.s", 200, 403),
        (f"patient/Basic.cuds?code={CODE}", 200, 201),
        ("patient/Basic.cuds?code=https://app.example|other", 403, 403),
        ("patient/Observation.rs", 403, 403),
    ],
)
@pytest.mark.usefixtures("app")
async def test_scopes(browser: Any, scope: str, reads: int, writes: int) -> None:
    app = await app_of(browser, f"launch/patient {scope}")
    assert (await app.get(code=CODE, subject=PATIENT)).status_code == reads
    assert (await app.post(state())).status_code == writes


@pytest.mark.spec("Every App State request SHALL include an access token issued by the EHR's authorization server")
async def test_a_token_is_required(browser: Any) -> None:
    for headers in ({}, {"Authorization": "Bearer x"}):
        refused = await browser.get(BASIC, params={"code": CODE, "subject": PATIENT}, headers=headers)
        assert refused.status_code == 401
        assert refused.headers["www-authenticate"].startswith("Bearer")


async def test_an_operator_client_reaches_every_state(app: App, browser: Any, authorization: Authorization) -> None:
    await app.post(state())
    client = Client("op", "Bac", "confidential-asymmetric", ("system/*.cruds",), is_operator=True)
    client = msgspec.structs.replace(client, grant_types=("client_credentials",), jwks_uri="https://op.example/jwks")
    await authorization.clients.register(client)
    token = await grant_system_token(authorization, Proof(client), client.scopes, 60)
    operator = App(browser, token["access_token"])
    assert (await operator.get(code=CODE, subject=PATIENT)).json()["total"] == 1


@pytest.mark.parametrize("asked", [{}, {"code": CODE}, {"code": "keys", "subject": PATIENT}, {"subject": PATIENT}])
async def test_a_search_says_code_and_subject(app: App, asked: dict[str, str]) -> None:
    assert (await app.get(**asked)).status_code == 400


@pytest.mark.spec("CORS for registered origins")
async def test_pages_of_the_app_read_it(browser: Any) -> None:
    asked = await browser.options(BASIC, headers={"Origin": BACK.removesuffix("/back")})
    assert asked.headers["access-control-allow-origin"] == "https://app.example"
    assert "If-Match" in asked.headers["access-control-allow-headers"]
    assert "access-control-allow-origin" not in (await browser.options(BASIC, headers={"Origin": "https://x"})).headers


@pytest.mark.spec("security.html#audit")
async def test_what_apps_do_with_states_leaves_a_trace(app: App, browser: Any, authorization: Authorization) -> None:
    made = (await app.post(state())).json()
    await app.get(code=CODE, subject=PATIENT)
    await app.delete(made["id"], 'W/"7"')
    await app.delete(made["id"], 'W/"1"')
    await browser.get(BASIC, params={"code": CODE, "subject": PATIENT})
    traced = await authorization.store.transact(lambda transaction: transaction.journalled(100))
    entries = [entry for entry in map(decode, (content for _, content in traced)) if "Basic" in entry.resource_type]
    told = [(entry.interaction, entry.status, entry.resource_id, entry.client_id) for entry in entries]
    assert told == [
        ("create", 201, made["id"], "app"),
        ("search", 200, "", "app"),
        ("delete", 412, "", "app"),
        ("delete", 204, made["id"], "app"),
        ("search", 401, "", ""),
    ]
    assert {entry.actor for entry in entries[:4]} != {""}
