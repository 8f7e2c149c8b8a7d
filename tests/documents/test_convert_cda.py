"""`$convert-cda`: the document Bundle, and nothing stored."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from fhir_server.foundation import fhir_json
from fhir_server.foundation.operation_outcome import FhirError
from fhir_server.validation.validate import validate
from tests.documents.conftest import BIOLOGY, Push, parameter

pytestmark = pytest.mark.anyio


@pytest.mark.spec("documents.html")
async def test_the_answer_is_a_document_bundle_and_nothing_is_stored(push: Push, find: Any) -> None:
    response = await push(BIOLOGY, interaction="$convert-cda")
    bundle = fhir_json.parse(response.content)
    assert (response.status, bundle["type"]) == (200, "document")
    assert bundle["entry"][0]["resource"]["resourceType"] == "Composition"
    validate(bundle)
    assert await find("Composition") == []
    assert await find("Patient") == []


async def test_a_report_tells_what_was_noticed(push: Push) -> None:
    response = await push(BIOLOGY, interaction="$convert-cda", parameters=(("report", "true"),))
    assert parameter(response, "return")["resource"]["type"] == "document"
    outcome = parameter(response, "outcome")["resource"]
    assert {issue["severity"] for issue in outcome["issue"]} <= {"warning", "information"}


@pytest.mark.parametrize(
    ("content", "media_type", "status", "said"),
    [
        (b"", "application/xml", 400, "The body is empty"),
        (b"<ClinicalDocument", "application/xml", 400, "line 1"),
        (b'<!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>', "text/xml", 400, "DOCTYPE"),
        (b"<x/>", "text/xml", 400, "ClinicalDocument"),
        (b'<ClinicalDocument xmlns="urn:other"/>', "text/xml", 400, "urn:hl7-org:v3"),
        (b'<ClinicalDocument xmlns="urn:hl7-org:v3"/>', "text/xml", 422, "id"),
        (BIOLOGY, "application/pdf", 415, "application/xml"),
    ],
)
@pytest.mark.parametrize("interaction", ["$convert-cda", "$import-cda"])
async def test_what_is_no_cda_is_refused(
    push: Push, find: Any, interaction: str, content: bytes, media_type: str, status: int, said: str
) -> None:
    with pytest.raises(FhirError) as refused:
        await push(content, interaction=interaction, media_type=media_type)
    assert refused.value.status == status, refused.value.issues
    assert said.casefold() in refused.value.issues[0].diagnostics.casefold()
    assert await find("Patient") == []


@pytest.mark.slow
async def test_every_real_document_is_accepted(push: Push, shared: Path) -> None:
    documents = sorted((shared / "data" / "cda").glob("*.xml"))
    assert len(documents) == 97
    for file in documents:
        response = await push(file.read_bytes(), interaction="$convert-cda")
        assert msgspec.json.decode(response.content)["type"] == "document", file.name
        validate(fhir_json.parse(response.content))
