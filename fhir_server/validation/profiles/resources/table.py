"""The visible table: which resource types have rules of their own, and where they are.

Spec: resourcelist.html
"""

from collections.abc import Mapping
from typing import Final

from fhir_server.validation.profiles.resources.bundles import check_bundle
from fhir_server.validation.profiles.resources.observation import check_observation
from fhir_server.validation.profiles.resources.questionnaire import check_questionnaire
from fhir_server.validation.profiles.resources.questionnaire_response import check_questionnaire_response
from fhir_server.validation.profiles.resources.search_parameter import check_search_parameter
from fhir_server.validation.profiles.resources.structure_definition import check_structure_definition
from fhir_server.validation.profiles.resources.terminology import check_code_system, check_concept_map, check_value_set
from fhir_server.validation.profiles.values import Check

RULES: Final[Mapping[str, Check]] = {
    "Bundle": check_bundle,
    "CodeSystem": check_code_system,
    "ConceptMap": check_concept_map,
    "Observation": check_observation,
    "Questionnaire": check_questionnaire,
    "QuestionnaireResponse": check_questionnaire_response,
    "SearchParameter": check_search_parameter,
    "StructureDefinition": check_structure_definition,
    "ValueSet": check_value_set,
}
