"""What the structural check says: each message by its stable id, in English and French.

Spec: operationoutcome.html, valueset-issue-type.html
"""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec


class Text(msgspec.Struct, frozen=True):
    """Hold a message: `{0}`, `{1}` are filled with values. `code` is an issue type."""

    severity: str
    code: str
    en: str
    fr: str


class Words(msgspec.Struct, frozen=True):
    """Hold a part of a sentence that differs by language."""

    en: str
    fr: str


def say(text: Text, language: str, values: Sequence[object]) -> str:
    """Return the sentence of a message."""
    is_french = language.startswith("fr")
    shown = [
        _show((value.fr if is_french else value.en) if isinstance(value, Words) else str(value)) for value in values
    ]
    return (text.fr if is_french else text.en).format(*shown)


def _show(text: str) -> str:
    return text if len(text) <= 300 else text[:297] + "..."


KINDS: Final[Mapping[type, Words]] = {
    type(None): Words("null", "null"),
    bool: Words("a boolean", "un booléen"),
    dict: Words("an object", "un objet"),
    list: Words("an array", "un tableau"),
    str: Words("a string", "un texte"),
}
NUMBER: Final = Words("a number", "un nombre")

STRUCTURE: Final[Mapping[str, Text]] = {
    name: Text("error", code, en, fr)
    for name, code, en, fr in (
        (
            "json-null",
            "structure",
            "JSON null stands for no value here: leave the element out.",
            "null ne vaut rien ici : omettez l'élément.",
        ),
        (
            "empty-string",
            "value",
            "This is an empty string: leave the element out, or {0}.",
            "Ce texte est vide : omettez l'élément, ou {0}.",
        ),
        (
            "not-repeating",
            "structure",
            "This element appears at most once: write its value without an array.",
            "Cet élément apparaît au plus une fois : écrivez sa valeur sans tableau.",
        ),
        ("primitive", "value", "{0} is no {1}: {2}.", "{0} n'est pas un {1} : {2}."),
        (
            "code",
            "code-invalid",
            "{0} is not in the required value set {1}: write {2}.",
            "{0} n'est pas dans le jeu de valeurs obligatoire {1} : écrivez {2}.",
        ),
        (
            "concept",
            "code-invalid",
            "No coding is in the required value set {0}: use a code of {1}.",
            "Aucun codage n'est dans le jeu de valeurs obligatoire {0} : utilisez un code de {1}.",
        ),
        (
            "single-object",
            "structure",
            "This element appears at most once: write an object without an array.",
            "Cet élément apparaît au plus une fois : écrivez un objet sans tableau.",
        ),
        ("no-object", "structure", "This is {0}: write an object.", "Ceci est {0} : écrivez un objet."),
        (
            "empty-array",
            "structure",
            "The array is empty: leave the element out.",
            "Le tableau est vide : omettez l'élément.",
        ),
        (
            "no-array",
            "structure",
            "This element repeats, and this is {0}: write an array.",
            "Cet élément se répète, et ceci est {0} : écrivez un tableau.",
        ),
        (
            "ele-1",
            "invariant",
            "ele-1: The object is empty: leave it out, or give it content.",
            "ele-1 : L'objet est vide : omettez-le, ou donnez-lui un contenu.",
        ),
        (
            "unknown-element",
            "structure",
            "{0} is no element of {1}: remove it, or use an extension.",
            "{0} n'est pas un élément de {1} : retirez-le, ou utilisez une extension.",
        ),
        (
            "unknown-element-near",
            "structure",
            "{0} is no element of {1}: did you mean '{2}'?",
            "{0} n'est pas un élément de {1} : vouliez-vous dire « {2} » ?",
        ),
        (
            "untyped-choice",
            "structure",
            "{0} is no element of {1}: add the type to its name, one of {2}.",
            "{0} n'est pas un élément de {1} : ajoutez le type au nom, parmi {2}.",
        ),
        (
            "choice-type",
            "structure",
            "{0} is no element of {1}: the types of {2} are {3}.",
            "{0} n'est pas un élément de {1} : les types de {2} sont {3}.",
        ),
        ("required", "required", "{0} is required: add it.", "{0} est obligatoire : ajoutez-le."),
        (
            "choice-twice",
            "structure",
            "{0} takes one type, and {1} are there: keep one.",
            "{0} prend un seul type, et {1} sont là : gardez-en un.",
        ),
        (
            "only-nulls",
            "structure",
            "The array of extensions holds nulls only: leave it out.",
            "Le tableau des extensions ne contient que des null : omettez-le.",
        ),
        (
            "misaligned",
            "structure",
            "{0} values and {1} extensions do not align: fill up with null.",
            "{0} valeurs et {1} extensions ne s'alignent pas : complétez avec null.",
        ),
        (
            "no-resource-type",
            "structure",
            "There is no resourceType: add it, as the first member.",
            "Il n'y a pas de resourceType : ajoutez-le, en premier.",
        ),
        (
            "resource-type-kind",
            "structure",
            "resourceType is {0}: write the name of a resource type.",
            "resourceType est {0} : écrivez le nom d'un type de ressource.",
        ),
        ("unknown-type", "structure", "{0} is no resource type of R4.", "{0} n'est pas un type de ressource de R4."),
        (
            "unknown-type-near",
            "structure",
            "{0} is no resource type of R4: did you mean '{1}'?",
            "{0} n'est pas un type de ressource de R4 : vouliez-vous dire « {1} » ?",
        ),
        (
            "other-type",
            "invalid",
            "The address says {0} and the body is a {1}: send it to its own address.",
            "L'adresse dit {0} et le corps est un {1} : envoyez-le à sa propre adresse.",
        ),
        (
            "ext-1",
            "invariant",
            "ext-1: An extension has either a value or extensions: keep one of the two.",
            "ext-1 : Une extension a soit une valeur, soit des extensions : gardez l'une des deux.",
        ),
        (
            "per-1",
            "invariant",
            "per-1: The period starts after it ends: mend one of the two.",
            "per-1 : La période commence après sa fin : corrigez l'une des deux dates.",
        ),
        (
            "ref-1",
            "invariant",
            "ref-1: No contained resource has the id that '{0}' names: contain it, or mend the reference.",
            "ref-1 : Aucune ressource contenue n'a l'id que « {0} » désigne : contenez-la, ou corrigez la référence.",
        ),
        (
            "reference-target",
            "structure",
            "The reference points to {0}, and may point to {1}.",
            "La référence désigne {0}, et peut désigner {1}.",
        ),
        (
            "dom-2",
            "invariant",
            "dom-2: A contained resource contains none itself: move it up.",
            "dom-2 : Une ressource contenue n'en contient pas elle-même : remontez-la.",
        ),
        (
            "dom-3",
            "invariant",
            "dom-3: Nothing refers to the contained resource: give it an id and refer to it, or remove it.",
            "dom-3 : Rien ne désigne la ressource contenue : donnez-lui un id et référencez-la, ou retirez-la.",
        ),
        (
            "dom-4",
            "invariant",
            "dom-4: A contained resource has no version of its own: remove meta.versionId and meta.lastUpdated.",
            "dom-4 : Une ressource contenue n'a pas de version propre : retirez meta.versionId et meta.lastUpdated.",
        ),
        (
            "dom-5",
            "invariant",
            "dom-5: A contained resource has no security label of its own: put it on the container.",
            "dom-5 : Une ressource contenue n'a pas d'étiquette de sécurité propre : mettez-la sur le conteneur.",
        ),
        (
            "narrative-kind",
            "structure",
            "This is {0}: write the div element as a string.",
            "Ceci est {0} : écrivez l'élément div comme un texte.",
        ),
        (
            "narrative-form",
            "structure",
            "The narrative is no well-formed XHTML ({0}): close what is open, use numeric entities.",
            "Le texte n'est pas du XHTML bien formé ({0}) : fermez ce qui est ouvert, utilisez des entités numériques.",
        ),
        (
            "txt-2",
            "invariant",
            "txt-2: The narrative shows nothing: write text, or leave it out.",
            "txt-2 : Le texte ne montre rien : écrivez un texte, ou omettez-le.",
        ),
        (
            "txt-1-root",
            "invariant",
            "txt-1: The narrative is no div of the namespace http://www.w3.org/1999/xhtml: wrap it in one.",
            "txt-1 : Le texte n'est pas un div de l'espace de noms http://www.w3.org/1999/xhtml : mettez-en un.",
        ),
        (
            "txt-1-element",
            "invariant",
            "txt-1: The element '{0}' may not stand in a narrative: remove it.",
            "txt-1 : L'élément « {0} » n'est pas permis dans un texte : retirez-le.",
        ),
        (
            "txt-1-attribute",
            "invariant",
            "txt-1: The attribute '{0}' carries active content: remove it.",
            "txt-1 : L'attribut « {0} » porte un contenu actif : retirez-le.",
        ),
        (
            "unsaid",
            "incomplete",
            "{0} more problems are not listed.",
            "{0} autres problèmes ne sont pas énumérés.",
        ),
    )
}
