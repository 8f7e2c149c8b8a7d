"""`$to-cda` and `$fidelity`: CDA out, and the account of what came in."""

import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from lxml import etree

import mappings
from fhir_server.access.grant import OPEN, Grant
from fhir_server.foundation.operation_outcome import FhirError
from fhir_server.interactions.dispatch import dispatch
from fhir_server.interactions.request import Request, Response, Runtime
from tests.documents.conftest import BIOLOGY, OTHER, Push, parameter
from tests.documents.sharing.submissions import PDF, Resource, entry, patient, submission, url

pytestmark = pytest.mark.anyio
Ask = Callable[..., Awaitable[Response]]
XHTML = 'xmlns="http://www.w3.org/1999/xhtml"'


@pytest.fixture
def ask(runtime: Runtime) -> Ask:
    async def ask(interaction: str, resource_type: str, grant: Grant = OPEN, **more: Any) -> Response:
        return await dispatch(Request(interaction, grant, resource_type, base_url="http://x/fhir", **more), runtime)

    return ask


def id_of(reference: str) -> str:
    return reference.partition("/")[2]


@pytest.fixture(scope="module")
def schema() -> etree.XMLSchema | None:
    """The schema of the CI-SIS that CDA_SCHEMA names: CDA_extended.xsd of its public tool testContenuCDA, or none."""
    path = os.environ.get("CDA_SCHEMA")
    return etree.XMLSchema(etree.parse(path)) if path else None


async def published(ask: Ask, asked: Resource) -> str:
    response = await ask("transaction", "", resource=asked)
    told = msgspec.json.decode(response.content)["entry"][1]["response"]["location"]
    reference: str = told.removeprefix("http://x/fhir/").partition("/_history")[0]
    return reference


async def cda_of(ask: Ask, reference: str, grant: Grant = OPEN) -> bytes:
    response = await ask("$to-cda", "DocumentReference", grant, resource_id=id_of(reference), is_get=True)
    assert response.media_type == "text/xml"
    return response.content


async def test_an_imported_cda_comes_back_byte_for_byte(ask: Ask, push: Push) -> None:
    document = parameter(await push(BIOLOGY), "document")["valueReference"]["reference"]
    assert await cda_of(ask, document) == BIOLOGY


async def test_a_cda_is_made_of_a_pdf_and_its_metadata(ask: Ask, schema: etree.XMLSchema | None, find: Any) -> None:
    organization = {
        "resourceType": "Organization",
        "identifier": [{"system": "https://finess.esante.gouv.fr", "value": "920000684"}],
        "name": "Cabinet Leclerc",
        "telecom": [{"system": "phone", "value": "01 44 00 00 00"}],
        "address": [{"line": ["1 rue de la Paix"], "postalCode": "75002", "city": "PARIS"}],
    }
    kept = await ask("create", "Organization", resource=organization)
    assert kept.version is not None
    identity = patient(
        name=[{"use": "official", "family": "NÉE", "given": ["Dominique"]}, {"use": "usual", "family": "D"}]
    )
    await ask("create", "Patient", resource=identity)
    more = {"custodian": {"reference": kept.version.reference}, "description": "Consultation"}
    reference = await published(ask, submission(**more))
    made = await cda_of(ask, reference)
    assert made == await cda_of(ask, reference)
    if schema is not None:
        assert schema.validate(etree.fromstring(made)), schema.error_log
    back = mappings.convert(made)
    assert back.issues == ()
    described = mappings.document_reference(back)
    (stored,) = await find("DocumentReference")
    for name in ("masterIdentifier", "type", "category", "securityLabel", "date"):
        assert described[name] == stored[name], name
    for name in ("period",):
        assert described["context"][name] == stored["context"][name]
    for name in ("facilityType", "practiceSetting"):
        codes = [one["context"][name]["coding"][0]["code"] for one in (described, stored)]
        assert codes[0] == codes[1]
    resources = {one["resource"]["resourceType"]: one["resource"] for one in back.bundle["entry"]}
    assert resources["Patient"]["name"] == identity["name"]
    assert (resources["Patient"]["birthDate"], resources["Patient"]["gender"]) == ("1979-03-28", "female")
    numbers = {one["system"]: one["value"] for one in resources["Practitioner"]["identifier"]}
    assert numbers["https://rpps.esante.gouv.fr"] == "10101201234"
    finess = {one["system"]: one["value"] for one in resources["Organization"]["identifier"]}
    assert finess["https://finess.esante.gouv.fr"] == "920000684"
    assert resources["Binary"]["contentType"] == "application/pdf"
    assert back.document.source.body_media_type == "application/pdf"
    assert PDF.decode() not in made.decode()


async def test_a_cda_is_made_of_the_words_of_a_fhir_document(ask: Ask, schema: etree.XMLSchema | None) -> None:
    await ask("create", "Patient", resource=patient())
    div = (
        '<div xmlns="http://www.w3.org/1999/xhtml"><h2>Allergies</h2><p>Pénicilline, <b>grave</b><br/>depuis 2001</p>'
        "<ul><li>Un</li><li>Deux</li></ul><table><tbody><tr><th>TSH</th><td>5.1</td></tr></tbody></table>"
        "<div><p>Dedans</p></div></div>"
    )
    loinc = {"coding": [{"system": "http://loinc.org", "code": "48765-2"}]}
    section = {"title": "Allergies", "code": loinc, "text": {"status": "generated", "div": div}}
    composition = {
        "resourceType": "Composition",
        "status": "final",
        "type": {"coding": [{"system": "http://loinc.org", "code": "60591-5"}]},
        "date": "2026-06-12",
        "author": [{"display": "Dr Leclerc"}],
        "title": "Synthèse",
        "section": [section],
    }
    held = {
        "resourceType": "Bundle",
        "type": "document",
        "identifier": {"system": "urn:ietf:rfc:3986", "value": "urn:oid:1.2.250.1.999.1"},
        "timestamp": "2026-06-12T10:00:00+02:00",
        "entry": [{"fullUrl": url(9), "resource": composition}],
    }
    asked = submission()
    attachment = asked["entry"][1]["resource"]["content"][0]["attachment"]
    del attachment["size"], attachment["hash"]
    attachment["contentType"] = "application/fhir+json"
    asked["entry"][2] = entry(3, held)
    made = await cda_of(ask, await published(ask, asked))
    if schema is not None:
        assert schema.validate(etree.fromstring(made)), schema.error_log
    back = mappings.convert(made)
    words = back.bundle["entry"][0]["resource"]["section"][0]["text"]["div"]
    for word in ("Pénicilline", "grave", "depuis 2001", "Deux", "5.1", "Dedans"):
        assert word in words
    assert back.bundle["entry"][0]["resource"]["section"][0]["code"]["coding"][0]["code"] == "48765-2"
    bundle_id = await _only_bundle(ask)
    same = await ask("$to-cda", "Bundle", resource_id=bundle_id, is_get=True)
    assert same.content == made


async def _only_bundle(ask: Ask) -> str:
    (found,) = msgspec.json.decode((await ask("search", "Bundle")).content)["entry"]
    return str(found["resource"]["id"])


async def test_a_fhir_document_that_was_never_published_makes_a_cda_too(ask: Ask) -> None:
    composition = {
        "resourceType": "Composition",
        "status": "final",
        "type": {"coding": [{"system": "http://loinc.org", "code": "60591-5"}]},
        "subject": {"reference": url(1)},
        "date": "2026-06-12",
        "author": [{"reference": url(2)}],
        "title": "Synthèse",
        "section": [{"title": "Allergies", "text": {"status": "generated", "div": f"<div {XHTML}>Pénicilline</div>"}}],
    }
    author = {"resourceType": "Practitioner", "name": [{"family": "LECLERC", "given": ["Sophie"]}]}
    bundle = {
        "resourceType": "Bundle",
        "type": "document",
        "identifier": {"system": "urn:ietf:rfc:3986", "value": "urn:oid:1.2.250.1.999.7"},
        "timestamp": "2026-06-12T10:00:00+02:00",
        "entry": [
            {"fullUrl": url(3), "resource": composition},
            {"fullUrl": url(1), "resource": patient()},
            {"fullUrl": url(2), "resource": author},
        ],
    }
    stored = await ask("create", "Bundle", resource=bundle)
    assert stored.version is not None
    made = await ask("$to-cda", "Bundle", resource_id=stored.version.resource_id, is_get=True)
    back = mappings.convert(made.content)
    resources = {one["resource"]["resourceType"]: one["resource"] for one in back.bundle["entry"]}
    assert resources["Practitioner"]["name"][0]["family"] == "LECLERC"
    assert resources["Patient"]["identifier"][0]["value"] == patient()["identifier"][0]["value"]
    assert "Pénicilline" in resources["Composition"]["section"][0]["text"]["div"]


async def test_a_bundle_that_is_no_document_makes_no_cda(ask: Ask) -> None:
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": patient()}]}
    stored = await ask("create", "Bundle", resource=bundle)
    assert stored.version is not None
    with pytest.raises(FhirError, match="type document"):
        await ask("$to-cda", "Bundle", resource_id=stored.version.resource_id, is_get=True)


async def test_who_may_not_read_the_document_gets_no_cda(ask: Ask, push: Push) -> None:
    document = parameter(await push(BIOLOGY), "document")["valueReference"]["reference"]
    with pytest.raises(FhirError) as refused:
        await cda_of(ask, document, OTHER)
    assert refused.value.status == 404


@pytest.mark.parametrize(
    ("change", "status"),
    [({"masterIdentifier": None}, 422), ({"type": None}, 422), ({"subject": None}, 404)],
)
async def test_metadata_that_make_no_cda_are_told(ask: Ask, change: Resource, status: int) -> None:
    created = await ask("create", "Patient", resource=patient())
    assert created.version is not None
    plain = {
        "resourceType": "DocumentReference",
        "status": "current",
        "masterIdentifier": {"system": "urn:ietf:rfc:3986", "value": "urn:oid:1.2.3"},
        "type": {"coding": [{"system": "http://loinc.org", "code": "11488-4"}]},
        "subject": {"reference": created.version.reference},
        "content": [{"attachment": {"contentType": "text/plain", "data": "eA=="}}],
    }
    kept = {name: value for name, value in (plain | change).items() if value is not None}
    stored = await ask("create", "DocumentReference", resource=kept)
    assert stored.version is not None
    with pytest.raises(FhirError) as refused:
        await cda_of(ask, stored.version.reference)
    assert refused.value.status == status
    whole = await ask("create", "DocumentReference", resource=plain)
    assert whole.version is not None
    assert b"ClinicalDocument" in await cda_of(ask, whole.version.reference)


async def test_every_real_document_is_made_again_as_level_1(shared: Path, schema: etree.XMLSchema | None) -> None:
    """A few real headers, as a PDF's: what is made of them is read again with the same id, type, patient and title."""
    for name in ("BIO-CR-BIO_2024.01_TSH_1.xml", "VAC_2023.01.xml", "SDM-MR_2022.01.xml", "ANEST-CR-ANEST_2022.01.xml"):
        first = mappings.convert((shared / "data" / "cda" / name).read_bytes())
        resources = {one["fullUrl"]: one["resource"] for one in first.bundle["entry"]}
        source = mappings.Source(
            mappings.document_reference(first),
            resources[first.document.patient_full_url],
            lambda reference, known=resources: known.get((reference or {}).get("reference", "")),
            b"%PDF",
            "application/pdf",
        )
        made = mappings.clinical_document(source)
        if schema is not None:
            assert schema.validate(etree.fromstring(made)), (name, schema.error_log)
        second = mappings.convert(made)
        assert second.document.identifier == first.document.identifier
        assert second.document.patient_identifiers == first.document.patient_identifiers
        one, two = (bundle["entry"][0]["resource"] for bundle in (first.bundle, second.bundle))
        assert (one["type"]["coding"][0]["code"], one["title"]) == (two["type"]["coding"][0]["code"], two["title"])


async def test_fidelity_of_what_is_posted_and_of_what_is_kept(ask: Ask, push: Push) -> None:
    posted = await push(BIOLOGY, interaction="$fidelity")
    told = {one["name"]: one for one in msgspec.json.decode(posted.content)["parameter"]}
    counts = {part["name"]: part["valueInteger"] for part in told["counts"]["part"]}
    assert counts["unaccounted"] == 0
    assert counts["kept"] > 100
    assert told["codesInFhir"]["valueDecimal"] > 0.95
    document = parameter(await push(BIOLOGY), "document")["valueReference"]["reference"]
    kept = await ask("$fidelity", "DocumentReference", resource_id=id_of(document), is_get=True)
    assert kept.content == posted.content
    page = await push(BIOLOGY, interaction="$fidelity", parameters=(("html", "true"),))
    assert page.media_type.startswith("text/html")
    assert b"<table" in page.content


async def test_fidelity_of_no_cda_is_refused(ask: Ask, push: Push) -> None:
    stored = await ask(
        "create", "Binary", resource={"resourceType": "Binary", "contentType": "text/plain", "data": "eA=="}
    )
    assert stored.version is not None
    with pytest.raises(FhirError) as refused:
        await ask("$fidelity", "Binary", resource_id=stored.version.resource_id)
    assert refused.value.status == 422
    with pytest.raises(FhirError) as broken:
        await push(b"<ClinicalDocument", interaction="$fidelity")
    assert broken.value.status == 400
