"""`CodeSystem/$validate-code`: whether a code is one of a code system.

Spec: codesystem-operation-validate-code.html
"""

from collections.abc import Iterator
from typing import Any, Final

from fhir_server.foundation.operation_outcome import NotFound
from fhir_server.interactions.request import Request, Response, Runtime
from fhir_server.operations.terminology.answering import Resource, answer, only, terminology_of, verdict, versioned
from fhir_server.operations.terminology.codes import Coded, best, coded, in_language, refuse_abstract
from fhir_server.operations.terminology.given import Given, given
from fhir_server.terminology.code_system import CodeSystem, Validation
from fhir_server.terminology.systems import system_url
from fhir_server.terminology.terminology import Terminology

KINDS: Final = {
    "url": "uri",
    "codeSystem": "CodeSystem",
    "code": "code",
    "version": "string",
    "display": "string",
    "coding": "Coding",
    "codeableConcept": "CodeableConcept",
    "abstract": "boolean",
    "displayLanguage": "code",
}
REFUSED: Final = {"date": "definitions are kept by version and not by date. Name a version instead."}


async def code_system_validate_code(request: Request, runtime: Runtime) -> Response:
    """Return Parameters with the result. Raises NotFound, NotChecked (422), BadRequest, Forbidden."""
    return await answer(request, runtime, _validate_code)


def _validate_code(request: Request, runtime: Runtime, stored: Resource | None) -> dict[str, Any]:
    asked = given(request, runtime, KINDS, REFUSED)
    terminology = terminology_of(runtime)
    definition = stored or asked.one("codeSystem")
    url = _url(asked, definition)
    code_system = terminology.opened(definition) if definition else None
    return verdict(best(_validations(asked, url, code_system, terminology)))


def _url(asked: Given, definition: Resource | None) -> str:
    """Return the canonical of the system that is meant; of a coding alone its own system."""
    if definition is not None:
        return str(definition.get("url", ""))
    coding = asked.one("coding") or {}
    url = asked.text("url") or coding.get("system", "")
    only("url, codeSystem and an instance to invoke it on", url)
    return versioned(url, asked.text("version") or coding.get("version", ""))


def _validations(
    asked: Given, url: str, code_system: CodeSystem | None, terminology: Terminology
) -> Iterator[Validation]:
    system = url.partition("|")[0]
    for one in coded(asked, system):
        if system_url(one.system) != system_url(system):
            told = f"The coding {one.code!r} is of {one.system or 'no system'}, and not of {system}."
            yield Validation(False, told, one.system, one.code)
        else:
            yield _validation(asked, one, url, code_system, terminology)


def _validation(
    asked: Given, one: Coded, url: str, code_system: CodeSystem | None, terminology: Terminology
) -> Validation:
    found = code_system or terminology.code_system(url)
    if found is None:
        if terminology.grammar(url.partition("|")[0]) is None:
            raise NotFound(f"The code system {url} is not here: add a package that holds it.")
        return terminology.validate_in_system(url, one.code, one.display)
    said = refuse_abstract(asked, found.validate_code(one.code, one.display), found)
    return in_language(said, found, asked.text("displayLanguage"))
