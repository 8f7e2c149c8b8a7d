"""Profiles are kept where resources are written, and explained where one asks."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from fhir_server.access.grant import OPEN
from fhir_server.conformance.canonicals import Canonicals
from fhir_server.conformance.profiling import profiling_of
from fhir_server.foundation import fhir_json, fhir_xml
from fhir_server.foundation.operation_outcome import FhirError, Issue, Unprocessable
from fhir_server.interactions.dispatch import dispatch
from fhir_server.interactions.request import Request, Response, Runtime
from fhir_server.settings import SettingsRefused
from fhir_server.terminology.terminology import Terminology

URL = "http://example.org/StructureDefinition/named-patient"
UNKNOWN = "http://example.org/StructureDefinition/unknown"
PROFILE = {
    "resourceType": "StructureDefinition",
    "id": "named-patient",
    "url": URL,
    "name": "NamedPatient",
    "status": "active",
    "kind": "resource",
    "abstract": False,
    "type": "Patient",
    "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Patient",
    "derivation": "constraint",
    "differential": {"element": [{"id": "Patient.name", "path": "Patient.name", "min": 1}]},
}
pytestmark = pytest.mark.anyio


@pytest.fixture
async def server(runtime: Runtime) -> Runtime:
    """A server that knows one profile, and demands none."""
    canonicals = runtime.canonicals
    assert isinstance(canonicals, Canonicals)
    terminology = Terminology(canonicals.resolve)
    served = replace(runtime, profiling=profiling_of(canonicals, terminology, {}, refuses_unknown=False))
    await ask(served, "update", "StructureDefinition/named-patient", PROFILE)
    return served


async def ask(runtime: Runtime, interaction: str, place: str = "", body: Any = None, **fields: Any) -> Response:
    resource_type, _, resource_id = place.partition("/")
    content = fhir_json.format(body) if body is not None else b""
    made = {"grant": OPEN, "resource_type": resource_type, "resource_id": resource_id, "content": content, **fields}
    return await dispatch(Request(interaction, **made), runtime)


async def refusal(runtime: Runtime, *asked: Any, **fields: Any) -> tuple[Issue, ...]:
    with pytest.raises(FhirError) as refused:
        await ask(runtime, *asked, **fields)
    assert isinstance(refused.value, Unprocessable)
    return tuple(issue for issue in refused.value.issues if issue.severity == "error")


def patient(*profiles: str, **elements: Any) -> dict[str, Any]:
    return {
        "resourceType": "Patient",
        "id": "1",
        **({"meta": {"profile": list(profiles)}} if profiles else {}),
        **elements,
    }


NAMED = {"name": [{"family": "Martin"}]}


@pytest.mark.spec("resource.html#Meta.profile")
async def test_what_a_resource_names_is_kept_on_every_way_of_writing(server: Runtime) -> None:
    wrong = patient(URL)
    for interaction, place in (("create", "Patient"), ("update", "Patient/1")):
        (issue,) = await refusal(server, interaction, place, wrong)
        assert (issue.message_id, issue.expression) == ("minimum", ("Patient.name",))
    entry = {"resource": wrong, "request": {"method": "PUT", "url": "Patient/1"}}
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [entry]}
    (issue,) = await refusal(server, "transaction", "", bundle)
    assert (issue.message_id, issue.expression) == ("minimum", ("Bundle.entry[0].resource.name",))
    await ask(server, "update", "Patient/1", patient(URL, **NAMED))
    patch = [{"op": "remove", "path": "/name"}]
    content = msgspec.json.encode(patch)
    (issue,) = await refusal(server, "patch", "Patient/1", content=content, media_type="application/json-patch+json")
    assert issue.message_id == "minimum"
    await ask(server, "update", "Patient/2", patient(id="2"))
    meta = {"name": "meta", "valueMeta": {"profile": [URL]}}
    body = {"resourceType": "Parameters", "parameter": [meta]}
    (issue,) = await refusal(server, "$meta-add", "Patient/2", body)
    assert issue.message_id == "minimum"


async def test_a_profile_that_is_written_counts_at_once(server: Runtime) -> None:
    await ask(server, "update", "Patient/1", patient(URL, **NAMED))
    element = [{"id": "Patient.gender", "path": "Patient.gender", "min": 1}]
    await ask(server, "update", "StructureDefinition/named-patient", {**PROFILE, "differential": {"element": element}})
    assert (await refusal(server, "update", "Patient/1", patient(URL, **NAMED)))[0].expression == ("Patient.gender",)
    await ask(server, "delete", "StructureDefinition/named-patient")
    await ask(server, "update", "Patient/1", patient(URL))


async def test_an_unknown_profile_is_accepted_or_refused_as_set(server: Runtime) -> None:
    await ask(server, "update", "Patient/1", patient(UNKNOWN))
    assert server.profiling is not None
    server.profiling.refuses_unknown = True
    (issue,) = await refusal(server, "update", "Patient/1", patient(UNKNOWN), language="fr")
    assert (issue.message_id, issue.severity) == ("profile-unknown", "error")
    assert "inconnu ici" in issue.diagnostics


async def test_a_demanded_profile_is_kept_and_never_waived(server: Runtime) -> None:
    assert server.profiling is not None
    server.profiling.demanded = {"Patient": URL, "Basic": UNKNOWN}
    assert (await refusal(server, "update", "Patient/1", patient()))[0].message_id == "minimum"
    await ask(server, "update", "Patient/1", patient(**NAMED))
    basic = {"resourceType": "Basic", "id": "1", "code": {"text": "x"}}
    assert (await refusal(server, "update", "Basic/1", basic))[0].message_id == "profile-unknown"


async def test_a_demand_of_a_misspelt_type_is_refused(runtime: Runtime) -> None:
    canonicals = runtime.canonicals
    assert isinstance(canonicals, Canonicals)
    with pytest.raises(SettingsRefused, match="Did you mean Patient"):
        profiling_of(canonicals, Terminology(canonicals.resolve), {"Pateint": URL}, refuses_unknown=False)


async def test_the_structure_is_explained_in_french(server: Runtime) -> None:
    (issue,) = await refusal(server, "update", "Patient/1", patient(gender="F"), language="fr")
    assert issue.diagnostics.startswith("'F' n'est pas dans le jeu de valeurs obligatoire administrative-gender")


async def outcome(server: Runtime, body: Any, place: str = "Patient", **fields: Any) -> list[dict[str, Any]]:
    answer = await ask(server, "$validate", place, body, **fields)
    issues: list[dict[str, Any]] = msgspec.json.decode(answer.content)["issue"]
    return [issue for issue in issues if "dom-6" not in issue["diagnostics"]]


@pytest.mark.spec("resource-operation-validate.html")
async def test_validate_by_a_profile_says_line_and_column(server: Runtime) -> None:
    body = b'{\n "resourceType": "Patient",\n "gender": "F"\n}'
    parameters = (("profile", URL),)
    gender, name = await outcome(server, None, content=body, parameters=parameters)
    assert [part.get("valueCode", part.get("valueInteger")) for part in gender["extension"]] == ["code", 3, 2]
    assert (name["expression"], name["details"]["coding"][0]["code"]) == (["Patient.name"], "minimum")
    assert [part.get("valueCode", part.get("valueInteger")) for part in name["extension"]] == ["minimum", 1, 1]


async def test_validate_xml_says_the_line_of_the_xml(server: Runtime) -> None:
    source = b'<Patient xmlns="http://hl7.org/fhir">\n  <gender value="F"/>\n</Patient>'
    (issue,) = await outcome(server, None, resource=fhir_xml.parse(source), source=source, language="fr")
    assert [part.get("valueInteger") for part in issue["extension"]] == [None, 2, 3]
    assert "écrivez" in issue["diagnostics"]


async def test_validate_says_what_it_cannot_check(server: Runtime) -> None:
    (issue,) = await outcome(server, patient(UNKNOWN))
    assert (issue["severity"], issue["code"]) == ("warning", "not-found")
    (issue,) = await outcome(server, patient(), parameters=(("profile", UNKNOWN), ("mode", "profile")))
    assert (issue["severity"], issue["code"]) == ("error", "not-found")
    text = {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">Martin</div>'}
    (fine,) = await outcome(server, patient(URL, **NAMED, text=text), language="fr")
    assert fine["diagnostics"] == "Aucun problème trouvé."


async def test_validate_takes_parameters_and_several_profiles(server: Runtime, tmp_path: Path) -> None:
    resource = {"name": "resource", "resource": patient()}
    profiles = [{"name": "profile", "valueCanonical": url} for url in (URL, UNKNOWN)]
    body = {"resourceType": "Parameters", "parameter": [*profiles, resource]}
    issues = await outcome(server, body, place="")
    assert sorted(issue["details"]["coding"][0]["code"] for issue in issues) == ["minimum", "profile-unknown"]
