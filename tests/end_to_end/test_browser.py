"""The pages in a real browser: SMART's own JavaScript client, no JavaScript at all, and axe's eye on every page."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By

from tests.end_to_end.chromium import AXE, Person, app_site, chromium, driver_path
from tests.end_to_end.conftest import Demo
from tests.npm import unpacked

pytestmark = pytest.mark.spec("https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html")
CHALLENGE = {"code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", "code_challenge_method": "S256"}
BACK = "http://127.0.0.1:9/callback"


@pytest.fixture(scope="module", autouse=True)
def has_browser() -> None:
    driver_path()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with app_site(tmp_path_factory.mktemp("site")) as origin:
        yield origin


@pytest.fixture(scope="module")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    return unpacked(AXE, "axe.min.js", tmp_path_factory.mktemp("axe"))


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    with chromium(tmp_path_factory.mktemp("profile")) as driver:
        yield driver


@pytest.fixture
def person(driver: webdriver.Chrome, demo: Demo) -> Person:
    driver.get(f"{demo.origin}/")
    driver.delete_all_cookies()
    return Person(driver)


def host(demo: Demo) -> dict[str, Any]:
    found: dict[str, Any] = next(one for one in demo.guide["software"] if one["is_launch_host"])
    return found


def told(person: Person) -> Any:
    person.wait_for("done", "failed")
    assert person.driver.title == "done", person.driver.title
    return json.loads(person.driver.find_element(By.ID, "told").text)


def test_fhirclient_launches_standalone_for_a_patient(demo: Demo, site: str, person: Person) -> None:
    scope = "openid fhirUser launch/patient offline_access patient/*.rs"
    person.driver.get(f"{site}/launch?{urlencode({'iss': demo.base, 'scope': scope})}")
    person.wait_for("Se connecter")
    person.sign_in("dominique", demo.password("dominique"))
    person.wait_for("Autoriser")
    assert "Carnet" in person.text
    person.press("Autoriser")
    found = told(person)
    assert (found["patient"]["id"], found["user"]["id"]) == ("dominique", "dominique")
    assert (found["is_refreshed"], found["again"]) == (True, "CapabilityStatement")
    assert [one["id"] for one in found["allergies"]] == ["dominique-penicilline"]


def test_fhirclient_is_launched_from_a_host_for_a_doctor(demo: Demo, site: str, person: Person) -> None:
    context = {"user": "dr.martin", "patient": "dominique", "encounter": "dominique-suivi", "app": "carnet"}
    proof = (host(demo)["client_id"], host(demo)["secret"])
    launch = httpx.post(demo.guide["launch"], data=context, auth=proof).json()
    scope = "launch openid fhirUser online_access patient/*.rs"
    query = {"iss": launch["iss"], "launch": launch["launch"], "scope": scope}
    person.driver.get(f"{site}/launch?{urlencode(query)}")
    person.wait_for("Se connecter")
    person.sign_in("dr.martin", demo.password("dr.martin"))
    person.wait_for("Autoriser")
    person.press("Autoriser")
    found = told(person)
    assert (found["patient"]["id"], found["encounter"]) == ("dominique", "dominique-suivi")
    assert (found["user"]["id"], found["token"]["need_patient_banner"]) == ("dr-martin", True)
    assert found["is_refreshed"] is True


def test_every_page_works_without_scripts(demo: Demo, tmp_path: Path) -> None:
    with chromium(tmp_path, has_scripts=False) as driver:
        person = Person(driver)
        driver.get("data:text/html,<title>off</title><script>document.title='on'</script>")
        assert driver.title == "off"
        driver.get(authorize(demo, "openid fhirUser launch/patient launch/encounter patient/*.rs"))
        person.sign_in("dr.martin", "wrong")
        assert "incorrect" in person.text
        person.sign_in("dr.martin", demo.password("dr.martin"))
        person.type("find", "DOMINIQUE")
        person.press("Rechercher")
        person.press("DOMINIQUE")
        person.press("2026-11-02")
        person.press("Autoriser")
        back = driver.current_url
        assert back.startswith(BACK), driver.title
        assert set(parse_qs(urlsplit(back).query)) == {"code", "state", "iss"}
        driver.get(f"{demo.origin}/account")
        person.press("Se déconnecter")
        person.wait_for("Se connecter")


def authorize(demo: Demo, scope: str, **more: str) -> str:
    query = {"response_type": "code", "client_id": "carnet", "redirect_uri": BACK, "scope": scope, "state": "s"}
    return f"{demo.origin}/oauth/authorize?{urlencode({**query, 'aud': demo.base, **CHALLENGE, **more})}"


def violations(driver: webdriver.Chrome, axe: str) -> list[str]:
    """What axe finds wrong with the page that is shown: WCAG 2.2 AA and best practices."""
    driver.execute_script(axe)
    found = driver.execute_async_script("const done = arguments[0]; axe.run().then(done)")
    return [f"{one['id']}: {node['html'][:120]}" for one in found["violations"] for node in one["nodes"]]


@pytest.mark.spec("https://www.w3.org/TR/WCAG22/")
def test_axe_finds_nothing_wrong(demo: Demo, person: Person, axe: str) -> None:
    driver = person.driver
    seen: dict[str, list[str]] = {}

    def look(name: str, address: str = "") -> None:
        if address:
            driver.get(address)
        seen[name] = violations(driver, axe)

    look("home", f"{demo.origin}/?lang=en")
    look("sign-in", f"{demo.origin}/sign-in")
    person.type("login", "nobody")
    person.type("password", "wrong-password")
    driver.find_element(By.CSS_SELECTOR, "main button").click()
    look("sign-in refused")
    driver.get(f"{demo.origin}/sign-in")
    person.type("login", "dr.roux")
    person.type("password", demo.password("dr.roux"))
    driver.find_element(By.CSS_SELECTOR, "main button").click()
    look("account", f"{demo.origin}/account")
    look("apps", f"{demo.origin}/account/apps")
    look("second factor", f"{demo.origin}/account/second-factor")
    look("picker", authorize(demo, "launch/patient patient/*.rs"))
    look("emergency", authorize(demo, "launch/patient patient/*.rs", purpose_of_use="centre_15"))
    look("consent", authorize(demo, "openid fhirUser user/*.rs offline_access"))
    look("secret consent", authorize(demo, "user/*.rs", secret_connection="true"))
    look("error", f"{demo.origin}/oauth/authorize?client_id=nobody")
    assert {name: found for name, found in seen.items() if found} == {}
    assert len(seen) == 11


@pytest.mark.spec("https://www.w3.org/TR/WCAG22/")
@pytest.mark.parametrize("login", ["dominique", "dr.martin"])
def test_axe_finds_nothing_wrong_with_the_page_of_a_record(demo: Demo, person: Person, axe: str, login: str) -> None:
    person.driver.get(f"{demo.origin}/sign-in")
    person.sign_in(login, demo.password(login))
    person.driver.get(f"{demo.origin}/account/access")
    assert violations(person.driver, axe) == []
    if login == "dominique":
        person.driver.get(f"{demo.origin}/account/access/block?who=Practitioner/dr-martin")
        assert violations(person.driver, axe) == []
    person.driver.get(f"{demo.origin}/account")
    person.press("Se déconnecter")
    assert violations(person.driver, axe) == []


@pytest.mark.spec("https://www.w3.org/TR/WCAG22/")
def test_axe_finds_nothing_wrong_with_the_operators_page(demo: Demo, person: Person, axe: str) -> None:
    person.driver.get(f"{demo.origin}/sign-in")
    person.sign_in("alix", demo.password("alix"))
    person.driver.get(f"{demo.origin}/account/approvals")
    assert person.driver.title == "Applications en attente"
    assert violations(person.driver, axe) == []
