from pathlib import Path

import pytest

from fhir_server.foundation.operation_outcome import FhirError, TooLarge
from fhir_server.terminology import ihe_svs
from fhir_server.terminology.ihe_svs import UnreadableValueSet, import_value_sets
from fhir_server.terminology.terminology import Terminology
from tests.terminology.samples import held

EMPTY = {"MediaType.xml", "CoverageRoleType.xml", "ActPharmacySupplyType.xml"}
"""Files that are published without content."""

SAMPLE = """<?xml version="1.0" encoding="UTF-8"?>
<RetrieveValueSetResponse xmlns="urn:ihe:iti:svs:2008">
  <ValueSet id="1.2.250.1.999.1" displayName="JDV_Essai_TEST.tabs" version="7" description="Pour les tests"
            revisionDate="2024-12-13T12:00:00+01:00" urlFichier="https://example.org/NOS/JDV_J1-Essai">
    <ConceptList xml:lang="fr-FR">
      <Concept code="1" codeSystem="1.2.250.1.999.2" displayName="Un"/>
      <Concept code="8867-4" codeSystem="2.16.840.1.113883.6.1" displayName="Pouls"/>
      <Concept code="1" codeSystem="1.2.250.1.999.2" displayName="Encore un"/>
      <Concept code="M" codeSystem="2.16.840.1.113883.5.1" displayName="Homme"/>
      <Concept code="" codeSystem="" displayName="Rien"/>
      <Concept code="E1" codeSystem="ASTM" displayName="Sans OID"/>
    </ConceptList>
    <ConceptList xml:lang="en">
      <Concept code="1" codeSystem="1.2.250.1.999.2" displayName="One"/>
    </ConceptList>
  </ValueSet>
</RetrieveValueSetResponse>
"""


def test_a_value_set_becomes_a_resource() -> None:
    (imported,) = import_value_sets(SAMPLE.encode())
    assert imported.resource == {
        "resourceType": "ValueSet",
        "id": "JDV-Essai-TEST",
        "language": "fr-FR",
        "url": "https://example.org/NOS/JDV_J1-Essai/FHIR/JDV-J1-Essai",
        "identifier": [{"system": "urn:ietf:rfc:3986", "value": "urn:oid:1.2.250.1.999.1"}],
        "version": "7",
        "date": "2024-12-13T12:00:00+01:00",
        "description": "Pour les tests",
        "name": "JDV_Essai_TEST",
        "title": "JDV_Essai_TEST",
        "status": "active",
        "compose": {
            "include": [
                {
                    "system": "urn:oid:1.2.250.1.999.2",
                    "concept": [
                        {"code": "1", "display": "Un", "designation": [{"language": "en", "value": "One"}]},
                    ],
                },
                {"system": "http://loinc.org", "concept": [{"code": "8867-4", "display": "Pouls"}]},
                {
                    "system": "http://terminology.hl7.org/CodeSystem/v3-AdministrativeGender",
                    "concept": [{"code": "M", "display": "Homme"}],
                },
            ]
        },
    }


def test_what_is_left_out_is_said() -> None:
    (imported,) = import_value_sets(SAMPLE.encode())
    assert [issue.partition(":")[0] for issue in imported.issues] == ["Line 10", "Line 11"]
    assert "'ASTM'" in imported.issues[1]


def test_further_systems_may_be_named() -> None:
    (imported,) = import_value_sets(SAMPLE.encode(), {"1.2.250.1.999.2": "http://example.org/codes"})
    assert imported.resource["compose"]["include"][0]["system"] == "http://example.org/codes"


def test_without_a_page_the_oid_is_the_canonical_and_an_end_retires() -> None:
    content = SAMPLE.replace("urlFichier", 'dateFin="20240101000000" other')
    (imported,) = import_value_sets(content.encode())
    assert (imported.resource["url"], imported.resource["status"]) == ("urn:oid:1.2.250.1.999.1", "retired")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b" \n",
        b"<a",
        b"<a/>",
        b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>',
        SAMPLE.encode("utf-16"),
        SAMPLE.replace('id="1.2.250.1.999.1"', 'id="essai"').encode(),
    ],
)
def test_what_is_no_value_set_is_refused(content: bytes) -> None:
    with pytest.raises(UnreadableValueSet):
        import_value_sets(content)


def test_a_file_beyond_the_bound_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ihe_svs, "MAX_BYTES", 100)
    with pytest.raises(TooLarge):
        import_value_sets(SAMPLE.encode())


def test_every_published_file_converts(shared: Path) -> None:
    folder = shared / "data/valuesets"
    if not folder.is_dir():
        pytest.skip("the published value sets are not among the shared data")
    refused: set[str] = set()
    imported = []
    for path in sorted(folder.glob("*.xml")):
        try:
            imported.extend(import_value_sets(path.read_bytes()))
        except FhirError:
            refused.add(path.name)
    assert refused == EMPTY
    resources = {found.resource["url"]: found.resource for found in imported}
    assert (len(imported), sum(len(found.issues) for found in imported)) == (521, 3)
    assert len({found.resource["id"] for found in imported}) == 521
    known = Terminology(held(resources))
    filled = [url for url in resources if "compose" in resources[url]]
    assert len(filled) == 517
    listed = [part for url in filled for part in resources[url]["compose"]["include"]]
    assert sum(len(list(known.members(url))) for url in filled) == sum(len(part["concept"]) for part in listed)
    classes = "https://mos.esante.gouv.fr/NOS/JDV_J07-XdsTypeCode-CISIS/FHIR/JDV-J07-XdsTypeCode-CISIS"
    assert known.contains(classes, "http://loinc.org", "11488-4") is True
    assert known.contains(classes, "http://loinc.org", "1-1") is False
