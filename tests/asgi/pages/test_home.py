"""The first page."""

from typing import Any

import pytest

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(("language", "said"), [("fr", "Chaque patient décide"), ("en", "Patients decide who")])
async def test_the_first_page_says_what_this_is_in_the_readers_language(browser: Any, language: str, said: str) -> None:
    answer = await browser.get("/", headers={"Accept-Language": language})
    assert answer.status_code == 200
    assert said in answer.text
    assert "/fhir/metadata" in answer.text
