"""What the rules of data types say: each message by its stable id, in English and French.

Spec: operationoutcome.html, valueset-issue-type.html
"""

from collections.abc import Mapping
from typing import Final

from fhir_server.validation.texts import Text

DATATYPE_TEXTS: Final[Mapping[str, Text]] = {
    "narrative-attribute": Text(
        "error",
        "invariant",
        "txt-1: The attribute '{0}' is none of basic HTML: remove it.",
        "txt-1 : L'attribut « {0} » n'est pas du HTML de base : retirez-le.",
    ),
    "narrative-id": Text(
        "error",
        "duplicate",
        "The narratives have the id {0} twice: keep one.",
        "Les textes ont deux fois l'id {0} : n'en gardez qu'un.",
    ),
    "narrative-link": Text(
        "error",
        "not-found",
        "The link {0} leads nowhere in this resource: mend it.",
        "Le lien {0} ne mène nulle part dans cette ressource : corrigez-le.",
    ),
    "system-relative": Text(
        "error",
        "invalid",
        "The system {0} is relative: write the absolute URI of the system.",
        "Le système {0} est relatif : écrivez l'URI absolu du système.",
    ),
    "system-value-set": Text(
        "error",
        "invalid",
        "{0} is a value set, not a code system: name the system that the code is from.",
        "{0} est un jeu de valeurs, pas un système de codes : indiquez le système d'où vient le code.",
    ),
    "system-supplement": Text(
        "error",
        "invalid",
        "{0} is a supplement and has no codes of its own: name the system that it supplements.",
        "{0} est un supplément, sans codes propres : indiquez le système qu'il complète.",
    ),
    "code-unknown": Text(
        "error",
        "code-invalid",
        "The code {0} is not in the code system {1}: use one of its codes.",
        "Le code {0} n'est pas dans le système de codes {1} : utilisez un de ses codes.",
    ),
    "display": Text(
        "warning",
        "invalid",
        "The display {0} is none that {1} gives to {2}: write what the system says.",
        "Le libellé {0} n'est pas de ceux que {1} donne à {2} : écrivez celui du système.",
    ),
    "identifier-uri": Text(
        "error",
        "invalid",
        "The identifier {0} is no URI, as its system says: write the whole URI, such as urn:uuid or urn:oid.",
        "L'identifiant {0} n'est pas un URI, comme le dit son système : écrivez l'URI entier, tel urn:oid.",
    ),
    "reference-form": Text(
        "error",
        "invalid",
        "The reference {0} has white space: write Type/id or a URL.",
        "La référence {0} contient des espaces : écrivez Type/id ou un URL.",
    ),
    "reference-type": Text(
        "error",
        "invalid",
        "The reference says {0} and leads to {1}: make the two agree.",
        "La référence dit {0} et mène à {1} : accordez les deux.",
    ),
    "reference-leads": Text(
        "error",
        "structure",
        "The reference leads to {0}, and may lead to {1}: mend it.",
        "La référence mène à {0}, et peut mener à {1} : corrigez-la.",
    ),
    "uuid-form": Text(
        "error",
        "invalid",
        "{0} is no UUID in lower case: mend it.",
        "{0} n'est pas un UUID en minuscules : corrigez-le.",
    ),
    "oid-form": Text("error", "invalid", "{0} is no OID: mend it.", "{0} n'est pas un OID : corrigez-le."),
    "canonical-relative": Text(
        "error",
        "invalid",
        "The canonical {0} is relative: write the absolute URL, or # and the id of what is contained.",
        "L'URL canonique {0} est relatif : écrivez l'URL absolu, ou # et l'id de ce qui est contenu.",
    ),
    "attachment-size": Text(
        "error",
        "invalid",
        "The size is {0}, and the content has {1} bytes: make the two agree.",
        "La taille est {0}, or le contenu a {1} octets : accordez les deux.",
    ),
    "attachment-hash": Text(
        "error",
        "invalid",
        "The hash is not the SHA-1 of the content: make the two agree.",
        "Le hash n'est pas le SHA-1 du contenu : accordez les deux.",
    ),
    "duplicate-id": Text(
        "error",
        "duplicate",
        "The element id {0} is there twice: keep one.",
        "L'id d'élément {0} apparaît deux fois : n'en gardez qu'un.",
    ),
}
