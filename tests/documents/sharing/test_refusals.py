"""Bad submissions: each is refused whole, at its place, and nothing is written."""

import io
import zipfile
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from fhir_server.access.grant import OPEN, Grant
from fhir_server.access.scopes import parse_scopes
from fhir_server.foundation.operation_outcome import FhirError
from fhir_server.interactions.request import Runtime
from fhir_server.storage.store import History
from tests.documents.conftest import BIOLOGY, LABORATORY, OTHER
from tests.documents.sharing.conftest import Ask, Provide, location
from tests.documents.sharing.submissions import (
    INS,
    NUMBER,
    OTHER_NUMBER,
    Resource,
    binary,
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
Change = Callable[[Resource], Any]


def at(*path: str | int, value: Any = None) -> Change:
    """Set what is at a path of a bundle, or delete it when the value is None."""

    def change(bundle: Resource) -> None:
        parent: Any = bundle
        for step in path[:-1]:
            parent = parent[step]
        if value is None:
            del parent[path[-1]]
        else:
            parent[path[-1]] = value

    return change


def described(*path: str | int, value: Any = None) -> Change:
    return at("entry", 1, "resource", *path, value=value)


def attached(name: str, value: Any = None) -> Change:
    return described("content", 0, "attachment", name, value=value)


def listed(*path: str | int, value: Any = None) -> Change:
    return at("entry", 0, "resource", *path, value=value)


def added(*more: Resource) -> Change:
    return lambda bundle: bundle["entry"].extend(more)


def bomb() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", bytes(20_000_000))
    return file.getvalue()


def with_content(content: bytes, content_type: str) -> Change:
    def change(bundle: Resource) -> None:
        made = submission(content=content)["entry"]
        bundle["entry"][1]["resource"]["content"] = made[1]["resource"]["content"]
        bundle["entry"][1]["resource"]["content"][0]["attachment"]["contentType"] = content_type
        bundle["entry"][2]["resource"] = binary(content, content_type)

    return change


def twice(bundle: Resource) -> None:
    second = document("1.2.250.1.999.1")
    second["content"][0]["attachment"]["url"] = url(5)
    bundle["entry"] += [entry(4, second), entry(5, binary())]
    bundle["entry"][0]["resource"]["entry"].append({"item": {"reference": url(4)}})


ENTRY = "Bundle.entry[1].resource"
BAD: dict[str, tuple[Change, int, str]] = {
    "wrong hash": (attached("hash", "2jmj7l5rSw0yVb/vlWAYkK/YBwk="), 422, f"{ENTRY}.content[0].attachment.hash"),
    "wrong size": (attached("size", 12), 422, f"{ENTRY}.content[0].attachment.size"),
    "no uniqueId": (described("masterIdentifier"), 422, f"{ENTRY}.masterIdentifier"),
    "uniqueId without system": (
        described("masterIdentifier", value={"value": "1"}),
        422,
        f"{ENTRY}.masterIdentifier",
    ),
    "uniqueId that is no URI": (
        described("masterIdentifier", "value", value="1.2.3 4"),
        422,
        f"{ENTRY}.masterIdentifier",
    ),
    "no type": (described("type"), 422, f"{ENTRY}.type"),
    "a type without a class, and no category": (
        described("type", value={"coding": [{"code": "unknown"}]}),
        422,
        f"{ENTRY}.category",
    ),
    "no author": (described("author"), 422, f"{ENTRY}.author"),
    "no label": (described("securityLabel"), 422, f"{ENTRY}.securityLabel"),
    "no title": (attached("title"), 422, f"{ENTRY}.content.attachment.title"),
    "no language": (attached("language"), 422, f"{ENTRY}.content.attachment.language"),
    "no start of the act": (described("context", "period", "start"), 422, f"{ENTRY}.context.period.start"),
    "no facility": (described("context", "facilityType"), 422, f"{ENTRY}.context.facilityType"),
    "no subject": (described("subject"), 422, f"{ENTRY}.subject"),
    "an unknown patient": (
        lambda bundle: [
            part["resource"].update(subject={"reference": f"Patient?identifier={INS}|1"})
            for part in bundle["entry"][:2]
        ],
        422,
        f"{ENTRY}.subject",
    ),
    "two patients": (
        described("subject", value={"reference": f"Patient?identifier={INS}|{OTHER_NUMBER}"}),
        422,
        f"{ENTRY}.subject",
    ),
    "a source patient who is another": (
        described("contained", 0, "identifier", 0, "value", value=OTHER_NUMBER),
        422,
        f"{ENTRY}.context.sourcePatientInfo",
    ),
    "a patient of the bundle without INS": (
        added(entry(9, {"resourceType": "Patient", "identifier": [{"system": "urn:oid:1.2", "value": "IPP"}]})),
        422,
        "Bundle.entry[3].resource",
    ),
    "a status that is not current": (described("status", value="superseded"), 422, f"{ENTRY}.status"),
    "a docStatus": (described("docStatus", value="final"), 422, f"{ENTRY}.docStatus"),
    "no valid FHIR": (described("status", value=7), 422, f"{ENTRY}.status"),
    "an unknown element": (described("colour", value="red"), 422, "Bundle.entry[1]"),
    "a missing Binary": (lambda bundle: bundle["entry"].pop(), 422, f"{ENTRY}.content[0].attachment.url"),
    "an orphan Binary": (added(entry(9, binary(b"%PDF orphan"))), 422, "Bundle.entry[3].resource"),
    "inline data": (attached("data", "JVBERi0="), 422, f"{ENTRY}.content[0].attachment.data"),
    "wrong base64": (at("entry", 2, "resource", "data", value="JVBER*"), 422, "Bundle.entry[2].resource.data"),
    "an empty document": (at("entry", 2, "resource", "data"), 422, f"{ENTRY}.content[0].attachment"),
    "another media type in the Binary": (
        at("entry", 2, "resource", "contentType", value="image/png"),
        422,
        f"{ENTRY}.content[0].attachment.contentType",
    ),
    "a CDA under the name of a PDF": (
        with_content(BIOLOGY, "application/pdf"),
        422,
        f"{ENTRY}.content[0].attachment.contentType",
    ),
    "a CDA with another id": (with_content(BIOLOGY, "text/xml"), 422, f"{ENTRY}.masterIdentifier"),
    "a zip bomb": (with_content(bomb(), "application/zip"), 422, f"{ENTRY}.content[0].attachment"),
    "no submission set": (lambda bundle: bundle["entry"].pop(0), 422, "Bundle.entry"),
    "two submission sets": (added(entry(9, submission_set(url(2)))), 422, "Bundle.entry"),
    "a set that does not name the document": (
        listed("entry", 0, "item", "reference", value="DocumentReference/other"),
        422,
        ENTRY,
    ),
    "a set that names what is not there": (
        lambda bundle: bundle["entry"][0]["resource"]["entry"].append({"item": {"reference": url(8)}}),
        422,
        "Bundle.entry[0].resource.entry[1].item",
    ),
    "an empty set": (listed("entry"), 422, "Bundle.entry[0].resource.entry"),
    "no sourceId": (
        lambda bundle: bundle["entry"][0]["resource"]["extension"].pop(),
        422,
        "Bundle.entry[0].resource.extension",
    ),
    "a set that is retired": (listed("status", value="retired"), 422, "Bundle.entry[0].resource.status"),
    "a folder without title or date": (
        added(entry(9, {name: value for name, value in folder(url(2)).items() if name != "date"})),
        422,
        "Bundle.entry[3].resource.date",
    ),
    "one uniqueId twice": (twice, 422, "Bundle.entry[3].resource"),
    "an Observation": (
        added(entry(9, {"resourceType": "Observation", "status": "final", "code": {"text": "x"}})),
        422,
        "Bundle.entry[3].resource",
    ),
    "an entry that deletes": (
        added({"request": {"method": "DELETE", "url": "DocumentReference/1"}}),
        422,
        "Bundle.entry[3]",
    ),
    "a condition": (at("entry", 1, "request", "ifNoneExist", value="identifier=1"), 422, ENTRY),
    "a relation to nothing": (
        described("relatesTo", value=[{"code": "appends", "target": {"reference": "DocumentReference/none"}}]),
        422,
        f"{ENTRY}.relatesTo[0].target",
    ),
    "an author who is nowhere": (
        described("author", value=[{"reference": "Practitioner?identifier=none|1"}]),
        422,
        ENTRY,
    ),
}


async def state(runtime: Runtime) -> tuple[int | None, int]:
    """How many versions of anything there are, and how many records of ours."""
    page = await runtime.store.history(History(limit=1))
    return page.total, len(await runtime.store.records("governor"))


@pytest.mark.spec("https://profiles.ihe.net/ITI/MHD/ITI-65.html")
@pytest.mark.parametrize("name", BAD)
async def test_a_bad_submission_is_refused_whole(name: str, provide: Provide, record: str, runtime: Runtime) -> None:
    change, status, expression = BAD[name]
    asked = submission()
    change(asked)
    before = await state(runtime)
    with pytest.raises(FhirError) as refused:
        await provide(asked)
    assert refused.value.status == status, refused.value.issues
    told = [place for issue in refused.value.issues for place in issue.expression]
    assert any(place.startswith(expression) for place in told), refused.value.issues
    assert all(issue.diagnostics for issue in refused.value.issues)
    assert await state(runtime) == before


def test_there_are_thirty_kinds_and_more() -> None:
    assert len(BAD) >= 40


async def test_all_that_is_wrong_is_told_at_once(provide: Provide, record: str) -> None:
    asked = submission()
    for change in (attached("title"), described("type"), listed("entry", 0, "item", "reference", value=url(8))):
        change(asked)
    with pytest.raises(FhirError) as refused:
        await provide(asked)
    assert {issue.details for issue in refused.value.issues} >= {
        "XDSMissingDocumentMetadata",
        "XDSRegistryMetadataError",
    }
    assert len(refused.value.issues) >= 3


async def test_a_known_unique_id_is_refused(provide: Provide, record: str, runtime: Runtime) -> None:
    await provide(submission())
    before = await state(runtime)
    with pytest.raises(FhirError, match="here already") as refused:
        await provide(submission(), OTHER)
    assert refused.value.status == 409
    assert refused.value.issues[0].expression == (f"{ENTRY}.masterIdentifier",)
    assert await state(runtime) == before


async def test_a_document_is_replaced_once(provide: Provide, record: str, runtime: Runtime) -> None:
    old = location(await provide(submission()), 1)
    await provide(replacing("1.2.250.1.999.2", old))
    before = await state(runtime)
    with pytest.raises(FhirError, match="only once") as refused:
        await provide(replacing("1.2.250.1.999.3", old))
    assert refused.value.status == 409
    assert await state(runtime) == before


async def test_nobody_replaces_what_others_published(provide: Provide, record: str, runtime: Runtime) -> None:
    old = location(await provide(submission()), 1)
    before = await state(runtime)
    with pytest.raises(FhirError) as refused:
        await provide(replacing("1.2.250.1.999.2", old), OTHER)
    # The other laboratory does not see it, and is not told that it is there.
    assert (refused.value.status, refused.value.issues[0].code) == (422, "not-found")
    assert await state(runtime) == before


async def test_a_document_of_another_patient_is_not_replaced(
    provide: Provide, ask: Ask, record: str, runtime: Runtime
) -> None:
    old = location(await provide(submission()), 1)
    asked = replacing("1.2.250.1.999.2", old)
    for index in (0, 1):
        asked["entry"][index]["resource"]["subject"] = {"reference": f"Patient?identifier={INS}|{OTHER_NUMBER}"}
    asked["entry"][1]["resource"]["contained"][0]["identifier"][0]["value"] = OTHER_NUMBER
    before = await state(runtime)
    with pytest.raises(FhirError) as refused:
        await provide(asked)
    assert "XDSPatientIdDoesNotMatch" in {issue.details for issue in refused.value.issues}
    assert await state(runtime) == before


async def test_a_patch_of_a_submission_ends_what_is_replaced_and_nothing_else(
    provide: Provide, record: str, runtime: Runtime
) -> None:
    first = location(await provide(submission()), 1)
    second = location(await provide(submission("1.2.250.1.999.2", b"%PDF other")), 1)
    for change in (
        at("entry", 2, "request", "url", value=second),
        at("entry", 2, "resource", "parameter", 0, "part", 1, "valueString", value="DocumentReference.type"),
    ):
        asked = replacing("1.2.250.1.999.3", first)
        change(asked)
        before = await state(runtime)
        with pytest.raises(FhirError) as refused:
            await provide(asked)
        assert refused.value.issues[0].expression == ("Bundle.entry[2].resource",)
        assert await state(runtime) == before


async def test_a_closed_record_is_not_fed(provide: Provide, ask: Ask, record: str, runtime: Runtime) -> None:
    resource_id = record.partition("/")[2]
    stored = msgspec.json.decode((await ask("read", "Patient", resource_id=resource_id)).content)
    await ask("update", "Patient", resource_id=resource_id, resource={**stored, "active": False})
    before = await state(runtime)
    with pytest.raises(FhirError) as refused:
        await provide(submission())
    assert refused.value.status == 403
    assert await state(runtime) == before


async def test_without_the_scope_nothing_is_written(provide: Provide, record: str, runtime: Runtime) -> None:
    before = await state(runtime)
    with pytest.raises(FhirError) as refused:
        await provide(submission(), msgspec.structs.replace(LABORATORY, scopes=()))
    assert refused.value.status == 403
    assert await state(runtime) == before


@pytest.mark.parametrize("named", ["Patient?identifier={ins}|{number}", "Patient/{id}", "a Patient of the submission"])
async def test_a_patient_does_not_learn_who_else_has_a_record(
    named: str, provide: Provide, ask: Ask, record: str, runtime: Runtime
) -> None:
    found = await ask("search", "Patient", parameters=(("identifier", f"{INS}|{OTHER_NUMBER}"),))
    other = msgspec.json.decode(found.content)["entry"][0]["resource"]["id"]
    own = record.partition("/")[2]
    holder = Grant("patient", record, "app", parse_scopes("patient/*.cruds"), patient_id=own)
    told = []
    for number, resource_id in ((OTHER_NUMBER, other), ("299999999999934", "nobody")):
        asked = submission()
        subject = {"reference": named.format(ins=INS, number=number, id=resource_id)}
        if named.startswith("a "):
            asked["entry"].append(entry(9, patient(number)))
            subject = {"reference": asked["entry"][-1]["fullUrl"]}
        for index in (0, 1):
            asked["entry"][index]["resource"]["subject"] = subject
        with pytest.raises(FhirError) as refused:
            await provide(asked, holder)
        told.append((refused.value.status, str(refused.value.issues).replace(number, "").replace(resource_id, "")))
    assert told[0] == told[1]


async def test_patients_are_not_changed_by_a_submission(provide: Provide, record: str) -> None:
    asked = submission()
    asked["entry"].append(entry(9, {**patient(), "id": record.partition("/")[2]}, "PUT", record))
    with pytest.raises(FhirError) as refused:
        await provide(asked, OPEN)
    assert refused.value.issues[0].expression == ("Bundle.entry[3].resource",)


@pytest.mark.parametrize(
    "subject",
    ["Patient?family=PATIENT", f"Patient?identifier={INS}|{NUMBER}&gender=female", "Patient?birthdate=1979-03-28"],
)
async def test_a_search_in_a_reference_tells_nothing_of_people(provide: Provide, record: str, subject: str) -> None:
    """The laboratory sees no patient: only an INS, which it knows, names one for it."""
    asked = submission()
    for index in (0, 1):
        asked["entry"][index]["resource"]["subject"] = {"reference": subject}
    with pytest.raises(FhirError) as refused:
        await provide(asked)
    assert {issue.details for issue in refused.value.issues} == {"XDSUnknownPatientId"}


async def test_a_search_in_a_relation_tells_nothing_of_documents(provide: Provide, record: str) -> None:
    for number in (1, 2):
        await provide(submission(f"1.2.250.1.999.{number}", b"%PDF" + bytes([48 + number])))
    for criteria in ("status=current", "identifier=urn:ietf:rfc:3986|urn:oid:1.2.250.1.999.1"):
        relation = [{"code": "appends", "target": {"reference": f"DocumentReference?{criteria}"}}]
        with pytest.raises(FhirError) as refused:
            await provide(submission("1.2.250.1.999.3", relatesTo=relation), OTHER)
        assert refused.value.issues[0].code == "not-found"


async def test_who_may_not_make_patients_brings_none(provide: Provide, record: str, runtime: Runtime) -> None:
    narrow = msgspec.structs.replace(LABORATORY, scopes=parse_scopes("system/List.c system/DocumentReference.c"))
    asked = submission()
    asked["entry"].append(entry(7, patient("180015912300999")))
    before = await state(runtime)
    with pytest.raises(FhirError) as refused:
        await provide(asked, narrow)
    assert refused.value.status == 403
    assert await state(runtime) == before
