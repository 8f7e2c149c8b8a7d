"""The directory: types that describe professionals, places, products and definitions, and no patient.

Spec: resourcelist.html, https://ansforge.github.io/annuaire-sante-fhir-documentation/
"""

from typing import Final

PROFESSIONAL_TYPES: Final = frozenset(
    {
        "Endpoint",
        "HealthcareService",
        "InsurancePlan",
        "Location",
        "Organization",
        "OrganizationAffiliation",
        "Practitioner",
        "PractitionerRole",
        "Schedule",
        "Slot",
    }
)
_PRODUCTS: Final = frozenset(
    {
        "CatalogEntry",
        "DeviceDefinition",
        "Medication",
        "MedicationKnowledge",
        "MedicinalProduct",
        "MedicinalProductAuthorization",
        "MedicinalProductContraindication",
        "MedicinalProductIndication",
        "MedicinalProductIngredient",
        "MedicinalProductInteraction",
        "MedicinalProductManufactured",
        "MedicinalProductPackaged",
        "MedicinalProductPharmaceutical",
        "MedicinalProductUndesirableEffect",
        "Substance",
        "SubstanceNucleicAcid",
        "SubstancePolymer",
        "SubstanceProtein",
        "SubstanceReferenceInformation",
        "SubstanceSourceMaterial",
        "SubstanceSpecification",
    }
)
DEFINITION_TYPES: Final = frozenset(
    {
        "ActivityDefinition",
        "CapabilityStatement",
        "ChargeItemDefinition",
        "CodeSystem",
        "CompartmentDefinition",
        "ConceptMap",
        "EffectEvidenceSynthesis",
        "EventDefinition",
        "Evidence",
        "EvidenceVariable",
        "ExampleScenario",
        "GraphDefinition",
        "ImplementationGuide",
        "Library",
        "Measure",
        "MessageDefinition",
        "NamingSystem",
        "ObservationDefinition",
        "OperationDefinition",
        "PlanDefinition",
        "Questionnaire",
        "ResearchDefinition",
        "ResearchElementDefinition",
        "RiskEvidenceSynthesis",
        "SearchParameter",
        "SpecimenDefinition",
        "StructureDefinition",
        "StructureMap",
        "TerminologyCapabilities",
        "TestScript",
        "ValueSet",
    }
)

DIRECTORY_TYPES: Final = PROFESSIONAL_TYPES | _PRODUCTS | DEFINITION_TYPES
"""Whoever may read a record at all may read these, within his scopes."""

FED_DIRECTORY_TYPES: Final = frozenset(
    {"Location", "Medication", "Organization", "Practitioner", "PractitionerRole", "Substance"}
)
"""What a document brings along, its author, his organization, its products: to create, not to change."""
