"""What the rules of single resource types say: each message by its stable id, in English and French.

Spec: operationoutcome.html, valueset-issue-type.html
"""

from collections.abc import Mapping
from typing import Final

from fhir_server.validation.texts import Text

RESOURCE_TEXTS: Final[Mapping[str, Text]] = {
    "questionnaire-unknown": Text(
        "warning",
        "not-found",
        "The Questionnaire {0} is not known here, so the answers could not be checked against it.",
        "Le Questionnaire {0} est inconnu ici : les réponses n'ont pas pu être vérifiées.",
    ),
    "canonical-type": Text(
        "error",
        "invalid",
        "{0} is a {1}, and a {2} is expected here: name another.",
        "{0} est un {1}, or un {2} est attendu ici : indiquez-en un autre.",
    ),
    "answer-period": Text(
        "warning",
        "business-rule",
        "{0} is outside the period of the Questionnaire ({1}): look whether it is still the right form.",
        "{0} est hors de la période du Questionnaire ({1}) : vérifiez que c'est encore le bon formulaire.",
    ),
    "answer-unknown-item": Text(
        "error",
        "not-found",
        "The questionnaire has no item {0}: mend the linkId or remove the item.",
        "Le questionnaire n'a pas d'élément {0} : corrigez le linkId ou retirez l'élément.",
    ),
    "answer-elsewhere": Text(
        "error",
        "structure",
        "The questionnaire has the item {0} in another place: move it.",
        "Le questionnaire a l'élément {0} à une autre place : déplacez-le.",
    ),
    "answer-order": Text(
        "error",
        "structure",
        "The item {0} comes too late: follow the order of the questionnaire.",
        "L'élément {0} arrive trop tard : suivez l'ordre du questionnaire.",
    ),
    "answer-disabled": Text(
        "error",
        "business-rule",
        "The item {0} has an answer and is not enabled by the other answers: remove it.",
        "L'élément {0} a une réponse alors que les autres réponses ne l'activent pas : retirez-la.",
    ),
    "answer-missing": Text(
        "error",
        "required",
        "The question {0} must be answered: add the answer, or leave the status in-progress.",
        "La question {0} exige une réponse : ajoutez-la, ou laissez le statut in-progress.",
    ),
    "answer-display": Text(
        "error",
        "structure",
        "The item {0} is only displayed: it has no answers and no items.",
        "L'élément {0} est seulement affiché : il n'a ni réponses ni éléments.",
    ),
    "answer-group": Text(
        "error",
        "structure",
        "The item {0} is a group: it has items, and no answers.",
        "L'élément {0} est un groupe : il a des éléments, pas de réponses.",
    ),
    "answer-repeated": Text(
        "error", "structure", "{0} does not repeat: keep one.", "{0} ne se répète pas : n'en gardez qu'un."
    ),
    "answer-item-repeated": Text(
        "error",
        "structure",
        "The question {0} has one item: put all answers into it.",
        "La question {0} a un seul élément : mettez-y toutes les réponses.",
    ),
    "answer-too-many": Text(
        "error",
        "structure",
        "{0} takes at most {1} answers, and has {2}: remove what is too much.",
        "{0} prend au plus {1} réponses et en a {2} : retirez le surplus.",
    ),
    "answer-too-few": Text(
        "error",
        "structure",
        "{0} takes at least {1} answers, and has {2}: add some.",
        "{0} prend au moins {1} réponses et en a {2} : complétez.",
    ),
    "answer-exclusive": Text(
        "error",
        "business-rule",
        "This answer to {0} excludes all others: keep it alone, or remove it.",
        "Cette réponse à {0} exclut toutes les autres : gardez-la seule, ou retirez-la.",
    ),
    "answer-type": Text(
        "error",
        "structure",
        "The answer is a {0}, and the question {1} takes: {2}.",
        "La réponse est un {0}, or la question {1} prend : {2}.",
    ),
    "answer-option": Text(
        "error",
        "code-invalid",
        "The answer is none of the options of {0}: choose one.",
        "La réponse n'est aucune des options de {0} : choisissez-en une.",
    ),
    "answer-unit": Text(
        "error",
        "value",
        "The quantity cannot be compared with the bounds of {0}: give system and code of the unit.",
        "La quantité ne peut être comparée aux bornes de {0} : donnez le système et le code de l'unité.",
    ),
    "answer-decimals": Text(
        "error",
        "value",
        "The number may have {0} decimal places: round it.",
        "Le nombre peut avoir {0} décimales : arrondissez-le.",
    ),
    "answer-pattern": Text(
        "error",
        "value",
        "The answer is not of the form {0}: mend it.",
        "La réponse n'est pas de la forme {0} : corrigez-la.",
    ),
    "answer-content-type": Text(
        "error", "value", "The attachment is {0}, and may be {1}.", "La pièce jointe est {0}, et peut être {1}."
    ),
    "answer-size": Text(
        "error",
        "too-long",
        "The attachment has {0} bytes, and may have {1}.",
        "La pièce jointe a {0} octets, et peut en avoir {1}.",
    ),
    "answer-reference": Text(
        "error",
        "structure",
        "The answer refers to {0}, and may refer to {1}.",
        "La réponse désigne {0}, et peut désigner {1}.",
    ),
    "too-short": Text(
        "error",
        "value",
        "The text has {1} characters and must have {0}: complete it.",
        "Le texte a {1} caractères et doit en avoir {0} : complétez-le.",
    ),
    "enable-unknown": Text(
        "error",
        "business-rule",
        "The condition names the question {0}, which the form does not have: mend it.",
        "La condition désigne la question {0}, que le formulaire n'a pas : corrigez-la.",
    ),
    "enable-inner": Text(
        "error",
        "business-rule",
        "The condition names {0}, a question within the item itself: name one outside.",
        "La condition désigne {0}, une question à l'intérieur de l'élément : désignez-en une au dehors.",
    ),
    "enable-itself": Text(
        "error",
        "business-rule",
        "The condition names the item {0} itself: name another question.",
        "La condition désigne l'élément {0} lui-même : désignez une autre question.",
    ),
}
