"""Links within a transaction. Spec: http.html#trules."""

from typing import Any

import pytest

from fhir_server.foundation.operation_outcome import FhirError
from fhir_server.interactions.bundle.links import VERSION_SPECIFIC, Links
from tests.interactions.bundle.test_transaction import bundle, entry
from tests.interactions.conftest import Ask, observation, parsed, patient

pytestmark = pytest.mark.anyio
A = "urn:uuid:6a1c0f50-4a5b-4c3e-9f0e-5b1f0f6b7a01"
O = "urn:oid:1.2.250.1.213"  # noqa: E741 - an organization
PAGE = "http://example.fr/fhir/StructureDefinition/x"
TABLE = {A: "Patient/1", O: "Organization/2", PAGE: "StructureDefinition/3"}


@pytest.mark.spec("http.html#trules")
@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"resourceType": "Observation", "subject": {"reference": A}}, {"subject": {"reference": "Patient/1"}}),
        ({"resourceType": "Patient", "managingOrganization": {"reference": O}}, None),
        ({"resourceType": "Patient", "photo": [{"url": A}]}, {"photo": [{"url": "Patient/1"}]}),
        ({"resourceType": "Patient", "photo": [{"url": f"{A}#p"}]}, {"photo": [{"url": "Patient/1#p"}]}),
        ({"resourceType": "Patient", "extension": [{"url": "x", "valueUri": A}]}, None),
        ({"resourceType": "Patient", "extension": [{"url": "x", "valueReference": {"reference": A}}]}, None),
        ({"resourceType": "Patient", "_gender": {"extension": [{"url": "x", "valueUrl": A}]}}, None),
        ({"resourceType": "Patient", "contained": [{"resourceType": "Media", "subject": {"reference": A}}]}, None),
        ({"resourceType": "Library", "description": f"See [him]({A})."}, {"description": "See [him](Patient/1)."}),
        ({"resourceType": "Parameters", "parameter": [{"name": "x", "valueReference": {"reference": A}}]}, None),
    ],
)
def test_trules_every_link_is_replaced(before: dict[str, Any], after: dict[str, Any] | None) -> None:
    made = Links(TABLE).relink(before)
    assert not [text for text in (A, O) if text in str(made)]
    assert after is None or made == before | after


@pytest.mark.spec("http.html#trules")
@pytest.mark.parametrize(
    "kept",
    [
        {"resourceType": "Patient", "meta": {"profile": [PAGE]}},
        {"resourceType": "Questionnaire", "derivedFrom": [PAGE]},
        {"resourceType": "StructureDefinition", "url": PAGE},
        {"resourceType": "Patient", "identifier": [{"system": "urn:ietf:rfc:3986", "value": A}]},
        {"resourceType": "Patient", "name": [{"text": A}]},
        {"resourceType": "Patient", "nothing": {"reference": A}},
        {"resourceType": "Observation", "subject": {"display": A, "reference": "Patient/9"}},
    ],
)
def test_trules_canonicals_names_and_texts_are_no_links(kept: dict[str, Any]) -> None:
    assert Links(TABLE).relink(kept) is kept


def asking(reference: str) -> dict[str, Any]:
    return observation(reference) | {
        "subject": {"reference": reference, "extension": [{"url": VERSION_SPECIFIC, "valueBoolean": True}]}
    }


@pytest.mark.spec("http.html#trules")
@pytest.mark.parametrize("is_first", [True, False])
@pytest.mark.parametrize(
    ("target", "version"),
    [
        (entry("POST", "Patient", patient(), A), 1),
        (entry("PUT", "Patient/q", patient(id="q"), A), 1),
        (entry("PUT", "Patient/p", patient(id="p"), A), 2),
        (entry("PUT", "Patient?_id=p", patient(), A), 2),
        (entry("POST", "Patient", patient(), A, ifNoneExist="_id=p"), 1),
        (entry("POST", "Patient", patient(), A, ifNoneExist="_id=q"), 1),
    ],
)
async def test_trules_a_reference_can_ask_for_the_version_that_is_made(
    ask: Ask, target: dict[str, Any], version: int, is_first: bool
) -> None:
    await ask("update", "Patient", "p", body=patient(id="p"))
    asked = entry("POST", "Observation", asking(A))
    done = parsed(await ask("transaction", body=bundle(*((asked, target) if is_first else (target, asked)))))
    observed, made = sorted(one["response"]["location"].split("/fhir/")[1] for one in done["entry"])
    assert made.endswith(f"/_history/{version}")
    assert parsed(await ask("read", "Observation", observed.split("/")[1]))["subject"] == {"reference": made}


@pytest.mark.spec("http.html#trules")
async def test_trules_the_version_of_what_is_not_written_is_left_to_others(ask: Ask) -> None:
    done = parsed(await ask("transaction", body=bundle(entry("POST", "Observation", asking("Patient/9")))))
    observed = done["entry"][0]["response"]["location"].split("/")[-3]
    assert parsed(await ask("read", "Observation", observed))["subject"] == asking("Patient/9")["subject"]


@pytest.mark.spec("http.html#transaction")
@pytest.mark.parametrize(
    ("third", "expression"),
    [
        (entry("POST", "Patient", patient(contact=[{"gender": "x"}])), "Bundle.entry[2].resource.contact[0].gender"),
        (entry("POST", "Patient", observation("Patient/1")), "Bundle.entry[2].resource"),
        (entry("POST", "Patient", {"active": True}), "Bundle.entry[2].resource"),
        (entry("GET", "Patient?nothing=1"), "Bundle.entry[2].request"),
        (entry("GET", "Patient/nobody"), "Bundle.entry[2]"),
    ],
)
@pytest.mark.parametrize("kind", ["batch", "transaction"])
async def test_a_refusal_leads_to_the_place(ask: Ask, kind: str, third: Any, expression: str) -> None:
    asked = bundle(entry("GET", "Patient"), entry("GET", "Patient"), third) | {"type": kind}
    if kind == "batch":
        outcome = parsed(await ask("transaction", body=asked))["entry"][2]["response"]["outcome"]
    else:
        with pytest.raises(FhirError) as refused:
            await ask("transaction", body=asked)
        outcome = refused.value.outcome()
    assert outcome["issue"][0]["expression"] == [expression]
