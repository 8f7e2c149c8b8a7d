"""`ValueSet/$expand`: the codes of a value set, page by page.

Spec: valueset-operation-expand.html
"""

from collections.abc import Mapping
from typing import Any, Final

from fhir_server.foundation.dates import format_instant
from fhir_server.interactions.request import Request, Response, Runtime
from fhir_server.operations.terminology.answering import Resource, answer, terminology_of
from fhir_server.operations.terminology.given import Given, given
from fhir_server.operations.terminology.value_set_validate_code import named_value_set
from fhir_server.terminology.expansion import ExpansionParameters, expansion
from fhir_server.terminology.terminology import Terminology
from fhir_server.terminology.versions import VersionedTerminology, Versions, versions_by_system

KINDS: Final = {
    "url": "uri",
    "valueSet": "ValueSet",
    "valueSetVersion": "string",
    "filter": "string",
    "offset": "integer",
    "count": "integer",
    "includeDesignations": "boolean",
    "designation": "string*",
    "includeDefinition": "boolean",
    "activeOnly": "boolean",
    "excludeNested": "boolean",
    "excludeNotForUI": "boolean",
    "excludePostCoordinated": "boolean",
    "displayLanguage": "code",
    "exclude-system": "canonical*",
    "system-version": "canonical*",
    "check-system-version": "canonical*",
    "force-system-version": "canonical*",
}
"""excludePostCoordinated changes nothing: no expansion here holds such codes."""
REFUSED: Final = {
    "context": "name the value set itself with url.",
    "contextDirection": "name the value set itself with url.",
    "date": "definitions are kept by version and not by date. Name a version instead.",
}


async def value_set_expand(request: Request, runtime: Runtime) -> Response:
    """Return the ValueSet with its expansion. Raises NotFound, Unexpandable (422), TooCostly, BadRequest, Forbidden."""
    return await answer(request, runtime, _expand)


def _expand(request: Request, runtime: Runtime, stored: Resource | None) -> dict[str, Any]:
    asked = given(request, runtime, KINDS, REFUSED)
    terminology = _with_versions(asked, terminology_of(runtime))
    value_set = stored or asked.one("valueSet") or named_value_set(asked, terminology)
    definition: Mapping[str, Any] = (
        terminology.value_set(value_set) if isinstance(value_set, str) else value_set
    ) or {}
    found = list(terminology.members(value_set, asked.text("filter")))
    identifier = f"urn:uuid:{runtime.new_id()}"
    return expansion(definition, found, _parameters(asked), identifier, format_instant(runtime.now()))


def _with_versions(asked: Given, terminology: Terminology) -> Terminology:
    names = ("system-version", "check-system-version", "force-system-version")
    versions = Versions(*(versions_by_system(name, asked.all(name)) for name in names))
    return VersionedTerminology(terminology, versions) if versions else terminology


def _parameters(asked: Given) -> ExpansionParameters:
    is_for_ui = asked.flag("excludeNotForUI")
    return ExpansionParameters(
        text=asked.text("filter"),
        offset=asked.one("offset") or 0,
        count=asked.one("count"),
        display_language=asked.text("displayLanguage"),
        has_designations=asked.flag("includeDesignations") or bool(asked.all("designation")),
        is_active_only=asked.flag("activeOnly"),
        exclude_nested=is_for_ui or asked.one("excludeNested") is not False,
        is_selectable_only=is_for_ui,
        has_definition=asked.flag("includeDefinition"),
        designations=tuple(asked.all("designation")),
        excluded_systems=tuple(asked.all("exclude-system")),
    )
