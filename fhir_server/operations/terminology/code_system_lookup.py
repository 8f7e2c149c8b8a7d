"""`CodeSystem/$lookup`: what a code system says of a code.

Spec: codesystem-operation-lookup.html
"""

from typing import Any, Final

from fhir_server.foundation.operation_outcome import BadRequest, NotFound
from fhir_server.foundation.parameters import parameter, parameters_resource
from fhir_server.interactions.request import Request, Response, Runtime
from fhir_server.operations.terminology.answering import Resource, answer, only, terminology_of, versioned
from fhir_server.operations.terminology.given import given
from fhir_server.terminology.lookup import lookup_parameters

KINDS: Final = {
    "code": "code",
    "system": "uri",
    "version": "string",
    "coding": "Coding",
    "displayLanguage": "code",
    "property": "code*",
}
REFUSED: Final = {"date": "definitions are kept by version and not by date. Name a version instead."}


async def code_system_lookup(request: Request, runtime: Runtime) -> Response:
    """Return Parameters. Raises NotFound (404) when the system or the code is not here, BadRequest, Forbidden."""
    return await answer(request, runtime, _lookup)


def _lookup(request: Request, runtime: Runtime, stored: Resource | None) -> dict[str, Any]:
    asked = given(request, runtime, KINDS, REFUSED)
    coding = asked.one("coding") or {}
    only("code (with system) and coding", asked.text("code"), coding)
    system = coding.get("system") or asked.text("system")
    code = coding.get("code") or asked.text("code")
    if not system or not code:
        raise BadRequest("A code is looked up in a system: give both code and system.", code="required")
    canonical = versioned(system, coding.get("version") or asked.text("version"))
    terminology = terminology_of(runtime)
    grammar = terminology.grammar(system)
    if grammar is not None and terminology.code_system(canonical) is None:
        return _of_grammar(system, code, grammar(code))
    found = terminology.lookup(canonical, code)
    return lookup_parameters(*found, asked.text("displayLanguage"), asked.all("property"))


def _of_grammar(system: str, code: str, is_right: bool | None) -> dict[str, Any]:
    """Return what a grammar tells of a code: it is its own display. Raises NotFound for one that is not right."""
    if is_right is False:
        raise NotFound(f"The code {code!r} is not right in {system}.")
    return parameters_resource([parameter("name", "string", system), parameter("display", "string", code)])
