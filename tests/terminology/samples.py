"""Small code systems and value sets, made for the tests."""

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


def code_system(**changes: Any) -> dict[str, Any]:
    return CODE_SYSTEM | changes


def value_set(url: str, *include: dict[str, Any], **compose: Any) -> dict[str, Any]:
    return {
        "resourceType": "ValueSet",
        "url": url,
        "status": "active",
        "compose": {"include": list(include), **compose},
    }
