"""Ordinary jobs of clients that others wrote, against an open server in a process of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from fhirclient import client as smart
from fhirclient.models import fhirdate, humanname, observation, patient, quantity
from fhirclient.models.codeableconcept import CodeableConcept
from fhirclient.models.fhirreference import FHIRReference
from fhirpy import SyncFHIRClient
from fhirpy.base.exceptions import MultipleResourcesFound, OperationOutcome, ResourceNotFound
from requests import HTTPError

from tests.commands.test_serve import serving

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(tmp_path_factory.mktemp("open"), "--open") as base:
        yield base


def test_fhirclient_creates_reads_searches_updates_and_deletes(base: str) -> None:
    server = smart.FHIRClient(settings={"app_id": "test", "api_base": f"{base}/"}).server
    person = patient.Patient()
    person.name = [humanname.HumanName({"family": "Durand", "given": ["Zoé"]})]
    person.birthDate = fhirdate.FHIRDate("1980-02-29")
    created = person.create(server)
    assert created is not None
    found = patient.Patient.where(struct={"family": "durand", "birthdate": "1980-02-29"}).perform_resources(server)
    assert [one.id for one in found] == [created["id"]]
    weight = observation.Observation(
        {"status": "final", "code": {"coding": [{"system": "http://loinc.org", "code": "29463-7"}]}}
    )
    assert isinstance(weight.code, CodeableConcept)
    weight.subject = FHIRReference({"reference": f"Patient/{created['id']}"})
    weight.valueQuantity = quantity.Quantity({"value": 70.5, "unit": "kg"})
    weight.create(server)
    read = patient.Patient.read(created["id"], server)
    read.active = True
    read.update(server)
    assert patient.Patient.read(created["id"], server).meta.versionId == "2"
    bundle = (
        observation.Observation.where(struct={"subject": f"Patient/{created['id']}"}).include("subject").perform(server)
    )
    assert {entry.resource.resource_type for entry in bundle.entry} == {"Observation", "Patient"}
    read.delete(server)
    with pytest.raises(HTTPError, match="410"):
        patient.Patient.read(created["id"], server)


def test_fhirpy_saves_searches_pages_and_is_told_what_is_wrong(base: str) -> None:
    client = SyncFHIRClient(base)
    for number in range(25):
        saved = client.resource("Organization", name=f"Clinique {number:02d}", active=True)
        saved.save()
    everyone = client.resources("Organization").search(name="clinique").sort("name").limit(10).fetch_all()
    assert [one["name"] for one in everyone] == [f"Clinique {number:02d}" for number in range(25)]
    counted = client.execute("Organization", method="GET", params={"name": "clinique", "_summary": "count"})
    assert counted["total"] == 25
    with pytest.raises(MultipleResourcesFound):
        client.resources("Organization").search(name="clinique").get()
    with pytest.raises(ResourceNotFound):
        client.reference("Organization", "absent").to_resource()
    with pytest.raises(OperationOutcome) as refused:
        client.resource("Organization", nom="Clinique").save()
    assert "nom" in str(refused.value)


def test_fhirpy_transacts(base: str) -> None:
    client = SyncFHIRClient(base)
    bundle = client.resource("Bundle", type="transaction")
    bundle["entry"] = [
        {
            "fullUrl": "urn:uuid:7d5a2a43-3c1e-4c57-8a5b-0d3a1a3f6a01",
            "resource": {"resourceType": "Patient", "name": [{"family": "Transaction"}]},
            "request": {"method": "POST", "url": "Patient"},
        },
        {
            "resource": {
                "resourceType": "Encounter",
                "status": "planned",
                "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"},
                "subject": {"reference": "urn:uuid:7d5a2a43-3c1e-4c57-8a5b-0d3a1a3f6a01"},
            },
            "request": {"method": "POST", "url": "Encounter"},
        },
    ]
    client.execute("", method="POST", data=bundle.serialize())
    encounters = client.resources("Encounter").search(subject__Patient__family="Transaction").fetch()
    assert len(encounters) == 1


def test_what_the_demo_documents_say_is_read_by_fhirclient_models(base: str) -> None:
    import httpx

    folder = Path(__file__).parents[2] / "fhir_server" / "commands" / "demo"
    for name in ("biologie.xml", "vaccination.xml"):
        headers = {"Content-Type": "application/xml"}
        pushed = httpx.post(f"{base}/$import-cda", content=(folder / name).read_bytes(), headers=headers, timeout=60)
        assert pushed.status_code == 201, pushed.text
    server = smart.FHIRClient(settings={"app_id": "test", "api_base": f"{base}/"}).server
    results = observation.Observation.where(struct={"code": "http://loinc.org|3016-3"}).perform_resources(server)
    assert [float(one.valueQuantity.value) for one in results] == [5.1]
