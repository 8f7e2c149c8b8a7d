"""INS and other patient numbers: their types by OID, and the key that every NIR ends with.

Source: fr-core-patient-ins (hl7.fhir.fr.core 2.2.0); RNIV 1 (key = 97 minus the first 13 digits modulo 97).
"""

import re

from mappings.cda.datatypes import ii_to_identifier
from mappings.cda.xml import Element
from mappings.context import Context
from mappings.fhir import Json, concept

FR_V2_0203 = "https://hl7.fr/ig/fhir/core/CodeSystem/fr-core-cs-v2-0203"
V2_0203 = "http://terminology.hl7.org/CodeSystem/v2-0203"
INS_ROOT = "1.2.250.1.213.1.4."

_KINDS = {
    "8": ("official", FR_V2_0203, "INS-NIR"),
    "9": ("official", FR_V2_0203, "INS-NIA"),
    "10": ("official", FR_V2_0203, "INS-NIR-TEST"),
    "11": ("official", FR_V2_0203, "INS-NIR-DEMO"),
    "13": ("official", V2_0203, "NH"),
    "14": ("official", V2_0203, "NH"),
    "2": ("secondary", FR_V2_0203, "INS-C"),
}
_WITH_KEY = ("8", "9", "10", "11", "13", "14")
_NIR = re.compile(r"(\d{5}(\d\d|2A|2B)\d{6})(\d\d)")


def patient_identifier(element: Element, context: Context) -> Json:
    """Convert an id of patientRole: INS and NSS by their OID, anything else is an internal number (PI)."""
    identifier = ii_to_identifier(element)
    if not identifier or element.get("extension") is None:
        return identifier
    root = (element.get("root") or "").strip()
    kind = root.removeprefix(INS_ROOT) if root.startswith(INS_ROOT) else ""
    if kind in _WITH_KEY:
        _check_key(identifier["value"], element, context)
    if kind in _KINDS:
        use, system, code = _KINDS[kind]
        return {"use": use, "type": concept(system, code), **identifier}
    return {"use": "usual", "type": concept(V2_0203, "PI"), **identifier}


def nir_key(digits: str) -> int:
    """Compute the key of the 13 first characters of a NIR or NIA, where 2A counts as 19 and 2B as 18."""
    return 97 - int(digits.replace("2A", "19").replace("2B", "18")) % 97


def _check_key(value: str, element: Element, context: Context) -> None:
    parts = _NIR.fullmatch(value)
    if parts is None:
        context.report("warning", "value", "An INS number must have 13 characters and a key of 2 digits.", element)
    elif nir_key(parts[1]) != int(parts[3]):
        context.report(
            "warning",
            "value",
            f"The key of the INS number is {parts[3]} and should be {nir_key(parts[1]):02d}: check the number.",
            element,
        )
