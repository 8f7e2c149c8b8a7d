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

_HARMLESS: Final = frozenset({"required", "invariant", "code-invalid"})
"""What the structure may be wrong in while its members are still of the right kind."""


def validate_profiles(
    resource: Mapping[str, Any], profiles: Iterable[str], environment: Environment, *, is_sound: bool = False
) -> list[Issue]:
    """Return every problem of a resource: by R4, by the profiles of its meta, and by those given, all at once.

    `profiles` are canonicals, with or without version. A resource that is no FHIR at all is told so, and no more: the
    profiles speak of what the structure guarantees. What could not be checked is an issue of severity information or
    warning. At most 500 issues are returned. `is_sound` says that the structure was checked before.
    """
    place = of_resource(resource)
    run = Run(environment, place)
    resource_type = resource.get("resourceType")
    if not isinstance(resource_type, str) or resource_type not in RESOURCE_TYPES:
        return [unknown_type(resource_type).issue("resourceType", environment.language)]
    problems = None if is_sound else check_resource(dict(resource))
    for found in problems or ():
        run.tell(found.issue(place.name, environment.language))
    if any(found.code not in _HARMLESS for found in problems or ()):
        return run.issues
    check_everywhere(place, run)
    wanted = list(profiles)
    check_named(place, run)
    for canonical in wanted:
        check_profile(place, canonical, run)
    if not wanted and not resource.get("meta", {}).get("profile"):
        check_profile(place, f"{CORE}{resource_type}", run)
    return run.issues
