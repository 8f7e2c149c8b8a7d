"""Small code systems and value sets, made for the tests."""

from collections.abc import Callable, Mapping
from typing import Any

ANIMALS = "http://example.org/animals"

CODE_SYSTEM: dict[str, Any] = {
    "resourceType": "CodeSystem",
    "url": ANIMALS,
    "version": "2",
    "status": "active",
    "content": "complete",
    "caseSensitive": True,
    "hierarchyMeaning": "is-a",
    "concept": [
        {
            "code": "animal",
            "display": "Animal",
            "property": [{"code": "notSelectable", "valueBoolean": True}],
            "concept": [
                {
                    "code": "bird",
                    "display": "Bird",
                    "designation": [
                        {"language": "fr", "value": "Oiseau"},
                        {"language": "fr-CH", "value": "Oiseau suisse"},
                    ],
                    "property": [{"code": "legs", "valueInteger": 2}],
                    "concept": [{"code": "emu", "display": "Émeu", "property": [{"code": "legs", "valueInteger": 2}]}],
                },
                {
                    "code": "fish",
                    "display": "Fish",
                    "property": [{"code": "status", "valueCode": "retired"}],
                },
            ],
        },
        {"code": "pet", "display": "Pet", "property": [{"code": "child", "valueCode": "bird"}]},
    ],
}


def held(resources: Mapping[str, dict[str, Any]]) -> Callable[[str, str], dict[str, Any] | None]:
    """Find resources by canonical; of another type than the one sought there is none."""

    def resolve(canonical: str, resource_type: str) -> dict[str, Any] | None:
        found = resources.get(canonical)
        return found if found is not None and found["resourceType"] == resource_type else None

    return resolve


def code_system(**changes: Any) -> dict[str, Any]:
    return CODE_SYSTEM | changes


def value_set(url: str, *include: dict[str, Any], **compose: Any) -> dict[str, Any]:
    return {
        "resourceType": "ValueSet",
        "url": url,
        "status": "active",
        "compose": {"include": list(include), **compose},
    }
