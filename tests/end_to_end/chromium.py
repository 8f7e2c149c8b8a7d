"""A real browser, and packages of npm that run in it; whoever lacks them is told loudly that tests are skipped.

Debian: `apt-get install chromium chromium-driver npm`, which `.ci/run` does.
"""

import functools
import http.server
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.common.exceptions import TimeoutException, WebDriverException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.expected_conditions import staleness_of
from selenium.webdriver.support.ui import WebDriverWait

from tests.npm import unpacked

WEB = Path(__file__).with_name("web")
FHIRCLIENT, AXE = "fhirclient@2.6.3", "axe-core@4.14.1"
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
)
PAGE_SECONDS = 90
WAITING_SECONDS = 30
"""For an element to appear, or a page to give way to another."""


def driver_path() -> str:
    """The driver of Chromium; skips when there is none on this machine."""
    path = shutil.which("chromedriver")
    if path is None or shutil.which("chromium") is None:
        pytest.skip("NO BROWSER: install chromium and chromium-driver to run the tests of the pages in one")
    return path


@contextmanager
def chromium(profile: Path, *, has_scripts: bool = True) -> Iterator[webdriver.Chrome]:
    """A browser with a profile of its own."""
    options = webdriver.ChromeOptions()
    for flag in (*FLAGS, f"--user-data-dir={profile}", "--lang=fr"):
        options.add_argument(flag)
    preferences: dict[str, Any] = {"intl.accept_languages": "fr"}
    if not has_scripts:
        preferences["profile.managed_default_content_settings.javascript"] = 2
    options.add_experimental_option("prefs", preferences)
    options.binary_location = shutil.which("chromium") or ""
    driver = webdriver.Chrome(options, Service(driver_path()))
    try:
        driver.set_page_load_timeout(PAGE_SECONDS)
        driver.implicitly_wait(WAITING_SECONDS)
        yield driver
    finally:
        driver.quit()


@contextmanager
def app_site(folder: Path) -> Iterator[str]:
    """A web site with the app, on a port of its own; its origin."""
    for page in ("launch", "callback"):
        shutil.copy(WEB / f"{page}.html", folder / page)
    (folder / "fhir-client.js").write_text(unpacked(FHIRCLIENT, "build/fhir-client.js", folder), encoding="utf-8")

    class Site(http.server.SimpleHTTPRequestHandler):
        extensions_map = {".js": "text/javascript", "": "text/html"}  # noqa: RUF012 - as the library declares it

        def log_message(self, *arguments: object) -> None:
            """Log nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Site, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


class Person:
    """Somebody in front of the browser."""

    def __init__(self, driver: webdriver.Chrome) -> None:
        self.driver = driver

    def sign_in(self, login: str, password: str) -> None:
        self.type("login", login)
        self.type("password", password)
        self.press("Se connecter")

    def type(self, name: str, text: str) -> None:
        field = self.driver.find_element(By.NAME, name)
        field.clear()
        field.send_keys(text)

    def press(self, words: str) -> None:
        self.leave(self.driver.find_element(By.XPATH, f"//button[contains(normalize-space(), '{words}')]"))

    def leave(self, button: WebElement) -> None:
        """Click, and wait until the page is another one; a button that only starts a script may keep it."""
        page = self.driver.find_element(By.TAG_NAME, "html")
        button.click()
        # Chromium's driver may fail in other ways than by staleness while one page gives way to another.
        waiting = WebDriverWait(self.driver, WAITING_SECONDS, ignored_exceptions=[WebDriverException])
        with suppress(TimeoutException):
            waiting.until(staleness_of(page))

    def wait_for(self, *titles: str) -> None:
        WebDriverWait(self.driver, PAGE_SECONDS).until(lambda driver: driver.title.startswith(titles))

    @property
    def text(self) -> str:
        return self.driver.find_element(By.TAG_NAME, "main").text
