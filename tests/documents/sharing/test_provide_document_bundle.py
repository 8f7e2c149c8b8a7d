"""ITI-65: a submission is stored whole, and answered in its order."""

import base64
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from fhir_server.access.grant import OPEN
from fhir_server.access.scopes import parse_scopes
from fhir_server.foundation.operation_outcome import FhirError
from tests.documents.conftest import BIOLOGY, LABORATORY
from tests.documents.sharing.conftest import Ask, Provide, entries, location
from tests.documents.sharing.submissions import (
    IHE,
    INS,
    NUMBER,
    PDF,
    binary,
    bundle,
    document,
    entry,
    folder,
    patient,
    replacing,
    submission,
    submission_set,
    url,
)

pytestmark = pytest.mark.anyio
ITI_65 = "https://profiles.ihe.net/ITI/MHD/ITI-65.html"


@pytest.mark.spec(ITI_65)
async def test_a_submission_is_stored_and_answered_in_order(provide: Provide, record: str, find: Any) -> None:
    response = await provide(submission())
    assert response.status == 200
    assert msgspec.json.decode(response.content)["type"] == "transaction-response"
    assert [one["response"]["status"] for one in entries(response)] == ["201 Created"] * 3
    assert [location(response, index).partition("/")[0] for index in range(3)] == [
        "List",
        "DocumentReference",
        "Binary",
    ]
    (stored,) = await find("DocumentReference")
    (listed,) = await find("List")
    assert stored["subject"]["reference"] == record
    assert stored["content"][0]["attachment"]["url"] == location(response, 2)
    assert listed["entry"] == [{"item": {"reference": location(response, 1)}}]


async def test_what_is_absent_and_can_be_known_is_made(provide: Provide, record: str, find: Any) -> None:
    asked = submission()
    attachment = asked["entry"][1]["resource"]["content"][0]["attachment"]
    del attachment["size"], attachment["hash"], asked["entry"][1]["resource"]["date"]
    await provide(asked)
    (stored,) = await find("DocumentReference")
    assert stored["category"][0]["coding"][0]["code"] == "10"
    assert stored["content"][0]["format"]["code"] == "urn:ihe:iti:xds:2017:mimeTypeSufficient"
    assert stored["content"][0]["attachment"]["size"] == len(PDF)
    assert stored["date"]
    (entry_uuid,) = stored["identifier"]
    assert entry_uuid["value"] == f"urn:uuid:{stored['id']}"
    (listed,) = await find("List")
    assert {one["value"].split(":")[1] for one in listed["identifier"]} == {"oid", "uuid"}


async def test_the_contained_author_is_the_stored_one(provide: Provide, record: str, find: Any) -> None:
    await provide(submission())
    (author,) = await find("Practitioner")
    (stored,) = await find("DocumentReference", **{"author.family": "leclerc", "author.given": "Sophie"})
    assert stored["author"][0]["reference"] == "#auteur"
    assert stored["author"][0]["extension"][0]["valueReference"]["reference"] == f"Practitioner/{author['id']}"
    assert await find("List", **{"source:Practitioner.family": "leclerc"})


@pytest.mark.parametrize("profile", ["Minimal", "UnContained.Comprehensive", "Comprehensive"])
async def test_every_level_of_ihe_is_taken(provide: Provide, record: str, find: Any, profile: str) -> None:
    asked = submission()
    asked["meta"]["profile"] = [f"{IHE}/IHE.MHD.{profile}.ProvideBundle|4.2.3"]
    if profile == "Minimal":
        for name in ("type", "context", "securityLabel", "date", "author", "authenticator", "contained"):
            del asked["entry"][1]["resource"][name]
    await provide(asked)
    assert len(await find("DocumentReference")) == 1


async def test_folders_patients_and_several_documents(provide: Provide, record: str, find: Any) -> None:
    second = document("1.2.250.1.999.2", b"%PDF second")
    second["content"][0]["attachment"]["url"] = url(5)
    asked = bundle(
        entry(1, submission_set(url(2), url(4), url(6), subject={"reference": url(7)})),
        entry(7, patient(), "POST", "Patient"),
        entry(2, document("1.2.250.1.999.1", subject={"reference": url(7)})),
        entry(3, binary()),
        entry(4, second),
        entry(5, binary(b"%PDF second")),
        entry(6, folder(url(2), url(4))),
    )
    response = await provide(asked)
    assert location(response, 1) == record
    assert len(await find("Patient")) == 2
    (filed,) = [found for found in await find("List") if found["code"]["coding"][0]["code"] == "folder"]
    assert [one["item"]["reference"] for one in filed["entry"]] == [location(response, 2), location(response, 4)]
    assert {found["subject"]["reference"] for found in await find("DocumentReference")} == {record}


async def test_a_cda_is_converted_as_an_import_does(provide: Provide, ask: Ask, find: Any) -> None:
    number = BIOLOGY.partition(b'root="1.2.250.1.213.1.4.')[0]
    assert number
    asked = await cda_submission(ask, BIOLOGY)
    response = await provide(asked)
    (result,) = await find("Observation", code="3016-3")
    assert result["meta"]["source"] == location(response, 1)
    (original,) = [one for one in await find("Binary") if f"Binary/{one['id']}" == location(response, 2)]
    assert base64.b64decode(original["data"]) == BIOLOGY
    assert len(await find("Patient")) == 1


async def cda_submission(ask: Ask, content: bytes) -> dict[str, Any]:
    """A submission of a CDA for the patient that it names, who has a record."""
    import mappings

    facts = mappings.convert(content).document
    identifier = facts.patient_identifiers[0]
    await ask("create", "Patient", resource=patient(identifier["value"]) | {"identifier": [dict(identifier)]})
    subject = {"identifier": {"system": identifier["system"], "value": identifier["value"]}}
    asked = submission(content=content, masterIdentifier=facts.identifier, subject=subject)
    described = asked["entry"][1]["resource"]
    described["content"][0]["attachment"]["contentType"] = "text/xml"
    described["contained"] = described["contained"][1:]
    described["context"]["sourcePatientInfo"] = subject
    asked["entry"][0]["resource"]["subject"] = subject
    asked["entry"][2]["resource"]["contentType"] = "text/xml"
    return asked


@pytest.mark.spec("https://profiles.ihe.net/ITI/MHD/ITI-65.html")
@pytest.mark.parametrize("is_patched", [True, False])
async def test_a_replaced_document_is_superseded(
    provide: Provide, record: str, ask: Ask, find: Any, is_patched: bool
) -> None:
    old = location(await provide(submission()), 1)
    response = await provide(replacing("1.2.250.1.999.2", old, is_patched=is_patched))
    by_reference = {f"DocumentReference/{one['id']}": one for one in await find("DocumentReference")}
    assert by_reference[old]["status"] == "superseded"
    new = by_reference[location(response, 1)]
    assert new["relatesTo"] == [{"code": "replaces", "target": {"reference": old}}]
    if is_patched:
        answered = entries(response)[2]["response"]
        assert (answered["status"], answered["etag"]) == ("200 OK", 'W/"2"')
    assert [one["id"] for one in await find("DocumentReference", relatesto=old)] == [new["id"]]


async def test_a_document_is_appended_to_and_signed_without_ending(provide: Provide, record: str, find: Any) -> None:
    old = location(await provide(submission()), 1)
    more = [{"code": code, "target": {"reference": old}} for code in ("appends", "transforms", "signs")]
    await provide(submission("1.2.250.1.999.2", b"%PDF more", relatesTo=more))
    assert {one["status"] for one in await find("DocumentReference")} == {"current"}


async def test_a_provenance_names_author_and_sender(provide: Provide, record: str, find: Any) -> None:
    response = await provide(submission())
    (trace,) = await find("Provenance")
    assert {target["reference"] for target in trace["target"]} >= {location(response, index) for index in range(3)}
    assert LABORATORY.actor in {agent["who"].get("reference") for agent in trace["agent"]}


async def test_the_representation_comes_back_when_it_is_preferred(provide: Provide, record: str) -> None:
    shown = entries(await provide(submission(), OPEN, prefer_return="representation"))
    assert [one["resource"]["resourceType"] for one in shown] == ["List", "DocumentReference", "Binary"]


async def test_what_refuses_a_part_names_its_entry(provide: Provide, record: str) -> None:
    narrow = replace(LABORATORY, scopes=parse_scopes("system/List.crs system/Binary.crs"))
    with pytest.raises(FhirError) as refused:
        await provide(submission(), narrow)
    assert refused.value.status == 403
    assert refused.value.issues[0].expression == ("Bundle.entry[1].resource",)


async def test_an_imaging_report_leads_to_its_study(provide: Provide, record: str, find: Any) -> None:
    """The WADO-RS address of a study passes through as it is: nothing here holds or changes images."""
    wado = "https://pacs.example.fr/dicom-web/studies/1.2.250.1.999.44"
    study = {
        "identifier": {
            "type": {"coding": [{"system": "urn:ietf:rfc:3986", "code": "urn:ihe:iti:xds:2016:studyInstanceUID"}]},
            "system": "urn:dicom:uid",
            "value": "urn:oid:1.2.250.1.999.44",
        },
        "reference": wado,
    }
    asked = submission()
    asked["entry"][1]["resource"]["context"]["related"] = [study]
    await provide(asked)
    (stored,) = await find("DocumentReference", **{"related:identifier": "urn:dicom:uid|urn:oid:1.2.250.1.999.44"})
    assert stored["context"]["related"] == [study]


async def test_a_fhir_document_is_kept_as_a_bundle(provide: Provide, record: str, find: Any) -> None:
    composition = {
        "resourceType": "Composition",
        "status": "final",
        "type": {"coding": [{"system": "http://loinc.org", "code": "60591-5"}]},
        "subject": {"reference": f"Patient/{NUMBER}"},
        "date": "2026-06-12",
        "author": [{"display": "Dr Leclerc"}],
        "title": "Synthèse",
    }
    held = {
        "resourceType": "Bundle",
        "type": "document",
        "identifier": {"system": "urn:ietf:rfc:3986", "value": "urn:oid:1.2.250.1.999.9"},
        "timestamp": "2026-06-12T10:00:00+02:00",
        "entry": [{"fullUrl": url(99), "resource": composition}],
    }
    asked = submission("1.2.250.1.999.9")
    attachment = asked["entry"][1]["resource"]["content"][0]["attachment"]
    del attachment["size"], attachment["hash"]
    attachment["contentType"] = "application/fhir+json"
    asked["entry"][2] = entry(3, held)
    response = await provide(asked)
    assert location(response, 2).startswith("Bundle/")
    (kept,) = await find("Bundle")
    assert kept["entry"] == held["entry"]
    assert INS not in str(kept["entry"])
