"""How many statements the store is asked for an interaction: it does not grow unseen."""

import pytest

from tests.interactions.conftest import Ask, observation, patient

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
