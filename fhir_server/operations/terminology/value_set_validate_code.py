"""`ValueSet/$validate-code`: whether a code is a member of a value set.

Spec: valueset-operation-validate-code.html
"""

from collections.abc import Iterator
from typing import Any, Final

from fhir_server.foundation.operation_outcome import BadRequest, NotFound
from fhir_server.interactions.request import Request, Response, Runtime
from fhir_server.operations.terminology.answering import Resource, answer, only, terminology_of, verdict, versioned
from fhir_server.operations.terminology.codes import Coded, best, coded, in_language, refuse_abstract
from fhir_server.operations.terminology.given import Given, given
from fhir_server.terminology.code_system import Validation
from fhir_server.terminology.terminology import Terminology
from fhir_server.terminology.versions import VersionedTerminology, Versions

KINDS: Final = {
    "url": "uri",
    "valueSet": "ValueSet",
    "valueSetVersion": "string",
    "code": "code",
    "system": "uri",
    "systemVersion": "string",
    "display": "string",
    "coding": "Coding",
    "codeableConcept": "CodeableConcept",
    "abstract": "boolean",
    "displayLanguage": "code",
    "inferSystem": "boolean",
}
"""Those of R4, and inferSystem of R5: without it, a code alone does not tell of which system it is."""
REFUSED: Final = {
    "context": "name the value set itself with url.",
    "date": "definitions are kept by version and not by date. Name a version instead.",
}


async def value_set_validate_code(request: Request, runtime: Runtime) -> Response:
    """Return Parameters with the result. Raises NotFound, NotChecked (422), BadRequest, Forbidden."""
    return await answer(request, runtime, _validate_code)


def _validate_code(request: Request, runtime: Runtime, stored: Resource | None) -> dict[str, Any]:
    asked = given(request, runtime, KINDS, REFUSED)
    terminology = terminology_of(runtime)
    value_set = stored or asked.one("valueSet") or named_value_set(asked, terminology)
    if asked.text("code") and not asked.text("system") and not asked.flag("inferSystem"):
        raise BadRequest("A code is of a system: give system, or inferSystem=true.", code="required")
    every = coded(asked, asked.text("system"), asked.text("systemVersion"))
    return verdict(best(_validations(asked, every, value_set, terminology)))


def named_value_set(asked: Given, terminology: Terminology) -> str:
    """Return the canonical of the value set that is named. Raises BadRequest; NotFound (404) when it is not here."""
    only("url, valueSet and an instance to invoke it on", asked.text("url"))
    canonical = versioned(asked.text("url"), asked.text("valueSetVersion"))
    if terminology.value_set(canonical) is None:
        raise NotFound(f"The value set {canonical} is not here: add a package that holds it, or send it as valueSet.")
    return canonical


def _validations(
    asked: Given, every: list[Coded], value_set: str | Resource, terminology: Terminology
) -> Iterator[Validation]:
    for one in every:
        system = one.system or (_inferred(value_set, one.code, terminology) if asked.flag("inferSystem") else "")
        if not system:
            told = f"The code {one.code!r} has no system, or not one that could be inferred: it is no member."
            yield Validation(False, told, "", one.code)
            continue
        source = terminology
        if one.version:
            source = VersionedTerminology(terminology, Versions(default={system: one.version}))
        found = source.validate_code(value_set, system, one.code, one.display)
        code_system = source.code_system_of(value_set, system, one.code)
        yield in_language(refuse_abstract(asked, found, code_system), code_system, asked.text("displayLanguage"))


def _inferred(value_set: str | Resource, code: str, terminology: Terminology) -> str:
    """Return the one system of which the value set has the code, "" when there is none or several."""
    systems = {member.system for member in terminology.members(value_set) if member.code == code}
    return systems.pop() if len(systems) == 1 else ""
