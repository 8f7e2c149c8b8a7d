"""`ConceptMap/$translate`: what a code becomes in another system, or from which it came.

Spec: conceptmap-operation-translate.html
"""

from collections.abc import Iterator
from typing import Any, Final

from fhir_server.foundation.operation_outcome import BadRequest, NotFound
from fhir_server.foundation.parameters import parameter, parameters_resource, parts, values
from fhir_server.interactions.request import Request, Response, Runtime
from fhir_server.operations.terminology.answering import Resource, answer, terminology_of, versioned
from fhir_server.operations.terminology.codes import Coded, coded
from fhir_server.operations.terminology.given import Given, given
from fhir_server.terminology.concept_map import Between, Match, Question, ends_of, is_translated
from fhir_server.terminology.terminology import Terminology

KINDS: Final = {
    "url": "uri",
    "conceptMap": "ConceptMap",
    "conceptMapVersion": "string",
    "code": "code",
    "system": "uri",
    "version": "string",
    "source": "uri",
    "coding": "Coding",
    "codeableConcept": "CodeableConcept",
    "target": "uri",
    "targetsystem": "uri",
    "dependency": "part*",
    "reverse": "boolean",
}
NO_MAP: Final = "No concept map here leads from the system, or the value set, to the one that is asked for."
NO_MATCH: Final = "The concept map has no translation of the code."


async def concept_map_translate(request: Request, runtime: Runtime) -> Response:
    """Return Parameters with the matches. Raises NotFound (404) for an unknown map, BadRequest, Forbidden."""
    return await answer(request, runtime, _translate)


def _translate(request: Request, runtime: Runtime, stored: Resource | None) -> dict[str, Any]:
    asked = given(request, runtime, KINDS)
    every = coded(asked, asked.text("system"), asked.text("version"))
    if not all(one.system for one in every):
        raise BadRequest("A code is translated from a system: give system.", code="required")
    terminology = terminology_of(runtime)
    between = _between(asked, every)
    named = [stored] if stored else _named(asked, terminology)
    maps = [one for one in named if between.holds(ends_of(one))] or (
        [] if named else list(_sought(between, terminology))
    )
    found: list[Match] = []
    for question in _questions(asked, every):
        for concept_map in maps:
            found.extend(match for match in terminology.translate(concept_map, question) if match not in found)
    return _answer(tuple(found), NO_MATCH if maps else NO_MAP)


def _answer(found: tuple[Match, ...], why_not: str) -> dict[str, Any]:
    is_found = is_translated(found)
    shown = [parameter("result", "boolean", is_found)]
    if not is_found:
        shown.append(parameter("message", "string", why_not))
    return parameters_resource([*shown, *(parameter("match", "part", match.parts()) for match in found)])


def _named(asked: Given, terminology: Terminology) -> list[Resource]:
    """Return the map that is sent or named; none when only its ends are told."""
    sent, url = asked.one("conceptMap"), asked.text("url")
    if sent:
        return [sent]
    if not url:
        return []
    canonical = versioned(url, asked.text("conceptMapVersion"))
    found = terminology.resource(canonical, "ConceptMap")
    if found is None:
        raise NotFound(f"The concept map {canonical} is not here: add a package that holds it, or send conceptMap.")
    return [found]


def _between(asked: Given, every: list[Coded]) -> Between:
    return Between(
        asked.text("source").partition("|")[0],
        asked.text("target").partition("|")[0],
        frozenset(one.system for one in every),
        asked.text("targetsystem"),
        asked.flag("reverse"),
    )


def _sought(between: Between, terminology: Terminology) -> Iterator[Resource]:
    if not (between.source or between.target or between.target_system):
        raise BadRequest("Name what translates: url, conceptMap, source, target or targetsystem.", code="required")
    return terminology.concept_maps(between)


def _questions(asked: Given, every: list[Coded]) -> list[Question]:
    target, is_reverse, dependencies = asked.text("targetsystem"), asked.flag("reverse"), _dependencies(asked)
    return [Question(one.system, one.code, target, is_reverse, dependencies) for one in every]


def _dependencies(asked: Given) -> frozenset[tuple[str, str]]:
    """Return (property, code) of what the translation may depend on."""
    found: set[tuple[str, str]] = set()
    for dependency in asked.all("dependency"):
        parted = {"part": dependency}
        elements, concepts = values(parted, "element"), values(parted, "concept")
        if len(elements) != 1 or len(concepts) != 1 or len(list(parts(parted))) != 2:
            raise BadRequest("A dependency has two parts: element, a uri, and concept, a CodeableConcept.")
        codings = concepts[0].get("coding", ()) if isinstance(concepts[0], dict) else ()
        found |= {(str(elements[0]), coding.get("code", "")) for coding in codings}
    return frozenset(found)
