"""Spec: http.html#patch."""

from base64 import b64encode
from typing import Any

import pytest

from fhir_server.access.grant import Grant, Scope
from fhir_server.foundation import fhir_json
from fhir_server.foundation.operation_outcome import (
    BadRequest,
    Conflict,
    FhirError,
    Forbidden,
    Gone,
    MultipleMatches,
    NotFound,
    Unprocessable,
    UnsupportedMediaType,
    VersionConflict,
)
from fhir_server.foundation.operation_outcome import PreconditionFailed as Failed
from tests.interactions.conftest import Ask, observation, parsed, patient

pytestmark = pytest.mark.anyio

JSON_PATCH = "application/json-patch+json"
CRITERIA = (("identifier", "urn:s|1"),)
NAMED = patient(id="p", identifier=[{"system": "urn:s", "value": "1"}], birthDate="1970-01-01")
TO_MALE = {"op": "add", "path": "/gender", "value": "male"}
PARAMETERS = {
    "resourceType": "Parameters",
    "parameter": [
        {
            "name": "operation",
            "part": [
                {"name": "type", "valueCode": "replace"},
                {"name": "path", "valueString": "Patient.birthDate"},
                {"name": "value", "valueDate": "1980-01-01"},
            ],
        }
    ],
}


def json_patch(*operations: dict[str, Any]) -> dict[str, Any]:
    text = b",".join(fhir_json.format(operation) for operation in operations)
    return {"content": b"[%b]" % text, "media_type": JSON_PATCH}


def binary(*operations: dict[str, Any]) -> dict[str, Any]:
    content: bytes = json_patch(*operations)["content"]
    return {"resourceType": "Binary", "contentType": JSON_PATCH, "data": b64encode(content).decode()}


@pytest.fixture
async def known(ask: Ask) -> None:
    await ask("update", "Patient", "p", body=NAMED)


@pytest.mark.usefixtures("known")
async def test_patch_makes_the_next_version(ask: Ask) -> None:
    response = await ask("patch", "Patient", "p", **json_patch(TO_MALE))
    assert (response.status, response.version_id, response.location) == (200, 2, "Patient/p/_history/2")
    assert parsed(response)["gender"] == "male"
    await ask("patch", "Patient", "p", body=PARAMETERS, media_type="application/fhir+json")
    xml = b'<diff><remove sel="/Patient/gender"/></diff>'
    await ask("patch", "Patient", "p", content=xml, media_type="application/xml-patch+xml")
    stored = parsed(await ask("read", "Patient", "p"))
    assert (stored["birthDate"], "gender" in stored, stored["meta"]["versionId"]) == ("1980-01-01", False, "4")


async def test_patch_keeps_every_digit(ask: Ask) -> None:
    await ask("update", "Observation", "o", body=observation("Patient/p", id="o"))
    body = b'[{"op":"add","path":"/valueQuantity","value":{"value":1.500}}]'
    await ask("patch", "Observation", "o", content=body, media_type=JSON_PATCH)
    assert b'"value":1.500' in (await ask("read", "Observation", "o")).content


@pytest.mark.usefixtures("known")
@pytest.mark.parametrize(
    ("operation", "refusal"),
    [
        ({"op": "replace", "path": "/id", "value": "q"}, Unprocessable),
        ({"op": "replace", "path": "/resourceType", "value": "Group"}, Unprocessable),
        ({"op": "replace", "path": "", "value": []}, Unprocessable),
        ({"op": "add", "path": "/gender", "value": "x"}, Unprocessable),
        ({"op": "add", "path": "/meta/lastUpdated", "value": 1}, Unprocessable),
        ({"op": "test", "path": "/birthDate", "value": "x"}, Unprocessable),
        ({"op": "remove", "path": "/gender"}, Conflict),
        ({"op": "add", "path": "gender", "value": "male"}, BadRequest),
    ],
)
async def test_patch_refusals(ask: Ask, operation: dict[str, Any], refusal: type[FhirError]) -> None:
    with pytest.raises(refusal):
        await ask("patch", "Patient", "p", **json_patch(operation))
    assert (await ask("read", "Patient", "p")).version_id == 1


@pytest.mark.usefixtures("known")
async def test_patch_of_the_servers_own_meta_changes_nothing(ask: Ask) -> None:
    response = await ask(
        "patch",
        "Patient",
        "p",
        **json_patch(
            {"op": "replace", "path": "/meta/versionId", "value": "9"},
            {"op": "add", "path": "/meta/tag", "value": [{"code": "kept"}]},
        ),
    )
    meta = parsed(response)["meta"]
    assert (meta["versionId"], meta["tag"]) == ("2", [{"code": "kept"}])


@pytest.mark.usefixtures("known")
async def test_patch_if_match(ask: Ask) -> None:
    with pytest.raises(VersionConflict):
        await ask("patch", "Patient", "p", if_match='W/"2"', **json_patch(TO_MALE))
    assert (await ask("patch", "Patient", "p", if_match='W/"1"', **json_patch(TO_MALE))).version_id == 2


@pytest.mark.usefixtures("known")
async def test_patch_of_what_is_not_there(ask: Ask) -> None:
    with pytest.raises(NotFound):
        await ask("patch", "Patient", "nobody", **json_patch(TO_MALE))
    await ask("delete", "Patient", "p")
    with pytest.raises(Gone):
        await ask("patch", "Patient", "p", **json_patch(TO_MALE))


@pytest.mark.usefixtures("known")
async def test_patch_by_criteria(ask: Ask) -> None:
    assert (await ask("patch", "Patient", parameters=CRITERIA, **json_patch(TO_MALE))).version_id == 2
    with pytest.raises(NotFound):
        await ask("patch", "Patient", parameters=(("identifier", "urn:s|2"),), **json_patch(TO_MALE))
    with pytest.raises(Failed):
        await ask("patch", "Patient", **json_patch(TO_MALE))
    await ask("create", "Patient", body=NAMED)
    with pytest.raises(MultipleMatches):
        await ask("patch", "Patient", parameters=CRITERIA, **json_patch(TO_MALE))


@pytest.mark.usefixtures("known")
async def test_patch_reaches_no_further_than_the_grant(ask: Ask) -> None:
    def laboratory(letters: str) -> Grant:
        return Grant("system", "Device/laboratory", "laboratory", (Scope("system", "*", frozenset(letters)),))

    with pytest.raises(Forbidden):
        await ask("patch", "Patient", "p", grant=laboratory("rs"), **json_patch(TO_MALE))
    with pytest.raises(NotFound):
        await ask("patch", "Patient", "p", grant=laboratory("rsu"), **json_patch(TO_MALE))


@pytest.mark.usefixtures("known")
async def test_patch_that_is_none(ask: Ask) -> None:
    with pytest.raises(BadRequest):
        await ask("patch", "Patient", "p", body=NAMED)
    with pytest.raises(BadRequest):
        await ask("patch", "Patient", "p", content=b'[],"more":1', media_type=JSON_PATCH)
    with pytest.raises(UnsupportedMediaType):
        await ask("patch", "Patient", "p", body={"resourceType": "Binary", "contentType": "text/plain", "data": ""})
    with pytest.raises(BadRequest):
        await ask("patch", "Patient", "p", body={"resourceType": "Binary", "contentType": JSON_PATCH, "data": "é"})


async def test_patch_leaves_no_narrative_of_what_is_no_more(ask: Ask) -> None:
    div = '<div xmlns="http://www.w3.org/1999/xhtml">née en 1970</div>'
    for status, is_kept in (("generated", False), ("additional", True)):
        await ask("update", "Patient", "n", body=patient(id="n", text={"status": status, "div": div}))
        tagged = await ask(
            "patch", "Patient", "n", **json_patch({"op": "add", "path": "/meta/tag", "value": [{"code": "x"}]})
        )
        assert "text" in parsed(tagged)
        assert ("text" in parsed(await ask("patch", "Patient", "n", **json_patch(TO_MALE)))) is is_kept


@pytest.mark.usefixtures("known")
async def test_patch_in_a_bundle(ask: Ask) -> None:
    def bundle(kind: str, *entries: tuple[str, dict[str, Any]]) -> dict[str, Any]:
        made = [{"request": {"method": "PATCH", "url": url}, "resource": resource} for url, resource in entries]
        return {"resourceType": "Bundle", "type": kind, "entry": made}

    done = parsed(await ask("transaction", body=bundle("transaction", ("Patient/p", binary(TO_MALE)))))
    assert done["entry"][0]["response"]["etag"] == 'W/"2"'
    by_criteria = bundle("transaction", ("Patient?identifier=urn:s|1", PARAMETERS))
    assert parsed(await ask("transaction", body=by_criteria))["entry"][0]["response"]["etag"] == 'W/"3"'
    batch = parsed(
        await ask("transaction", body=bundle("batch", ("Patient/p", binary(TO_MALE)), ("Patient/q", PARAMETERS)))
    )
    assert [one["response"]["status"][:3] for one in batch["entry"]] == ["200", "404"]
    with pytest.raises(NotFound) as refused:
        await ask("transaction", body=bundle("transaction", ("Patient?identifier=urn:s|2", PARAMETERS)))
    assert refused.value.issues[0].expression == ("Bundle.entry[0]",)
    with pytest.raises(Unprocessable, match="too"):
        await ask(
            "transaction",
            body=bundle("transaction", ("Patient/p", PARAMETERS), ("Patient?identifier=urn:s|1", PARAMETERS)),
        )


def replacing_subject(kind: str) -> dict[str, Any]:
    reference = {"reference": "urn:uuid:1"}
    if kind == "json":
        return binary({"op": "replace", "path": "/subject", "value": reference})
    part = [
        {"name": "type", "valueCode": "replace"},
        {"name": "path", "valueString": "Observation.subject"},
        {"name": "value", "valueReference": reference},
    ]
    return {"resourceType": "Parameters", "parameter": [{"name": "operation", "part": part}]}


@pytest.mark.parametrize("kind", ["json", "fhirpath"])
@pytest.mark.parametrize("if_none_exist", [None, "identifier=urn:s|1"])
async def test_patch_in_a_transaction_points_at_what_the_transaction_makes(
    ask: Ask, kind: str, if_none_exist: str | None
) -> None:
    await ask("create", "Patient", body=NAMED)
    await ask("update", "Observation", "o", body=observation("Patient/p", id="o"))
    asked = {"method": "POST", "url": "Patient"} | ({"ifNoneExist": if_none_exist} if if_none_exist else {})
    entries = [
        {"request": {"method": "PATCH", "url": "Observation/o"}, "resource": replacing_subject(kind)},
        {"request": asked, "resource": patient(), "fullUrl": "urn:uuid:1"},
    ]
    done = parsed(await ask("transaction", body={"resourceType": "Bundle", "type": "transaction", "entry": entries}))
    patient_id = done["entry"][1]["response"]["location"].split("/")[-3]
    stored = parsed(await ask("read", "Observation", "o"))
    assert stored["subject"]["reference"] == f"Patient/{patient_id}"
