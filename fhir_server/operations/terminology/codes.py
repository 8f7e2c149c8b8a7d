"""Codes: what is to be validated or translated, as a code, a Coding or a CodeableConcept.

Spec: terminology-service.html, datatypes.html#codesystem
"""

from collections.abc import Iterable

import msgspec

from fhir_server.foundation.operation_outcome import BadRequest
from fhir_server.operations.terminology.answering import only
from fhir_server.operations.terminology.given import Given
from fhir_server.terminology.code_system import CodeSystem, Validation


class Coded(msgspec.Struct, frozen=True):
    """Hold one code as it was given; what is absent is ""."""

    system: str
    code: str
    display: str = ""
    version: str = ""


def coded(asked: Given, system: str, version: str = "") -> list[Coded]:
    """Return what is asked about; `system` and `version` are those of a code that is given alone. Raises BadRequest."""
    code, coding, concept = asked.text("code"), asked.one("coding"), asked.one("codeableConcept")
    only("code, coding and codeableConcept", code, coding, concept)
    if asked.text("display") and not code:
        raise BadRequest("A display is validated with its code: give code too.", code="required")
    if code:
        return [Coded(system, code, asked.text("display"), version)]
    codings = [coding] if coding else concept.get("coding", ())
    found = [
        Coded(one.get("system", ""), one["code"], one.get("display", ""), one.get("version", ""))
        for one in codings
        if one.get("code")
    ]
    if not found:
        raise BadRequest("What is asked about has no code: there is nothing to look for.", code="required")
    return found


def best(validations: Iterable[Validation]) -> Validation:
    """Return the first that holds, the only one, or one that says of all why not: not checked rather than wrong."""
    found = list(validations)
    for one in found:
        if one.result:
            return one
    if len(found) == 1:
        return found[0]
    is_open = any(one.result is None for one in found)
    return Validation(None if is_open else False, " ".join(one.message for one in found))


def refuse_abstract(asked: Given, found: Validation, code_system: CodeSystem | None) -> Validation:
    """Return the validation; a concept that only groups others is refused when `abstract` is false.

    Choice: when nothing is said of abstract, such a concept is accepted: it is in the code system.
    """
    concept = code_system.find(found.code) if code_system else None
    if asked.one("abstract") is not False or not found.result or concept is None or not concept.is_abstract:
        return found
    return Validation(False, f"The code {found.code!r} is abstract: choose a code below it.", found.system, found.code)


def in_language(found: Validation, code_system: CodeSystem | None, language: str) -> Validation:
    """Return the validation with the display in a language, when there is one."""
    concept = code_system.find(found.code) if code_system and language else None
    if concept is None or not found.display:
        return found
    return msgspec.structs.replace(found, display=concept.shown(language))
