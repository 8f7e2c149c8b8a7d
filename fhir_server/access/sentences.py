"""Sentences: what each reason code says, in French and in English, and where it stands in the order of evaluation.

Spec: Mon espace santé, order of evaluation of access (record, professional, mode, care relation, matrix, labels,
minors, apps, scopes)
"""

from typing import Final

import msgspec


class Sentence(msgspec.Struct, frozen=True):
    """One reason: `step` orders it, 1 to 9; `french` and `english` hold when the rule does."""

    step: int
    french: str
    english: str


SENTENCES: Final = {
    "record-closed": Sentence(1, "Le dossier est fermé.", "The record is closed."),
    "blocked": Sentence(2, "Le patient a bloqué cet accès.", "The patient has blocked this caller."),
    "break-glass": Sentence(
        3, "Bris de glace : l'urgence ouvre le dossier.", "Break-glass: the emergency opens the record."
    ),
    "break-glass-opposed": Sentence(
        3, "Le patient s'oppose au bris de glace.", "The patient opposes access by break-glass."
    ),
    "regulation": Sentence(
        3, "Le centre 15 a accès au dossier.", "The emergency call centre has access to the record."
    ),
    "regulation-opposed": Sentence(
        3, "Le patient s'oppose à l'accès par le centre 15.", "The patient opposes access by the call centre."
    ),
    "care-team": Sentence(4, "Membre de l'équipe de soins.", "Member of the care team."),
    "consent": Sentence(4, "Le patient a consenti à cet accès.", "The patient has consented to this access."),
    "encounter": Sentence(
        4,
        "Une venue est en cours, où cette personne intervient.",
        "An encounter is under way, in which this person takes part.",
    ),
    "own-work": Sentence(4, "L'auteur et le déposant gardent l'accès.", "Who wrote or deposited it keeps access."),
    "feeding": Sentence(
        4, "Alimenter un dossier ne demande pas de droit de lecture.", "Feeding a record needs no access to read it."
    ),
    "own-record": Sentence(
        4,
        "C'est son dossier, ou celui de la personne représentée.",
        "It is the caller's own record, or that of the person represented.",
    ),
    "own-deposit": Sentence(4, "C'est son propre dépôt.", "It is the caller's own deposit."),
    "own-decision": Sentence(4, "C'est une décision du patient.", "It is a decision of the patient."),
    "directory": Sentence(4, "L'annuaire est ouvert à tous.", "The directory is open to all."),
    "operator": Sentence(4, "C'est l'opérateur du service.", "The caller operates the service."),
    "open": Sentence(4, "Ce serveur est ouvert à tous.", "This server is open to all."),
    "another-record": Sentence(
        4, "Cela touche le dossier d'un autre patient.", "It concerns the record of another patient."
    ),
    "self-authorisation": Sentence(
        4, "Un professionnel ne s'autorise pas lui-même.", "Professionals do not authorise themselves."
    ),
    "authorisation": Sentence(4, "Seul le patient ouvre son dossier.", "The patient alone opens the record."),
    "representation": Sentence(
        4, "Seul l'opérateur dit qui représente un patient.", "The operator alone says who represents a patient."
    ),
    "consent-of-others": Sentence(4, "Ce consentement nomme d'autres personnes.", "This consent names other people."),
    "names-others": Sentence(4, "Cela nomme d'autres patients.", "It names other patients."),
    "identity": Sentence(4, "L'identité ne se modifie pas ainsi.", "The identity is not changed this way."),
    "notice": Sentence(
        4, "Un avis d'accès en urgence ne se modifie pas.", "A notice of emergency access is not changed."
    ),
    "told": Sentence(4, "Cet avis est adressé à qui demande.", "This notice is addressed to the caller."),
    "trace": Sentence(4, "Une trace ne se modifie pas.", "A trace is not changed."),
    "matrix": Sentence(
        5,
        "La matrice n'ouvre pas ce document à cette profession.",
        "The matrix closes this document to this profession.",
    ),
    "matrix-resource": Sentence(
        5,
        "La matrice n'ouvre pas ces données à cette profession.",
        "The matrix closes such data to this profession.",
    ),
    "masked": Sentence(6, "Le document est masqué aux professionnels.", "The document is masked from professionals."),
    "all-masked": Sentence(6, "Le patient masque tous ses documents.", "The patient masks all documents."),
    "hidden-from-patient": Sentence(
        6, "Le document n'est pas encore visible du patient.", "The document is not yet visible to the patient."
    ),
    "hidden-from-representatives": Sentence(
        7, "Le document est caché aux représentants légaux.", "The document is hidden from legal representatives."
    ),
    "not-secret": Sentence(
        7,
        "En connexion secrète, un dépôt est caché aux représentants légaux.",
        "In a secret connection a deposit is hidden from representatives.",
    ),
    "app-not-referenced": Sentence(8, "L'application n'est pas au catalogue.", "The app is not in the catalogue."),
    "app-purpose": Sentence(
        8, "La finalité de l'application n'est pas permise.", "The purpose of the app is not lawful."
    ),
    "app-outside-parts": Sentence(8, "Aucune application n'a accès à ces données.", "No app has access to such data."),
    "scopes": Sentence(9, "Le jeton couvre cette demande.", "The scopes of the token cover this request."),
}

_APP: Final = {
    "read": ("la lecture", "reading"),
    "write": ("l'écriture", "writing"),
    "measurements": ("des mesures", "measurements"),
    "documents": ("des documents", "documents"),
    "agenda": ("de l'agenda", "the agenda"),
}


def sentence_of(reason: str) -> Sentence:
    """Return the sentence of a reason code; those of an app's consents are composed of their parts."""
    if reason in SENTENCES:
        return SENTENCES[reason]
    _, operation, part = reason.split("-")
    doing, what = _APP[operation], _APP[part]
    return Sentence(
        8,
        f"Le patient n'a pas consenti à {doing[0]} {what[0]} par cette application.",
        f"The patient has not consented to {doing[1]} {what[1]} by this app.",
    )


_REFUSALS: Final = {
    "no-rule": Sentence(9, "Rien n'ouvre cet accès.", "Nothing opens this access."),
    "scopes": Sentence(
        9, "Le jeton ne couvre pas cette demande.", "The scopes of the token do not cover this request."
    ),
}
"""What decides although no rule says it: that no rule allows."""


def text_of(reason: str, language: str) -> str:
    """Return why an answer is what it is, "fr" or "en", by one of the reasons of an explanation."""
    said = _REFUSALS[reason] if reason in _REFUSALS else sentence_of(reason)
    return said.french if language == "fr" else said.english
