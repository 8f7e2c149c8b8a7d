"""What the rules of conformance resources say: each message by its stable id, in English and French.

Spec: operationoutcome.html, valueset-issue-type.html
"""

from collections.abc import Mapping
from typing import Final

from fhir_server.validation.texts import Text

DEFINITION_TEXTS: Final[Mapping[str, Text]] = {
    "expression": Text("error", "invalid", "The FHIRPath cannot be used: {0}", "Le FHIRPath est inutilisable : {0}"),
    "derived-type": Text(
        "error",
        "business-rule",
        "The type {0} is another than that of {1}, which it is derived from ({2}): make the two agree.",
        "Le type {0} diffère de celui de {1} dont il dérive ({2}) : accordez les deux.",
    ),
    "derived-base": Text(
        "error",
        "business-rule",
        "{0} is no base of {1}, which it is derived from: leave it out.",
        "{0} n'est pas une base de {1} dont il dérive : omettez-le.",
    ),
    "definition-type": Text(
        "error",
        "invalid",
        "The type {0} is none of FHIR: other types have an absolute URL as name.",
        "Le type {0} n'est pas de FHIR : les autres types ont un URL absolu pour nom.",
    ),
    "definition-special": Text(
        "error",
        "invalid",
        "The type {0} is that of {1}, which it specializes: give it a type of its own, or constrain.",
        "Le type {0} est celui de {1} qu'il spécialise : donnez-lui son type, ou contraignez.",
    ),
    "definition-constraint": Text(
        "error",
        "invalid",
        "The type {0} is not that of {1}, which it constrains ({2}): make the two agree.",
        "Le type {0} n'est pas celui de {1} qu'il contraint ({2}) : accordez les deux.",
    ),
    "definition-path": Text(
        "error",
        "invalid",
        "The path {0} does not start with the type {1}: mend it.",
        "Le chemin {0} ne commence pas par le type {1} : corrigez-le.",
    ),
    "definition-profile": Text(
        "error",
        "invalid",
        "The profile {0} is for {1}, and the element is a {2}: name another.",
        "Le profil {0} porte sur {1}, or l'élément est un {2} : indiquez-en un autre.",
    ),
    "concept-unknown": Text(
        "warning",
        "code-invalid",
        "The code {0} is not in the code system {1}: mend it.",
        "Le code {0} n'est pas dans le système de codes {1} : corrigez-le.",
    ),
    "condition-value": Text(
        "error",
        "invalid",
        "The property {0} cannot have the value {1}: mend it.",
        "La propriété {0} ne peut avoir la valeur {1} : corrigez-la.",
    ),
    "property-type": Text(
        "error",
        "invalid",
        "The property {0} is declared as {1}: write a value of that type.",
        "La propriété {0} est déclarée comme {1} : écrivez une valeur de ce type.",
    ),
    "supplement": Text(
        "error",
        "required",
        "A supplement names the code system that it adds to: add supplements.",
        "Un supplément désigne le système de codes qu'il complète : ajoutez supplements.",
    ),
    "bundle-result-id": Text(
        "error",
        "required",
        "A resource that a search found has an id: add it.",
        "Une ressource trouvée par une recherche a un id : ajoutez-le.",
    ),
}
