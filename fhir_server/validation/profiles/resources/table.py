"""The visible table: which resource types have rules of their own, and where they are.

Spec: resourcelist.html
"""

from collections.abc import Mapping
from typing import Final

from fhir_server.validation.profiles.resources.bundles import check_bundle
from fhir_server.validation.profiles.resources.questionnaire import check_questionnaire
from fhir_server.validation.profiles.resources.questionnaire_response import check_questionnaire_response
from fhir_server.validation.profiles.values import Check

RULES: Final[Mapping[str, Check]] = {
    "Bundle": check_bundle,
    "Questionnaire": check_questionnaire,
    "QuestionnaireResponse": check_questionnaire_response,
}
