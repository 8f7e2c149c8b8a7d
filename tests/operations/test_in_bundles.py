"""Operations as entries of batches and transactions. Spec: http.html#transaction, operations.html."""

from typing import Any

import pytest

from fhir_server.foundation.operation_outcome import BadRequest, NotFound, Unprocessable
from tests.operations.conftest import Ask, parameters, parsed, patient

pytestmark = pytest.mark.anyio


def entry(method: str, url: str, resource: Any = None) -> dict[str, Any]:
    return {"request": {"method": method, "url": url}, **({"resource": resource} if resource else {})}


def bundle(kind: str, *entries: dict[str, Any]) -> dict[str, Any]:
    return {"resourceType": "Bundle", "type": kind, "entry": [*entries]}


@pytest.mark.spec("http.html#transaction")
@pytest.mark.parametrize("kind", ["batch", "transaction"])
async def test_operations_are_entries_as_interactions_are(ask: Ask, kind: str) -> None:
    await ask("update", "Patient/1", patient("1"))
    given = parameters(resource={"resource": patient("x", gender="y")})
    asked = bundle(
        kind,
        entry("POST", "$validate", given),
        entry("PUT", "Patient/2", patient("2")),
        entry("GET", "Patient/1/$everything?_type=Patient"),
        entry("GET", "CodeSystem/$lookup?system=http://hl7.org/fhir/administrative-gender&code=male"),
        entry("GET", "metadata?mode=terminology"),
        entry("GET", "Patient/1/$meta"),
    )
    answered = parsed(await ask("transaction", "", asked))["entry"]
    kinds = [one["resource"]["resourceType"] if "resource" in one else "" for one in answered]
    assert kinds == ["OperationOutcome", "", "Bundle", "Parameters", "TerminologyCapabilities", "Parameters"]
    assert [one["response"]["status"][:3] for one in answered] == ["200", "201", "200", "200", "200", "200"]


@pytest.mark.spec("http.html#transaction")
@pytest.mark.parametrize(
    ("url", "refusal"),
    [
        ("Patient/nobody/$everything", NotFound),
        ("Patient/1/$nothing", NotFound),
        ("Patient/1/$everything?x=1", BadRequest),
        ("Patient/2/$everything", Unprocessable),
        ("Patient?_explain=true", BadRequest),
    ],
)
async def test_an_operation_that_is_refused_refuses_the_transaction(
    ask: Ask, url: str, refusal: type[Exception]
) -> None:
    await ask("update", "Patient/1", patient("1"))
    with pytest.raises(refusal):
        await ask("transaction", "", bundle("transaction", entry("PUT", "Patient/2", patient("2")), entry("GET", url)))
    with pytest.raises(NotFound):
        await ask("read", "Patient/2")


@pytest.mark.spec("http.html#transaction")
async def test_an_operation_that_writes_is_not_in_a_transaction(ask: Ask) -> None:
    await ask("update", "Patient/1", patient("1"))
    tagged = parameters(meta={"valueMeta": {"tag": [{"system": "urn:t", "code": "a"}]}})
    with pytest.raises(Unprocessable):
        await ask("transaction", "", bundle("transaction", entry("POST", "Patient/1/$meta-add", tagged)))
    done = parsed(await ask("transaction", "", bundle("batch", entry("POST", "Patient/1/$meta-add", tagged))))
    assert done["entry"][0]["response"]["status"][:3] == "200"
