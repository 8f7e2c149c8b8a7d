"""Profiling: which profiles a resource must meet before it is stored, and what is wrong with it by them.

Spec: resource.html#Meta.profile, profiling.html, validation.html

Choice: a profile that a resource names itself counts when its definition is here; when it is not, the resource is
accepted or refused as the setting says. One that the server demands is never waived: without its definition nothing
of the type is accepted. What an ImplementationGuide demands globally is told by `$validate` and refuses no write: the
settings say which guides the server follows. What a Bundle holds is judged when the Bundle itself names a profile.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from fhir_server.fhirpath import Node
from fhir_server.foundation.canonical_index import Member
from fhir_server.foundation.operation_outcome import Issue, Unprocessable
from fhir_server.validation.profiles.definitions.guides import global_profiles
from fhir_server.validation.profiles.definitions.reflection import element_definition, is_in_slice
from fhir_server.validation.profiles.definitions.snapshot import Resolve
from fhir_server.validation.profiles.profile import Profiles, is_core
from fhir_server.validation.profiles.run import Codes, Concepts, Environment
from fhir_server.validation.profiles.texts import TEXTS
from fhir_server.validation.profiles.validate import validate_profiles
from fhir_server.validation.texts import say

Resource = Mapping[str, Any]
Guides = Callable[[], Iterable[Resource]]
"""Return the ImplementationGuides that are here."""


class Profiling:
    """Hold the compiled profiles of the server and what it demands: resource type -> canonical."""

    def __init__(self, resolve: Resolve, codes: Codes | None = None, concepts: Concepts | None = None) -> None:
        self.demanded: Mapping[str, str] = {}
        self.refuses_unknown = False
        self.guides: Guides = tuple
        self._resolve = resolve
        self._codes = codes
        self._concepts = concepts
        self._profiles = Profiles(resolve)
        self._global: Mapping[str, tuple[str, ...]] | None = None

    def forget(self, members: Collection[Member]) -> None:
        """Compile anew what was compiled by definitions, some of which changed."""
        self._profiles = Profiles(self._resolve)
        self._global = None

    def of_guides(self, resource_type: str) -> tuple[str, ...]:
        """Return the profiles that the ImplementationGuides here ask of every resource of a type."""
        if self._global is None:
            self._global = global_profiles(self.guides())
        return self._global.get(resource_type, ())

    def wanted(self, resource: Resource) -> tuple[str, ...]:
        """Return the profiles that a resource names or that are demanded of its type, mostly none."""
        meta, demanded = resource.get("meta"), self.demanded.get(resource["resourceType"])
        named = meta.get("profile", ()) if meta is not None else ()
        if not named and demanded is None:
            return ()
        return tuple(dict.fromkeys((*named, demanded) if demanded is not None else named))

    def check(self, resource: Resource, language: str = "en") -> None:
        """Raise Unprocessable (422) with every problem of a resource by its profiles.

        The resource has passed the structural check.
        """
        wanted = self.wanted(resource)
        if not wanted:
            return
        known = [canonical for canonical in wanted if not is_core(canonical) and self._profiles.is_known(canonical)]
        issues = list(self._unknown(resource, wanted, language))
        if known:
            issues += self.judge(resource, (), language, hints=False, is_sound=True)
        issues.sort(key=lambda issue: issue.severity != "error")
        if issues and issues[0].severity == "error":
            raise Unprocessable(f"The {resource['resourceType']} does not meet its profiles.", issues=issues)

    def judge(
        self,
        resource: Resource,
        profiles: Iterable[str],
        language: str = "en",
        *,
        hints: bool = True,
        is_sound: bool = False,
    ) -> list[Issue]:
        """Return every issue of a resource: by R4, by what it names, by what is demanded of it, and by `profiles`.

        `is_sound` says that the resource has passed the structural check.
        """
        environment = Environment(self._profiles, self._codes, self._concepts, language=language, hints=hints)
        demanded = self.demanded.get(resource.get("resourceType", ""))
        asked = (*profiles, demanded) if demanded is not None else tuple(profiles)
        return validate_profiles(resource, asked, environment, is_sound=is_sound)

    def element_definition(self, node: Node) -> Resource | None:
        """Return the ElementDefinition of an element; None where FHIR defines none."""
        return element_definition(node, self._profiles)

    def is_in_slice(self, node: Node, structure: str, name: str) -> bool:
        """Tell whether an element is in a slice of a profile."""
        return is_in_slice(node, structure, name, Environment(self._profiles, self._codes))

    def unknown(self, profiles: Iterable[str]) -> list[str]:
        """Return those profiles that are not here, so that nothing can be said by them."""
        return [one for one in profiles if not is_core(one) and not self._profiles.is_known(one)]

    def _unknown(self, resource: Resource, wanted: Iterable[str], language: str) -> Iterable[Issue]:
        demanded = self.demanded.get(resource["resourceType"])
        for canonical in self.unknown(wanted):
            if self.refuses_unknown or canonical == demanded:
                yield unknown_profile(canonical, f"{resource['resourceType']}.meta.profile", language)


def unknown_profile(canonical: str, place: str, language: str) -> Issue:
    """Return the error that a profile which must be checked is not here."""
    text = TEXTS["profile-unknown"]
    return Issue("error", text.code, say(text, language, (canonical,)), (place,), message_id="profile-unknown")
