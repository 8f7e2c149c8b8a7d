"""Includes that follow canonical URLs. Spec: search.html#include, references.html#canonical."""

from typing import Any

import pytest

from fhir_server.access.grant import Grant
from fhir_server.access.scopes import parse_scopes
from fhir_server.foundation.operation_outcome import BadRequest, Forbidden
from tests.interactions.conftest import Ask, parsed

pytestmark = [pytest.mark.anyio, pytest.mark.spec("search.html#include")]

FORM = "http://example.org/Questionnaire/form"


def questionnaire(version: str = "", url: str = FORM, **more: Any) -> dict[str, Any]:
    named = {"url": url, "status": "active", **({"version": version} if version else {})}
    return {"resourceType": "Questionnaire", **named, **more}


def answers(canonical: str) -> dict[str, Any]:
    return {"resourceType": "QuestionnaireResponse", "status": "completed", "questionnaire": canonical}


STORED = {
    "one": questionnaire("1.0"),
    "two": questionnaire("2.0"),
    "any": answers(FORM),
    "first": answers(f"{FORM}|1.0"),
    "second": answers(f"{FORM}|2.0"),
    "literal": answers("Questionnaire/one"),
    "elsewhere": answers("http://example.org/Questionnaire/unknown"),
    "phone": {"resourceType": "Device", "url": FORM, "version": [{"value": "1"}]},
}


@pytest.fixture(autouse=True)
async def _filled(ask: Ask) -> None:
    for resource_id, resource in STORED.items():
        await ask("update", resource["resourceType"], resource_id, {**resource, "id": resource_id})


async def included(ask: Ask, resource_type: str, *parameters: tuple[str, str], **fields: Any) -> list[str]:
    bundle = parsed(await ask("search", resource_type, parameters=parameters, **fields))
    return sorted(entry["resource"]["id"] for entry in bundle["entry"] if entry["search"]["mode"] == "include")


@pytest.mark.parametrize(
    ("resource_id", "found"),
    [("any", ["one", "two"]), ("first", ["one"]), ("second", ["two"]), ("literal", ["one"]), ("elsewhere", [])],
)
@pytest.mark.parametrize(
    "include", ["QuestionnaireResponse:questionnaire", "QuestionnaireResponse:questionnaire:Questionnaire", "*"]
)
async def test_a_canonical_is_included_by_url_and_version(
    ask: Ask, resource_id: str, found: list[str], include: str
) -> None:
    asked = (("_id", resource_id), ("_include", include))
    assert await included(ask, "QuestionnaireResponse", *asked) == found


async def test_what_names_a_definition_is_included_in_reverse(ask: Ask) -> None:
    asked = (("_id", "one"), ("_revinclude", "QuestionnaireResponse:questionnaire"))
    assert await included(ask, "Questionnaire", *asked) == ["any", "first", "literal"]


async def test_iterated_includes_lead_from_definition_to_definition(ask: Ask) -> None:
    for name, depends in (("a", "b|1"), ("b", "c"), ("c", "")):
        artifact = [{"type": "depends-on", "resource": f"http://example.org/Library/{depends}"}]
        library: dict[str, Any] = {"resourceType": "Library", "id": name, "status": "active", "type": {"text": "logic"}}
        library |= {"url": f"http://example.org/Library/{name}", "version": "1"}
        await ask("update", "Library", name, {**library, **({"relatedArtifact": artifact} if depends else {})})
    first = ("_id", "a")
    assert await included(ask, "Library", first, ("_include", "Library:depends-on")) == ["b"]
    assert await included(ask, "Library", first, ("_include:iterate", "Library:depends-on:Library")) == ["b", "c"]


async def test_what_may_not_be_searched_is_not_included(ask: Ask) -> None:
    grant = Grant("system", "Device/1", "app", parse_scopes("system/QuestionnaireResponse.crs"))
    await ask("create", "QuestionnaireResponse", body=answers(FORM), grant=grant)
    asked = ("_include", "QuestionnaireResponse:questionnaire")
    assert await included(ask, "QuestionnaireResponse", asked, grant=grant) == []
    named = ("_include", "QuestionnaireResponse:questionnaire:Questionnaire")
    with pytest.raises(Forbidden):
        await included(ask, "QuestionnaireResponse", named, grant=grant)


async def test_a_chain_says_that_it_does_not_follow_canonicals(ask: Ask) -> None:
    with pytest.raises(BadRequest, match="chains do not"):
        await ask("search", "QuestionnaireResponse", parameters=(("questionnaire.name", "x"),))
