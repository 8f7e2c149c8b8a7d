"""Validate against profiles and explain: every problem, with its severity, place and message.

Spec: validation.html, resource.html#Meta.profile
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from fhir_server.foundation.operation_outcome import Issue
from fhir_server.foundation.structure import RESOURCE_TYPES
from fhir_server.validation.objects import check_resource, unknown_type
from fhir_server.validation.profiles.definitions.snapshot import CORE
from fhir_server.validation.profiles.place import of_resource
from fhir_server.validation.profiles.run import Environment, Run
from fhir_server.validation.profiles.walk import check_everywhere, check_named, check_profile
from fhir_server.validation.readable import is_about, readable

_HARMLESS: Final = frozenset({"required", "invariant", "code-invalid"})
"""What the structure may be wrong in while its members are still of the right kind."""


def validate_profiles(
    resource: Mapping[str, Any], profiles: Iterable[str], environment: Environment, *, is_sound: bool = False
) -> list[Issue]:
    """Return every problem of a resource: by R4, by the profiles of its meta, and by those given, all at once.

    `profiles` are canonicals, with or without version. Of a resource whose structure is wrong, the profiles judge what
    can be read. What could not be checked is an issue of severity information or warning. At most 500 issues are
    returned beside those of the structure. `is_sound` says that the structure was checked before.
    """
    resource_type = resource.get("resourceType")
    if not isinstance(resource_type, str) or resource_type not in RESOURCE_TYPES:
        return [unknown_type(resource_type).issue("resourceType", environment.language)]
    problems = None if is_sound else check_resource(dict(resource))
    told = [found.issue(resource_type, environment.language) for found in problems or ()]
    spoilt = [issue.expression[0] for issue in told if issue.code not in _HARMLESS]
    run = Run(environment, of_resource(readable(resource) if spoilt else resource))
    for issue in told:
        run.tell(issue)
    _check(run, list(profiles))
    if not spoilt:
        return run.issues
    return told + [issue for issue in run.issues if issue not in told and not is_about(issue.expression[0], spoilt)]


def _check(run: Run, wanted: list[str]) -> None:
    place = run.root
    check_everywhere(place, run)
    check_named(place, run)
    for canonical in wanted:
        check_profile(place, canonical, run)
    meta = place.value.get("meta")
    if not wanted and not (isinstance(meta, dict) and meta.get("profile")):
        check_profile(place, f"{CORE}{place.name}", run)
