"""What is promised is what is routed. Spec: http.html#capabilities, capabilitystatement.html."""

import pytest

from fhir_server.foundation.operation_outcome import BadRequest, FhirError
from fhir_server.foundation.structure import RESOURCE_TYPES
from fhir_server.interactions.bundle.route import route
from fhir_server.interactions.capabilities import SYSTEM_INTERACTIONS, TYPE_INTERACTIONS
from fhir_server.interactions.request import Runtime
from fhir_server.validation.validate import validate
from tests.interactions.conftest import Ask, parsed

pytestmark = pytest.mark.anyio

ADDRESSES = {
    "read": ("GET", "Patient/1"),
    "vread": ("GET", "Patient/1/_history/1"),
    "update": ("PUT", "Patient/1"),
    "patch": ("PATCH", "Patient/1"),
    "delete": ("DELETE", "Patient/1"),
    "history-instance": ("GET", "Patient/1/_history"),
    "history-type": ("GET", "Patient/_history"),
    "create": ("POST", "Patient"),
    "search-type": ("GET", "Patient"),
    "transaction": ("POST", ""),
    "batch": ("POST", ""),
    "search-system": ("GET", ""),
    "history-system": ("GET", "_history"),
}


def is_routed(code: str) -> bool:
    try:
        found = route(*ADDRESSES[code])
    except FhirError:
        return False
    return code.startswith(found.interaction) or (code, found.interaction) == ("batch", "transaction")


@pytest.mark.spec("capabilitystatement.html")
async def test_promised_interactions_are_the_routed_ones() -> None:
    assert {*TYPE_INTERACTIONS, *SYSTEM_INTERACTIONS} == {code for code in ADDRESSES if is_routed(code)}


@pytest.mark.spec("http.html#capabilities")
async def test_capabilities_is_a_valid_statement_of_every_type(ask: Ask, runtime: Runtime) -> None:
    statement = parsed(await ask("capabilities"))
    validate(statement)
    (rest,) = statement["rest"]
    assert {one["type"] for one in rest["resource"]} == RESOURCE_TYPES
    assert statement["fhirVersion"] == "4.0.1"
    for one in rest["resource"]:
        promised = {parameter["name"] for parameter in one["searchParam"]}
        assert promised == {*runtime.parameters.of_type(one["type"])}


@pytest.mark.spec("http.html#capabilities")
async def test_capabilities_mode(ask: Ask) -> None:
    assert (await ask("capabilities", parameters=(("mode", "full"),))).status == 200
    with pytest.raises(BadRequest):
        await ask("capabilities", parameters=(("mode", "none"),))


@pytest.mark.spec("terminologycapabilities.html")
async def test_capabilities_of_terminology(ask: Ask) -> None:
    told = parsed(await ask("capabilities", parameters=(("mode", "terminology"),)))
    validate(told, expected_type="TerminologyCapabilities")
