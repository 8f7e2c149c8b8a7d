"""Spec: http.html#transaction, http.html#trules."""

from typing import Any

import pytest
from msgspec.structs import replace

from fhir_server.access.grant import OPEN
from fhir_server.foundation.operation_outcome import (
    BadRequest,
    FhirError,
    MultipleMatches,
    NotFound,
    PreconditionFailed,
    Unavailable,
    Unprocessable,
    VersionConflict,
)
from fhir_server.interactions.dispatch import dispatch
from fhir_server.interactions.request import Request, Runtime
from tests.interactions.conftest import Ask, observation, parsed, patient

pytestmark = pytest.mark.anyio

A, B = "urn:uuid:05efabf0-4be2-4561-91ce-51548425acb9", "urn:uuid:05efabf0-4be2-4561-91ce-51548425acba"
NAMED = patient(identifier=[{"system": "urn:s", "value": "1"}])


def entry(method: str, url: str, resource: Any = None, full_url: str = "", **request: str) -> dict[str, Any]:
    made: dict[str, Any] = {"request": {"method": method, "url": url, **request}}
    if resource is not None:
        made["resource"] = resource
    if full_url:
        made["fullUrl"] = full_url
    return made


def bundle(*entries: dict[str, Any], bundle_type: str = "transaction") -> dict[str, Any]:
    return {"resourceType": "Bundle", "type": bundle_type, "entry": [*entries]}


def statuses(body: dict[str, Any]) -> list[str]:
    return [one["response"]["status"][:3] for one in body["entry"]]


@pytest.mark.spec("http.html#trules")
async def test_trules_urn_references_become_the_ids_that_are_given(ask: Ask) -> None:
    narrative = {
        "status": "generated",
        "div": f'<div xmlns="http://www.w3.org/1999/xhtml"><a href="{A}">Elle</a></div>',
    }
    body = parsed(
        await ask(
            "transaction",
            body=bundle(
                entry("POST", "Observation", observation(A, text=narrative, identifier=[{"value": A}]), B),
                entry("POST", "Patient", patient(), A),
            ),
        )
    )
    assert body["type"] == "transaction-response"
    assert statuses(body) == ["201", "201"]
    observed, patient_id = (one["response"]["location"].split("/")[-3] for one in body["entry"])
    stored = parsed(await ask("read", "Observation", observed))
    assert stored["subject"]["reference"] == f"Patient/{patient_id}"
    assert f'href="Patient/{patient_id}"' in stored["text"]["div"]
    assert stored["identifier"][0]["value"] == A


@pytest.mark.spec("bundle.html#references")
async def test_references_relative_ones_resolve_against_the_full_url(ask: Ask) -> None:
    base = "http://elsewhere.example.fr/r4"
    body = parsed(
        await ask(
            "transaction",
            body=bundle(
                entry("POST", "Patient", patient(id="9"), f"{base}/Patient/9"),
                entry("POST", "Observation", observation("Patient/9"), f"{base}/Observation/8"),
            ),
        )
    )
    patient_id, observed = (one["response"]["location"].split("/")[-3] for one in body["entry"])
    stored = parsed(await ask("read", "Observation", observed))
    assert stored["subject"]["reference"] == f"Patient/{patient_id}"


@pytest.mark.spec("http.html#trules")
async def test_trules_order_is_delete_post_put_get_and_answers_keep_the_bundles(ask: Ask) -> None:
    await ask("update", "Patient", "old", body=patient(id="old"))
    await ask("update", "Patient", "kept", body=patient(id="kept"))
    body = parsed(
        await ask(
            "transaction",
            body=bundle(
                entry("GET", "Patient?_total=accurate"),
                entry("PUT", "Patient/kept", patient(id="kept", gender="male")),
                entry("POST", "Patient", patient()),
                entry("DELETE", "Patient/old"),
                entry("GET", "Patient/kept"),
            ),
        )
    )
    assert statuses(body) == ["200", "200", "201", "204", "200"]
    assert body["entry"][0]["resource"]["total"] == 2
    assert body["entry"][4]["resource"]["gender"] == "male"


@pytest.mark.spec("http.html#transaction")
async def test_transaction_is_all_or_nothing_and_names_the_entry(ask: Ask) -> None:
    with pytest.raises(Unprocessable) as refused:
        await ask(
            "transaction",
            body=bundle(entry("POST", "Patient", patient()), entry("POST", "Patient", patient(gender="x"))),
        )
    assert refused.value.issues[0].expression[0].startswith("Bundle.entry[1].resource.")
    with pytest.raises(VersionConflict) as failed:
        await ask(
            "transaction",
            body=bundle(
                entry("POST", "Patient", patient()),
                entry("PUT", "Patient/p", patient(id="p"), ifMatch='W/"3"'),
            ),
        )
    assert failed.value.issues[0].expression == ("Bundle.entry[1]",)
    assert "entry" not in parsed(await ask("search", "Patient"))


@pytest.mark.spec("http.html#trules")
async def test_trules_two_entries_on_one_resource_are_refused(ask: Ask) -> None:
    with pytest.raises(Unprocessable, match="too"):
        await ask(
            "transaction",
            body=bundle(entry("PUT", "Patient/p", patient(id="p")), entry("PUT", "Patient/p", patient(id="p"))),
        )
    await ask("update", "Patient", "p", body=NAMED | {"id": "p"})
    with pytest.raises(Unprocessable, match="too"):
        await ask(
            "transaction",
            body=bundle(
                entry("PUT", "Patient/p", NAMED | {"id": "p"}), entry("PUT", "Patient?identifier=urn:s|1", NAMED)
            ),
        )


@pytest.mark.spec("http.html#ccreate")
async def test_conditional_create_is_linked_to_its_match(ask: Ask) -> None:
    created = bundle(
        entry("POST", "Patient", NAMED, A, ifNoneExist="identifier=urn:s|1"),
        entry("POST", "Observation", observation(A), B),
    )
    first = parsed(await ask("transaction", body=created))
    second = parsed(await ask("transaction", body=created))
    assert (statuses(first), statuses(second)) == (["201", "201"], ["200", "201"])
    assert first["entry"][0]["response"]["location"] == second["entry"][0]["response"]["location"]
    patient_id = first["entry"][0]["response"]["location"].split("/")[-3]
    found = parsed(await ask("search", "Observation", parameters=(("subject", f"Patient/{patient_id}"),)))
    assert len(found["entry"]) == 2


@pytest.mark.spec("http.html#ccreate")
async def test_conditional_create_twice_in_one_bundle_creates_once(ask: Ask) -> None:
    criteria = "identifier=urn:s|1"
    body = parsed(
        await ask(
            "transaction",
            body=bundle(
                entry("POST", "Patient", NAMED, A, ifNoneExist=criteria),
                entry("POST", "Patient", NAMED, B, ifNoneExist=criteria),
                entry("POST", "Observation", observation(B)),
            ),
        )
    )
    assert statuses(body) == ["201", "200", "201"]
    patient_id = body["entry"][0]["response"]["location"].split("/")[-3]
    assert (
        parsed(await ask("search", "Observation"))["entry"][0]["resource"]["subject"]["reference"]
        == f"Patient/{patient_id}"
    )


@pytest.mark.spec("http.html#cond-update")
async def test_conditional_update_is_linked_to_its_match(ask: Ask) -> None:
    await ask("update", "Patient", "p", body=NAMED | {"id": "p"})
    body = parsed(
        await ask(
            "transaction",
            body=bundle(
                entry("PUT", "Patient?identifier=urn:s|1", NAMED | {"gender": "male"}, A),
                entry("POST", "Observation", observation(A)),
            ),
        )
    )
    assert statuses(body) == ["200", "201"]
    stored = parsed(await ask("search", "Observation"))["entry"][0]["resource"]
    assert stored["subject"]["reference"] == "Patient/p"
    assert parsed(await ask("read", "Patient", "p"))["gender"] == "male"


@pytest.mark.spec("http.html#trules")
async def test_conditional_reference_names_what_is_stored_or_comes_in_the_bundle(ask: Ask) -> None:
    pointing = entry("POST", "Observation", observation("Patient?identifier=urn:s|1"))
    with pytest.raises(PreconditionFailed) as refused:
        await ask("transaction", body=bundle(pointing))
    assert refused.value.issues[0].expression == ("Bundle.entry[0]",)
    body = parsed(await ask("transaction", body=bundle(pointing, entry("POST", "Patient", NAMED, A))))
    patient_id = body["entry"][1]["response"]["location"].split("/")[-3]
    stored = parsed(await ask("search", "Observation"))["entry"][0]["resource"]
    assert stored["subject"]["reference"] == f"Patient/{patient_id}"
    await ask("create", "Patient", body=NAMED)
    with pytest.raises(MultipleMatches):
        await ask("transaction", body=bundle(pointing))


@pytest.mark.spec("http.html#prefer")
async def test_prefer_representation_brings_back_what_was_written(ask: Ask) -> None:
    body = bundle(entry("POST", "Patient", patient()))
    assert "resource" not in parsed(await ask("transaction", body=body))["entry"][0]
    shown = parsed(await ask("transaction", body=body, prefer_return="representation"))
    assert shown["entry"][0]["resource"]["resourceType"] == "Patient"


@pytest.mark.spec("http.html#transaction")
@pytest.mark.parametrize(
    "body",
    [
        patient(),
        {"resourceType": "Bundle", "type": "collection"},
        {"resourceType": "Bundle", "type": "transaction", "entry": {}},
        bundle({}),
        bundle({"request": {"method": "POST"}, "resource": patient()}),
        bundle(entry("POST", "Patient")),
        bundle(entry("FETCH", "Patient/1")),
        bundle(entry("POST", "", bundle())),
        bundle(entry("POST", "$convert-cda", patient())),
        bundle(entry("POST", "Patient", patient(), A), entry("POST", "Patient", patient(), A)),
        bundle(entry("PUT", "Patient/a", patient(id="b"))),
        bundle(entry("GET", "Patient/nobody")),
        bundle({"request": {"method": 1, "url": 2}}),
        bundle({"request": {"method": "GET", "url": "Patient/1", "ifModifiedSince": "yesterday"}}),
        bundle(3),  # type: ignore[arg-type]
    ],
)
async def test_transaction_that_cannot_be_is_refused_and_writes_nothing(ask: Ask, body: dict[str, Any]) -> None:
    with pytest.raises(FhirError) as refused:
        await ask("transaction", body=body)
    assert 400 <= refused.value.status < 500
    assert "entry" not in parsed(await ask("search", "Patient"))


@pytest.mark.spec("http.html#brules")
async def test_brules_each_entry_of_a_batch_stands_for_itself(ask: Ask) -> None:
    body = parsed(
        await ask(
            "transaction",
            body=bundle(
                entry("GET", "Patient/nobody"),
                entry("POST", "Patient", patient()),
                entry("POST", "Patient", patient(gender="x")),
                {"request": {}},
                entry("GET", "metadata"),
                bundle_type="batch",
            ),
        )
    )
    assert body["type"] == "batch-response"
    assert statuses(body) == ["404", "201", "422", "422", "200"]
    refused = body["entry"][2]["response"]["outcome"]
    assert refused["issue"][0]["expression"][0].startswith("Bundle.entry[2]")


@pytest.mark.spec("http.html#head")
@pytest.mark.parametrize("kind", ["batch", "transaction"])
async def test_head_in_a_bundle_answers_without_the_resource(ask: Ask, kind: str) -> None:
    await ask("update", "Patient", "p", body=patient(id="p"))
    asked = bundle(entry("HEAD", "Patient/p"), entry("GET", "Patient/p"), bundle_type=kind)
    head, get = parsed(await ask("transaction", body=asked, prefer_return="representation"))["entry"]
    assert (head["response"]["etag"], "resource" in head, "resource" in get) == ('W/"1"', False, True)


@pytest.mark.spec("bundle.html#references")
async def test_references_to_a_version_of_what_the_bundle_writes_follow_it(ask: Ask) -> None:
    base = "http://elsewhere.example.fr/r4"
    for reference in (f"{A}", f"{base}/Patient/9/_history/4", "Patient/9/_history/4"):
        full_url = A if reference == A else f"{base}/Patient/9"
        done = parsed(
            await ask(
                "transaction",
                body=bundle(
                    entry("POST", "Patient", patient(), full_url),
                    entry("POST", "Observation", observation(reference), f"{base}/Observation/8"),
                ),
            )
        )
        made, observed = (one["response"]["location"].split("/")[-3] for one in done["entry"])
        stored = parsed(await ask("read", "Observation", observed))
        assert stored["subject"]["reference"] == f"Patient/{made}"


@pytest.mark.spec("http.html#cond-update")
async def test_cond_update_whose_match_has_another_id_is_400(ask: Ask) -> None:
    await ask("create", "Patient", body=NAMED)
    with pytest.raises(BadRequest):
        await ask("transaction", body=bundle(entry("PUT", "Patient?identifier=urn:s|1", NAMED | {"id": "mine"})))


@pytest.mark.spec("http.html#transaction")
async def test_transaction_that_takes_too_long_does_nothing(ask: Ask, runtime: Runtime) -> None:
    hasty = replace(runtime, limits=replace(runtime.limits, request_seconds=-1.0))
    sent = bundle(entry("PUT", "Patient/p", patient(id="p")))
    with pytest.raises(Unavailable):
        await dispatch(Request("transaction", OPEN, resource=sent), hasty)
    with pytest.raises(NotFound):
        await ask("read", "Patient", "p")
