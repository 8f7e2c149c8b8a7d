"""XDS metadata to FHIR and back: what goes in as a document entry comes out as the same document entry."""

from typing import Any

import pytest
from lxml import etree

from mappings.xds import hl7v2
from mappings.xds.authors import author_of, author_slots
from mappings.xds.document_entry import document_entry_of, document_reference_of, refuse_incomplete
from mappings.xds.ebrim import Classification, MetadataRefused, RegistryObject, format_object, parse_objects
from mappings.xds.stored_query import document_searches, parse_query
from mappings.xds.submission import Filing, Submission, parse_submission, provide_bundle
from mappings.xds.submission_set import package_of
from mappings.xds.vocabulary import DOCUMENT_AUTHOR
from tests.xds.messages import (
    INS,
    INS_OID,
    PDF,
    REPOSITORY,
    Document,
    association_xml,
    objects_xml,
    query_xml,
)

UNIQUE_ID = "1.2.250.1.999.42.1"
ENTRY = "urn:uuid:7d3b1d5e-94e5-4d4f-9f40-6f62d57a4d01"
SUBJECT = {"reference": "Patient/1"}
PATIENT = {"system": f"urn:oid:{INS_OID}", "value": INS}
RPLC = "urn:ihe:iti:2007:AssociationType:RPLC"


def submission_of(*documents: Document, associations: str = "") -> Submission:
    return parse_submission(etree.fromstring(objects_xml(*documents, set_id="1.2.3", associations=associations)))


def filing_of(submission: Submission, **stored: str) -> Filing:
    submitted = (submission.submission_set, *submission.entries, *submission.folders)
    uuids = {one.object_id: f"urn:uuid:00000000-0000-4000-8000-{index:012}" for index, one in enumerate(submitted)}
    return Filing(SUBJECT, {"reference": "Organization/1"}, stored, uuids, "2026-11-03T10:00:00Z")


def bundle_of(*documents: Document, associations: str = "", **stored: str) -> dict[str, Any]:
    submission = submission_of(*documents, associations=associations)
    contents = {one.entry_id: one.content for one in documents}
    return provide_bundle(submission, contents, filing_of(submission, **stored))


def resolver(resource: dict[str, Any]) -> Any:
    contained = {f"#{one['id']}": one for one in resource["contained"]}
    return lambda reference: contained.get(reference, {})


def comparable(entry: RegistryObject) -> dict[str, Any]:
    """Return what an entry says, without what the registry adds: its own OID, and sourcePatientId among the PID."""
    slots = {
        name: tuple(value for value in values if not value.startswith("PID-3"))
        for name, values in entry.slots.items()
        if any(values) and name != "repositoryUniqueId"
    }
    codes = sorted((one.scheme, one.code, one.name, str(dict(one.slots))) for one in entry.classifications)
    return {
        "slots": slots,
        "codes": codes,
        "identifiers": dict(entry.identifiers),
        "name": entry.name,
        "mime_type": entry.mime_type,
    }


def test_a_document_entry_comes_back_as_it_was() -> None:
    entry = submission_of(Document(UNIQUE_ID, labels=("R", "MASQUE_PS"))).entries[0]
    resource = document_reference_of(entry, SUBJECT, None, "Binary/1") | {"id": "1", "meta": {"versionId": "3"}}
    again = document_entry_of(resource, PATIENT, resolver(resource), REPOSITORY)
    assert comparable(again) == comparable(entry)
    assert again.version == "3"
    read = parse_objects(_listed(format_object(again)))[0]
    assert comparable(read) == comparable(entry)


def _listed(element: etree._Element) -> etree._Element:
    parent = etree.Element("list")
    parent.append(element)
    return parent


def test_a_submission_set_comes_back_as_it_was() -> None:
    submission = submission_of(Document(UNIQUE_ID))
    resource = bundle_of(Document(UNIQUE_ID))["entry"][0]["resource"] | {"id": "1"}
    again = package_of(resource, PATIENT, resolver(resource))
    assert dict(again.identifiers) == dict(submission.submission_set.identifiers)
    assert again.slot("submissionTime") == "20261103094500"
    given = {(one.scheme, one.code, str(dict(one.slots))) for one in submission.submission_set.classifications}
    assert {(one.scheme, one.code, str(dict(one.slots))) for one in again.classifications} == given


def test_the_bundle_of_a_submission_has_what_mhd_asks() -> None:
    bundle = bundle_of(Document(UNIQUE_ID))
    types = [entry["resource"]["resourceType"] for entry in bundle["entry"]]
    assert types == ["List", "DocumentReference", "Binary"]
    resource, binary = bundle["entry"][1]["resource"], bundle["entry"][2]
    attachment = resource["content"][0]["attachment"]
    assert attachment["url"] == binary["fullUrl"]
    assert attachment["size"] == len(PDF)
    assert resource["masterIdentifier"] == {"system": "urn:ietf:rfc:3986", "value": f"urn:oid:{UNIQUE_ID}"}
    assert resource["type"]["coding"][0]["system"] == "http://loinc.org"
    assert resource["context"]["period"] == {"start": "2026-11-03T09:00:00Z"}
    assert bundle["entry"][0]["resource"]["entry"] == [{"item": {"reference": bundle["entry"][1]["fullUrl"]}}]


def test_a_replacement_points_at_the_stored_document() -> None:
    association = association_xml(RPLC, "Document01", ENTRY)
    bundle = bundle_of(Document(UNIQUE_ID), associations=association, **{ENTRY: "DocumentReference/7"})
    related = bundle["entry"][1]["resource"]["relatesTo"]
    assert related == [{"code": "replaces", "target": {"reference": "DocumentReference/7"}}]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"slots": {"hash": "0" * 40}}, "XDSRepositoryMetadataError"),
        ({"slots": {"hash": "xyz"}}, "XDSRepositoryMetadataError"),
        ({"slots": {"size": "3"}}, "XDSRepositoryMetadataError"),
        ({"slots": {"creationTime": "yesterday"}}, "XDSRegistryMetadataError"),
        ({"slots": {"creationTime": "20261399"}}, "XDSRegistryMetadataError"),
        ({"slots": {"languageCode": ""}}, "XDSRegistryMetadataError"),
        ({"slots": {"sourcePatientId": ""}}, "XDSRegistryMetadataError"),
        ({"labels": ()}, "XDSRegistryMetadataError"),
        ({"codes": {}}, "XDSRegistryMetadataError"),
        ({"mime_type": ""}, "XDSRegistryMetadataError"),
        ({"unique_id": ""}, "XDSRegistryMetadataError"),
        ({"patient_id": "1^^^&amp;1.2.3&amp;ISO"}, "XDSPatientIdDoesNotMatch"),
    ],
    ids=str,
)
def test_what_is_wrong_is_refused_by_its_code(change: dict[str, Any], code: str) -> None:
    with pytest.raises(MetadataRefused) as refusal:
        bundle_of(Document(**({"unique_id": UNIQUE_ID} | change)))
    assert refusal.value.code == code


def test_a_document_without_entry_and_an_entry_without_document() -> None:
    submission = submission_of(Document(UNIQUE_ID))
    with pytest.raises(MetadataRefused, match="missing"):
        provide_bundle(submission, {}, filing_of(submission))
    with pytest.raises(MetadataRefused, match="no document entry"):
        provide_bundle(submission, {"Document01": PDF, "Document02": PDF}, filing_of(submission))


def test_two_submission_sets_twins_and_strangers_are_refused() -> None:
    one, twin = Document(UNIQUE_ID), Document("1.2.3.4")
    with pytest.raises(MetadataRefused, match="Two objects"):
        submission_of(one, twin)
    with pytest.raises(MetadataRefused, match="holds 0"):
        parse_submission(etree.fromstring("<request/>"))
    alone = objects_xml(one, set_id="1.2.3").replace('targetObject="Document01"', 'targetObject="Other"')
    with pytest.raises(MetadataRefused, match="No HasMember"):
        parse_submission(etree.fromstring(alone))


def test_an_entry_without_author_is_refused() -> None:
    entry = submission_of(Document(UNIQUE_ID)).entries[0]
    without = [one for one in entry.classifications if one.scheme != DOCUMENT_AUTHOR]
    with pytest.raises(MetadataRefused, match="author"):
        refuse_incomplete(RegistryObject("ExtrinsicObject", "x", classifications=tuple(without)))


DEVICE = "3750100125/9762^Automate^modele-1000^^^^^^&1.2.250.1.71.4.2.1&ISO^U^^^RI"


def test_devices_and_patients_are_authors_too() -> None:
    slots = {"authorPerson": (DEVICE,), "authorSpecialty": ("DISPOSITIF^dispositif^1.2.250.1.213.1.1.4.6",)}
    reference, contained = author_of(Classification(DOCUMENT_AUTHOR, slots=slots), "a", SUBJECT)
    assert [one["resourceType"] for one in contained] == ["Device"]
    assert reference is not None
    known = {f"#{one['id']}": one for one in contained}
    assert author_slots(reference, lambda text: known.get(text, {}))["authorPerson"] == (DEVICE,)
    patient = {"authorPerson": (f"{INS}^DUPONT^Dominique^^^^^^&{INS_OID}&ISO^D^^^NH",)}
    assert author_of(Classification(DOCUMENT_AUTHOR, slots=patient), "a", SUBJECT) == (SUBJECT, [])


@pytest.mark.parametrize(
    ("dtm", "instant"),
    [
        ("2026", "2026"),
        ("202611", "2026-11"),
        ("20261103", "2026-11-03"),
        ("202611030930", "2026-11-03T09:30:00Z"),
        ("20261103093015", "2026-11-03T09:30:15Z"),
        ("20260230", None),
        ("hier", None),
    ],
)
def test_times_keep_their_precision(dtm: str, instant: str | None) -> None:
    assert hl7v2.dtm_to_instant(dtm) == instant
    if instant and len(dtm) != len("202611030930"):
        assert hl7v2.moment_to_dtm(instant) == dtm


def test_a_time_in_another_zone_is_written_in_utc() -> None:
    assert hl7v2.moment_to_dtm("2026-07-01T12:00:00+02:00") == "20260701100000"


def test_delimiters_in_a_text_survive() -> None:
    text = "Dupont & fils^2|~\\"
    assert hl7v2.unescape(hl7v2.escape(text)) == text
    assert not set("^|~&") & set(hl7v2.escape(text))


FIND = "urn:uuid:14d4debf-8f97-4251-9a74-a90016b0af0d"
APPROVED = "'urn:oasis:names:tc:ebxml-regrep:StatusType:Approved'"
ARCHIVED = "'urn:asip:ci-sis:2010:StatusType:Archived'"
DEPRECATED = "'urn:oasis:names:tc:ebxml-regrep:StatusType:Deprecated'"


def searches(**slots: str | tuple[str, ...]) -> list[tuple[tuple[str, str], ...]]:
    given = {"XDSDocumentEntryStatus": f"({APPROVED})", **slots}
    return document_searches(parse_query(etree.fromstring(query_xml(FIND, **given))))


def test_find_documents_becomes_searches() -> None:
    current = (("status", "current"), ("isArchived:not", "true"))
    assert searches() == [current]
    assert searches(XDSDocumentEntryStatus=f"({APPROVED},{ARCHIVED})") == [(("status", "current"),)]
    assert searches(XDSDocumentEntryStatus=(f"({APPROVED})", f"({DEPRECATED})")) == [
        current,
        (("status", "superseded"),),
    ]
    assert searches(XDSDocumentEntryTypeCode="('11488-4^^2.16.840.1.113883.6.1','34112-3^^2.16.840.1.113883.6.1')") == [
        (("type", "http://loinc.org|11488-4,http://loinc.org|34112-3"), *current)
    ]
    assert searches(XDSDocumentEntryCreationTimeFrom="'2026'", XDSDocumentEntryCreationTimeTo="'20270101'") == [
        (("date", "ge2026"), ("date", "lt2027-01-01"), *current)
    ]
    on_demand = "('urn:uuid:34268e47-fdf5-41a6-ba33-82133c465248')"
    assert searches(XDSDocumentEntryType=on_demand) == []


def test_a_quote_in_a_value_is_written_twice() -> None:
    query = parse_query(etree.fromstring(query_xml(FIND, a="('l''un','l''autre', 3)")))
    assert query.values("$a") == ("l'un", "l'autre", "3")


@pytest.mark.parametrize(
    ("slots", "code"),
    [
        ({"XDSDocumentEntryStatus": ()}, "XDSStoredQueryMissingParam"),
        ({"XDSDocumentEntryTypeCode": "('11488-4')"}, "XDSRegistryError"),
        ({"XDSDocumentEntryTypeCode": "(11488"}, "XDSRegistryError"),
        ({"XDSDocumentEntryCreationTimeFrom": "'soon'"}, "XDSRegistryError"),
        ({"XDSDocumentEntryColour": "'blue'"}, "XDSRegistryError"),
    ],
    ids=str,
)
def test_a_query_that_cannot_be_read_is_refused(slots: dict[str, Any], code: str) -> None:
    with pytest.raises(MetadataRefused) as refusal:
        searches(**slots)
    assert refusal.value.code == code
