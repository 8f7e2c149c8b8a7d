"""Passkeys in a real browser with a virtual authenticator: added, used in place of a password, removed."""

from collections.abc import Iterator

import pytest
from selenium import webdriver
from selenium.webdriver.common.virtual_authenticator import Protocol, Transport, VirtualAuthenticatorOptions

from tests.end_to_end.chromium import AXE, Person, chromium, driver_path
from tests.end_to_end.conftest import Demo, demonstration
from tests.end_to_end.test_browser import violations
from tests.npm import unpacked

pytestmark = pytest.mark.spec("https://www.w3.org/TR/webauthn-3/#sctn-usecase-authentication")


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """A demo at an address with a name, as passkeys need."""
    driver_path()
    with demonstration(tmp_path_factory.mktemp("passkeys"), "--host", "localhost") as running:
        yield running


@pytest.fixture
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    """A browser on a device that verifies its owner."""
    with chromium(tmp_path_factory.mktemp("profile")) as driver:
        options = VirtualAuthenticatorOptions(
            protocol=Protocol.CTAP2,
            transport=Transport.INTERNAL,
            has_resident_key=True,
            has_user_verification=True,
            is_user_verified=True,
        )
        driver.add_virtual_authenticator(options)
        yield driver


def test_a_passkey_signs_in_without_a_password(
    demo: Demo, driver: webdriver.Chrome, tmp_path_factory: pytest.TempPathFactory
) -> None:
    person = Person(driver)
    assert demo.origin.startswith("http://localhost:")
    driver.get(f"{demo.origin}/sign-in?next=/account/passkeys")
    person.sign_in("ruth", demo.password("ruth"))
    person.wait_for("Clés d’accès")
    person.press("Ajouter")
    driver.get(f"{demo.origin}/account/passkeys")
    assert "Clé ajoutée le" in person.text
    axe = unpacked(AXE, "axe.min.js", tmp_path_factory.mktemp("axe"))
    assert violations(driver, axe) == []
    driver.delete_all_cookies()
    driver.get(f"{demo.origin}/sign-in/passkey?next=/account/passkeys")
    assert violations(driver, axe) == []
    person.press("Utiliser ma clé")
    person.wait_for("Clés d’accès")
    driver.get(f"{demo.origin}/account")
    assert "Ruth NESSI" in person.text
    driver.get(f"{demo.origin}/account/passkeys")
    person.press("Supprimer")
    assert "Clé ajoutée le" not in person.text
    driver.delete_all_cookies()
    driver.get(f"{demo.origin}/sign-in/passkey")
    person.press("Utiliser ma clé")
    person.wait_for("Se connecter avec une clé")
    assert "pas été reconnue" in person.text
