"""`CodeSystem/$subsumes`: how two codes of a system stand to each other.

Spec: codesystem-operation-subsumes.html
"""

from typing import Any, Final

from fhir_server.foundation.operation_outcome import BadRequest, NotFound
from fhir_server.foundation.parameters import parameter, parameters_resource
from fhir_server.interactions.request import Request, Response, Runtime
from fhir_server.operations.terminology.answering import (
    NotChecked,
    Resource,
    answer,
    only,
    terminology_of,
    versioned,
)
from fhir_server.operations.terminology.given import Given, given
from fhir_server.terminology.code_system import CodeSystem

KINDS: Final = {
    "codeA": "code",
    "codeB": "code",
    "system": "uri",
    "version": "string",
    "codingA": "Coding",
    "codingB": "Coding",
}


async def code_system_subsumes(request: Request, runtime: Runtime) -> Response:
    """Return Parameters with the outcome. Raises NotFound (404) for an unknown code, NotChecked (422), BadRequest."""
    return await answer(request, runtime, _subsumes)


def _subsumes(request: Request, runtime: Runtime, stored: Resource | None) -> dict[str, Any]:
    asked = given(request, runtime, KINDS)
    system = asked.text("system") or str((stored or {}).get("url", ""))
    first, second = _side(asked, "A", system), _side(asked, "B", system)
    if first[0] != second[0]:
        raise BadRequest(f"The codes are of two systems, {first[0]} and {second[0]}: neither can subsume the other.")
    if stored is not None and first[0] != stored.get("url"):
        raise BadRequest(f"The code system {stored.get('url')} knows nothing of {first[0]}.")
    code_system = terminology_of(runtime).opened(stored) if stored else _found(asked, first[0], runtime)
    return parameters_resource([parameter("outcome", "code", _outcome(code_system, first[1], second[1]))])


def _side(asked: Given, side: str, system: str) -> tuple[str, str]:
    """Return the system and the code of one side."""
    coding, code = asked.one(f"coding{side}") or {}, asked.text(f"code{side}")
    only(f"code{side} (with system) and coding{side}", coding, code)
    found = coding.get("system") or system, coding.get("code") or code
    if not all(found):
        raise BadRequest(f"The code {side} needs a code and a system.", code="required")
    return found


def _found(asked: Given, system: str, runtime: Runtime) -> CodeSystem:
    versions = {coding.get("version", "") for side in "AB" if (coding := asked.one(f"coding{side}"))} - {""}
    if len(versions) > 1:
        raise BadRequest("The codings are of two versions: subsumption is told within one.")
    canonical = versioned(system, asked.text("version") or "".join(versions))
    found = terminology_of(runtime).code_system(canonical)
    if found is None:
        raise NotFound(f"The code system {canonical} is not here: add a package that holds it.")
    return found


def _outcome(code_system: CodeSystem, first: str, second: str) -> str:
    first, second = code_system.lookup(first).code, code_system.lookup(second).code
    if first == second:
        return "equivalent"
    above, below = code_system.subsumes(first, second), code_system.subsumes(second, first)
    if above or below:
        return "subsumes" if above else "subsumed-by"
    if above is None or below is None:
        raise NotChecked(f"What subsumes what could not be checked: the hierarchy of {code_system.url} does not tell.")
    return "not-subsumed"
