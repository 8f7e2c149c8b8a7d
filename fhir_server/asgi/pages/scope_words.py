"""Scopes in plain words, for who must decide.

Spec: https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html#scopes-for-requesting-fhir-resources
"""

from urllib.parse import parse_qsl

from fhir_server.smart.granted_scopes import resource_part

_VERBS = {
    "fr": (("rs", "consulter"), ("c", "ajouter"), ("u", "modifier"), ("d", "supprimer")),
    "en": (("rs", "read"), ("c", "add"), ("u", "change"), ("d", "delete")),
}

_OTHER = {
    "openid": ("Savoir que c’est vous qui vous connectez", "Know that it is you who signs in"),
    "fhirUser": ("Connaître votre identité", "Know who you are"),
    "launch": ("Savoir quel écran vous avez sous les yeux", "Know which screen you are looking at"),
    "launch/encounter": ("Savoir de quel séjour ou consultation il s’agit", "Know which stay or consultation it is"),
    "online_access": (
        "Garder cet accès tant que vous restez connecté(e) ici",
        "Keep this access as long as you stay signed in here",
    ),
    "launch/patient": ("Savoir de quel dossier il s’agit", "Know whose record it is"),
    "offline_access": (
        "Garder cet accès quand vous n’utilisez pas l’application, jusqu’à ce que vous le retiriez ou qu’il expire",
        "Keep this access while you are not using the app, until you withdraw it or it expires",
    ),
}

_NOUNS = {
    "*": ("toutes les données du dossier", "everything in the record"),
    "AllergyIntolerance": ("allergies et intolérances", "allergies and intolerances"),
    "Appointment": ("rendez-vous", "appointments"),
    "AuditEvent": ("historique des accès", "history of accesses"),
    "Binary": ("fichiers joints", "attached files"),
    "CarePlan": ("plans de soins", "care plans"),
    "CareTeam": ("équipe de soins", "care team"),
    "Composition": ("documents structurés", "structured documents"),
    "Condition": ("maladies et problèmes de santé", "conditions and health problems"),
    "Consent": ("autorisations et oppositions", "consents and objections"),
    "Coverage": ("couverture sociale", "insurance"),
    "Device": ("appareils et dispositifs", "devices"),
    "DiagnosticReport": ("comptes rendus d’examens", "reports of examinations"),
    "DocumentReference": ("documents de santé", "health documents"),
    "Encounter": ("séjours et consultations", "stays and consultations"),
    "FamilyMemberHistory": ("antécédents familiaux", "family history"),
    "Goal": ("objectifs de santé", "health goals"),
    "ImagingStudy": ("examens d’imagerie", "imaging studies"),
    "Immunization": ("vaccinations", "vaccinations"),
    "MedicationDispense": ("médicaments délivrés", "dispensed medicines"),
    "MedicationRequest": ("ordonnances de médicaments", "prescriptions of medicines"),
    "MedicationStatement": ("traitements en cours", "current medicines"),
    "Observation": ("mesures et résultats d’examens", "measurements and results"),
    "Patient": ("identité et coordonnées", "identity and contact details"),
    "Practitioner": ("professionnels de santé", "health professionals"),
    "Procedure": ("interventions et actes", "procedures"),
    "Questionnaire": ("questionnaires", "questionnaires"),
    "QuestionnaireResponse": ("réponses aux questionnaires", "answers to questionnaires"),
    "RelatedPerson": ("proches et représentants", "relatives and representatives"),
    "ServiceRequest": ("prescriptions d’examens et de soins", "orders of examinations and care"),
}


def describe(text: str, language: str) -> str:
    """Return what a granted scope allows, in words: "Consulter et ajouter : vaccinations"."""
    index = 0 if language == "fr" else 1
    if text in _OTHER:
        return _OTHER[text][index]
    plain, _, query = text.partition("?")
    resource_type, interactions = resource_part(plain)
    verbs = [verb for letters, verb in _VERBS[language] if interactions & set(letters)]
    last = " et " if language == "fr" else " and "
    verb_text = last.join(part for part in (", ".join(verbs[:-1]), verbs[-1]) if part)
    colon = " : " if language == "fr" else ": "
    noun = _NOUNS[resource_type][index] if resource_type in _NOUNS else resource_type
    return verb_text.capitalize() + colon + noun + _limits(query, index)


def _limits(query: str, index: int) -> str:
    """Return the search parameters that narrow a scope, in the order in which they were asked."""
    if not query:
        return ""
    told = ", ".join(f"{name} = {value}" for name, value in parse_qsl(query, keep_blank_values=True))
    return f" ({('seulement', 'only')[index]} {told})"
