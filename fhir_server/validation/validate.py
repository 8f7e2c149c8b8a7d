"""Validate a resource at the door: everything that the element index of R4 says, with every problem at once.

Spec: validation.html, json.html, http.html#create
"""

from typing import Any, Final

from msgspec.structs import replace

from fhir_server.foundation.operation_outcome import BadRequest, Issue, Unprocessable
from fhir_server.foundation.structure import RESOURCE_TYPES
from fhir_server.validation.objects import check_resource, unknown_type
from fhir_server.validation.problem import Problem, Problems

ISSUES_REPORTED: Final = 100


def validate(resource: dict[str, Any], *, expected_type: str | None = None, language: str = "en") -> None:
    """Raise Unprocessable (422) with every problem of a resource, BadRequest (400) when it is not of a known type.

    `expected_type` is the type of the address; another type is a BadRequest. `language` is en or fr. Each issue's
    expression is the FHIRPath of the place; at most 100 issues are reported.
    """
    resource_type = resource.get("resourceType")
    if not isinstance(resource_type, str) or resource_type not in RESOURCE_TYPES:
        raise _bad_request(unknown_type(resource_type), "resourceType", language)
    if expected_type is not None and resource_type != expected_type:
        raise _bad_request(Problem("other-type", (expected_type, resource_type)), resource_type, language)
    problems = check_resource(resource)
    if problems:
        issues = _issues(resource_type, problems, language)
        raise Unprocessable(f"The {resource_type} is not valid.", issues=issues)


def _bad_request(problem: Problem, place: str, language: str) -> BadRequest:
    issue = problem.issue(place, language)
    return BadRequest(issue.diagnostics, issues=[issue])


def _issues(resource_type: str, problems: Problems, language: str) -> list[Issue]:
    issues = [problem.issue(resource_type, language) for problem in problems[:ISSUES_REPORTED]]
    if len(problems) > ISSUES_REPORTED:
        said = Problem("unsaid", (len(problems) - ISSUES_REPORTED,)).issue(resource_type, language)
        issues.append(replace(said, severity="information"))
    return issues
