"""Validate a resource at the door: everything that the element index of R4 says, with every problem at once.

Spec: validation.html, json.html, http.html#create
"""

from typing import Any, Final

from fhir_server.foundation.operation_outcome import BadRequest, Issue, Unprocessable
from fhir_server.foundation.structure import RESOURCE_TYPES
from fhir_server.validation.objects import check_resource, unknown_type
from fhir_server.validation.problem import Problems

ISSUES_REPORTED: Final = 100


def validate(resource: dict[str, Any], *, expected_type: str | None = None) -> None:
    """Raise Unprocessable (422) with every problem of a resource, BadRequest (400) when it is not of a known type.

    `expected_type` is the type of the address; another type is a BadRequest. Each issue's expression is the FHIRPath
    of the place; at most 100 issues are reported.
    """
    resource_type = resource.get("resourceType")
    if not isinstance(resource_type, str) or resource_type not in RESOURCE_TYPES:
        raise BadRequest(unknown_type(resource_type), "resourceType", code="structure")
    if expected_type is not None and resource_type != expected_type:
        sentence = f"The address says {expected_type} and the body is a {resource_type}: send it to its own address."
        raise BadRequest(sentence, resource_type)
    problems = check_resource(resource)
    if problems:
        raise Unprocessable(f"The {resource_type} is not valid.", issues=_issues(resource_type, problems))


def _issues(resource_type: str, problems: Problems) -> list[Issue]:
    issues = [
        Issue("error", problem.code, problem.sentence, (resource_type + problem.path,))
        for problem in problems[:ISSUES_REPORTED]
    ]
    if len(problems) > ISSUES_REPORTED:
        unsaid = len(problems) - ISSUES_REPORTED
        issues.append(Issue("information", "incomplete", f"{unsaid} more problems are not listed.", (resource_type,)))
    return issues
