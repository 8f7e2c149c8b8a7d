"""How many statements the store is asked for an interaction: it does not grow unseen."""

import pytest

from fhir_server.access.grant import Grant
from fhir_server.access.scopes import parse_scopes
from tests.interactions.conftest import Ask, observation, parsed, patient

pytestmark = pytest.mark.anyio


async def test_a_read_is_one_statement(ask: Ask, statements: list[str]) -> None:
    await ask("create", "Patient", body=patient())
    statements.clear()
    await ask("read", "Patient", "new-1")
    assert len(statements) == 1


async def test_a_search_is_one_statement_and_includes_are_one_more(ask: Ask, statements: list[str]) -> None:
    await ask("create", "Patient", body=patient())
    for _ in range(5):
        await ask("create", "Observation", body=observation("Patient/new-1"))
    statements.clear()
    await ask("search", "Observation", parameters=(("subject", "Patient/new-1"), ("status", "final")))
    assert len(statements) == 1
    statements.clear()
    await ask("search", "Observation", parameters=(("_include", "Observation:subject"),))
    assert len(statements) == 2


async def test_a_transaction_costs_a_constant_for_each_entry(ask: Ask, statements: list[str]) -> None:
    costs = []
    # The first one pays for names that the store has not met yet.
    for size in (1, 20, 40):
        entries = [
            {"request": {"method": "POST", "url": "Observation"}, "resource": observation("Patient/1")}
            for _ in range(size)
        ]
        statements.clear()
        await ask("transaction", body={"resourceType": "Bundle", "type": "transaction", "entry": entries})
        costs.append(len(statements))
    assert costs[2] - costs[1] <= 2 * 20
    assert costs[2] <= 2 * costs[1]


ESTABLISHMENT = Grant(
    "professional",
    "Practitioner/1",
    "software",
    parse_scopes("user/*.rs"),
    organizations=("Organization/hospital",),
    profession="10",
)


@pytest.mark.parametrize("number", [3, 300])
async def test_a_search_among_all_his_patients_is_one_statement_however_many_they_are(
    ask: Ask, statements: list[str], number: int
) -> None:
    entries = []
    for index in range(number):
        team = {
            "resourceType": "CareTeam",
            "status": "active",
            "subject": {"reference": f"Patient/{index}"},
            "participant": [{"member": {"reference": "Organization/hospital"}}],
        }
        for resource in (team, observation(f"Patient/{index}")):
            request = {"method": "POST", "url": resource["resourceType"]}
            entries.append({"request": request, "resource": resource})
    await ask("transaction", body={"resourceType": "Bundle", "type": "transaction", "entry": entries})
    statements.clear()
    found = parsed(await ask("search", "Observation", grant=ESTABLISHMENT, parameters=(("_count", "5"),)))
    asked = {
        text for text in statements if "journal" not in text and not text.startswith(("BEGIN", "COMMIT", "INSERT"))
    }
    # One that takes longer than a few milliseconds begins again in another thread: the same one.
    assert len(asked) == 1
    assert len(found["entry"]) == min(number, 5)
    assert not any(f"Patient/{index}" in text for text in asked for index in range(number))
