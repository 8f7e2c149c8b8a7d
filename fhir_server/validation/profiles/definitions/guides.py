"""What implementation guides ask of every resource of a type.

Spec: implementationguide-definitions.html#ImplementationGuide.global
"""

from collections.abc import Iterable, Mapping
from typing import Any


def global_profiles(guides: Iterable[Mapping[str, Any]]) -> dict[str, tuple[str, ...]]:
    """Return resource type -> the canonicals of the profiles that guides demand of all; retired ones demand nothing."""
    found: dict[str, dict[str, None]] = {}
    for guide in guides:
        for rule in guide.get("global", ()) if guide.get("status") != "retired" else ():
            found.setdefault(str(rule.get("type")), {})[str(rule.get("profile"))] = None
    return {kind: tuple(profiles) for kind, profiles in found.items()}
