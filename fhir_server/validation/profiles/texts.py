"""What the profile validator says: each message by its stable id, with its severity, in English and French.

Spec: operationoutcome.html, valueset-issue-type.html
"""

from collections.abc import Mapping
from typing import Final

from fhir_server.validation.profiles.resources.datatype_texts import DATATYPE_TEXTS
from fhir_server.validation.profiles.resources.definition_texts import DEFINITION_TEXTS
from fhir_server.validation.profiles.resources.texts import RESOURCE_TEXTS
from fhir_server.validation.texts import Text

TEXTS: Final[Mapping[str, Text]] = {
    **RESOURCE_TEXTS,
    **DATATYPE_TEXTS,
    **DEFINITION_TEXTS,
    "profile-unknown": Text(
        "warning",
        "not-found",
        "The profile {0} is not known here, so it could not be checked: add the package that holds it.",
        "Le profil {0} est inconnu ici et n'a pas pu être vérifié : ajoutez le paquet qui le contient.",
    ),
    "profile-other-type": Text(
        "error",
        "structure",
        "The profile {0} is for {1}, and this is a {2}: name another profile.",
        "Le profil {0} porte sur {1}, or ceci est {2} : indiquez un autre profil.",
    ),
    "profile-unbuilt": Text(
        "warning",
        "not-found",
        "The profile {0} could not be checked: {1}",
        "Le profil {0} n'a pas pu être vérifié : {1}",
    ),
    "profile-broken": Text(
        "error",
        "not-supported",
        "The profile {0} cannot be used ({1}): mend the profile.",
        "Le profil {0} est inutilisable ({1}) : corrigez le profil.",
    ),
    "minimum": Text(
        "error",
        "required",
        "{0} is needed at least {1} times by {2}, and is here {3} times: add it.",
        "{0} est exigé au moins {1} fois par {2} et apparaît {3} fois : ajoutez-le.",
    ),
    "maximum": Text(
        "error",
        "structure",
        "{0} may be here at most {1} times by {2}, and is here {3} times: remove what is too much.",
        "{0} peut apparaître au plus {1} fois selon {2} et apparaît {3} fois : retirez le surplus.",
    ),
    "type": Text(
        "error",
        "structure",
        "{0} is {1}, and {2} allows {3}: write one of these.",
        "{0} est {1}, or {2} permet {3} : utilisez l'un de ces types.",
    ),
    "fixed": Text(
        "error",
        "value",
        "The value must be exactly {0}: write that.",
        "La valeur doit être exactement {0} : écrivez cela.",
    ),
    "pattern": Text(
        "error",
        "value",
        "The value must hold {0}: complete or mend it.",
        "La valeur doit contenir {0} : complétez-la ou corrigez-la.",
    ),
    "too-small": Text(
        "error", "value", "The value must be {0} or more: mend it.", "La valeur doit être au moins {0} : corrigez-la."
    ),
    "too-large": Text(
        "error", "value", "The value must be {0} or less: mend it.", "La valeur doit être au plus {0} : corrigez-la."
    ),
    "too-long": Text(
        "error",
        "too-long",
        "The text has {1} characters and may have {0}: shorten it.",
        "Le texte a {1} caractères et peut en avoir {0} : raccourcissez-le.",
    ),
    "binding-required": Text(
        "error",
        "code-invalid",
        "No code here is in the required value set {0} ({1}): use one of its codes.",
        "Aucun code n'appartient au jeu de valeurs obligatoire {0} ({1}) : utilisez un de ses codes.",
    ),
    "binding-missing": Text(
        "error",
        "code-invalid",
        "There are words only, and a code of the required value set {0} is needed: add it.",
        "Il n'y a que du texte, or un code du jeu de valeurs obligatoire {0} est exigé : ajoutez-le.",
    ),
    "binding-extensible": Text(
        "warning",
        "code-invalid",
        "No code here is in the extensible value set {0} ({1}): use one of its codes unless none applies.",
        "Aucun code n'appartient au jeu de valeurs extensible {0} ({1}) : utilisez un de ses codes s'il en est un.",
    ),
    "binding-preferred": Text(
        "information",
        "code-invalid",
        "No code here is in the preferred value set {0} ({1}): better use one of its codes.",
        "Aucun code n'appartient au jeu de valeurs préféré {0} ({1}) : préférez un de ses codes.",
    ),
    "binding-unchecked": Text(
        "information",
        "not-found",
        "The code could not be checked against the {1} value set {0}, whose content is not known here.",
        "Le code n'a pas pu être vérifié dans le jeu de valeurs {0} ({1}), dont le contenu est inconnu ici.",
    ),
    "slice-closed": Text(
        "error",
        "structure",
        "This item is none of the slices {0} that {1} allows here: mend or remove it.",
        "Cet élément n'est aucune des tranches {0} que {1} permet ici : corrigez-le ou retirez-le.",
    ),
    "slice-unchecked": Text(
        "information",
        "not-found",
        "The slice {0} that {1} asks for could not be told: a value set is unknown, or the profile is unclear.",
        "La tranche {0} que {1} exige n'a pu être reconnue : jeu de valeurs inconnu, ou profil imprécis.",
    ),
    "slice-order": Text(
        "error",
        "structure",
        "The slice {0} comes too late: follow the order {1}.",
        "La tranche {0} arrive trop tard : suivez l'ordre {1}.",
    ),
    "slice-open-at-end": Text(
        "error",
        "structure",
        "Items without a slice come last, and this one comes before the slice {0}: move it to the end.",
        "Les éléments sans tranche viennent en dernier, et celui-ci précède la tranche {0} : déplacez-le à la fin.",
    ),
    "invariant": Text("error", "invariant", "{0}: {1}", "{0} : {1}"),
    "invariant-unchecked": Text(
        "information",
        "not-supported",
        "The rule {0} could not be checked: {1}",
        "La règle {0} n'a pas pu être vérifiée : {1}",
    ),
    "extension-relative": Text(
        "error",
        "invalid",
        "The extension {0} is relative: write the absolute URL of its definition.",
        "L'extension {0} est relative : écrivez l'URL absolu de sa définition.",
    ),
    "extension-version": Text(
        "error",
        "invalid",
        "The extension {0} stands for no element of another version of FHIR: write version and path, such as "
        "http://hl7.org/fhir/5.0/StructureDefinition/extension-Patient.name; for R4, use the element itself.",
        "L'extension {0} ne représente aucun élément d'une autre version de FHIR : écrivez version et chemin, tel "
        "http://hl7.org/fhir/5.0/StructureDefinition/extension-Patient.name ; pour R4, utilisez l'élément même.",
    ),
    "extension-unknown": Text(
        "information",
        "not-found",
        "The extension {0} is not known here and could not be checked.",
        "L'extension {0} est inconnue ici et n'a pas pu être vérifiée.",
    ),
    "modifier-unknown": Text(
        "error",
        "not-supported",
        "The modifier extension {0} is not known here, and may change the meaning: add the package that defines it.",
        "L'extension modificatrice {0} est inconnue ici et peut changer le sens : ajoutez le paquet qui la définit.",
    ),
    "extension-modifier": Text(
        "error",
        "structure",
        "The extension {0} changes the meaning of what it is on: write it as modifierExtension.",
        "L'extension {0} change le sens de ce qui la porte : écrivez-la comme modifierExtension.",
    ),
    "extension-plain": Text(
        "error",
        "structure",
        "The extension {0} changes no meaning: write it as extension.",
        "L'extension {0} ne change aucun sens : écrivez-la comme extension.",
    ),
    "extension-context": Text(
        "error",
        "structure",
        "The extension {0} may stand on {1}, not here: move it.",
        "L'extension {0} se place sur {1}, pas ici : déplacez-la.",
    ),
    "extension-invariant": Text(
        "error",
        "structure",
        "The extension {0} may stand only where {1} holds: remove it.",
        "L'extension {0} n'est permise que là où {1} est vrai : retirez-la.",
    ),
    "extension-part": Text(
        "error",
        "structure",
        "The extension {0} has no part {1}: write one of {2}.",
        "L'extension {0} n'a pas de partie {1} : utilisez {2}.",
    ),
    "target-type": Text(
        "error",
        "structure",
        "The reference points to {0}, and {1} allows {2}: mend it.",
        "La référence désigne {0}, or {1} permet {2} : corrigez-la.",
    ),
    "target-profile": Text(
        "error",
        "structure",
        "What the reference points to does not meet any of {0}: mend it.",
        "Ce que la référence désigne ne respecte aucun de ces profils : {0} : corrigez-le.",
    ),
    "aggregation": Text(
        "error",
        "structure",
        "The reference is {0}, and {1} allows {2}: mend it.",
        "La référence est {0}, or {1} permet {2} : corrigez-la.",
    ),
    "type-profile": Text(
        "error",
        "structure",
        "The value does not meet any of {0}: mend it.",
        "La valeur ne respecte aucun de ces profils : {0} : corrigez-la.",
    ),
    "too-deep": Text(
        "warning",
        "too-costly",
        "The profiles nest too deep here; what is below could not be checked.",
        "Les profils s'imbriquent trop ici ; ce qui est dessous n'a pas pu être vérifié.",
    ),
    "bundle-full-url": Text(
        "error",
        "required",
        "An entry of a {0} Bundle needs a fullUrl: add it.",
        "Une entrée d'un Bundle {0} exige un fullUrl : ajoutez-le.",
    ),
    "bundle-full-url-relative": Text(
        "error",
        "invalid",
        "The fullUrl {0} is relative: write an absolute URL, or urn:uuid.",
        "Le fullUrl {0} est relatif : écrivez une URL absolue ou urn:uuid.",
    ),
    "bundle-full-url-id": Text(
        "error",
        "invalid",
        "The fullUrl {0} does not end with {1}: make the two agree.",
        "Le fullUrl {0} ne finit pas par {1} : accordez les deux.",
    ),
    "bundle-reference": Text(
        "error",
        "not-found",
        "No entry has the fullUrl {0} that this reference names: add the entry or mend the reference.",
        "Aucune entrée n'a le fullUrl {0} que cette référence désigne : ajoutez l'entrée ou corrigez la référence.",
    ),
    "bundle-link": Text(
        "error",
        "invalid",
        "There is a link with the relation {0} already: keep one.",
        "Un lien a déjà la relation {0} : n'en gardez qu'un.",
    ),
    "bundle-first": Text(
        "error",
        "invalid",
        "The first entry of a {0} Bundle is a {1}: put it first.",
        "La première entrée d'un Bundle {0} est un {1} : placez-le en premier.",
    ),
    "bundle-unreached": Text(
        "warning",
        "informational",
        "Nothing leads from the Composition to this entry: refer to it, or remove it.",
        "Rien ne mène de la Composition à cette entrée : référencez-la ou retirez-la.",
    ),
}
