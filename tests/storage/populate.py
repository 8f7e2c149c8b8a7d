"""One patient's record as a store gets it, made fast: for measuring with a million resources."""

from datetime import UTC, date, datetime, timedelta

from fhir_server.commands.population import Population
from fhir_server.foundation import fhir_json
from fhir_server.foundation.resource import Version
from fhir_server.interactions.governance import INDEXING
from fhir_server.search.index_row import IndexRow

DEPOSITOR = "Device/lab"
STORED = datetime(2026, 1, 1, tzinfo=UTC)


def observations_of(patient: int, count: int) -> list[tuple[Version, list[IndexRow]]]:
    """The patient `p<number>` and so many observations."""
    people = Population(seed=patient)
    resources = [{**people.patient(), "id": f"p{patient}"}]
    for number in range(count):
        day = date(2024, 1, 1) + timedelta(days=number)
        resources.append({**people.observation(f"Patient/p{patient}", number, day), "id": f"o{patient}-{number}"})
    return [
        (
            Version(
                resource["resourceType"], resource["id"], 1, STORED, fhir_json.format(resource), False, "Device/lab"
            ),
            INDEXING.rows(resource, "Device/lab"),
        )
        for resource in resources
    ]
