"""The observations inside a problem or an allergy that tell its status, certainty, severity and stage.

Source: FR-Statut-du-probleme, FR-Certitude, FR-Criticite, FR-Severite, FR-Statut-clinique-du-patient.
"""

from mappings.cda.datatypes import cd_to_codeable_concept
from mappings.cda.vocabulary import translate
from mappings.cda.xml import Element, child
from mappings.context import Context
from mappings.entries.clinical_statement import has_template, inner_acts, read
from mappings.fhir import Json, compact

STATUSES = frozenset(
    (
        "1.2.250.1.213.1.1.3.30",
        "1.3.6.1.4.1.19376.1.5.3.1.4.1.1",
        "2.16.840.1.113883.10.20.1.50",
        "2.16.840.1.113883.10.20.22.4.6",
    )
)
CERTAINTIES = frozenset(("1.2.250.1.213.1.1.3.171",))
CRITICALITIES = frozenset(("1.2.250.1.213.1.1.3.172", "2.16.840.1.113883.10.20.22.4.145"))
SEVERITIES = frozenset(
    (
        "1.2.250.1.213.1.1.3.29",
        "1.3.6.1.4.1.19376.1.5.3.1.4.1",
        "2.16.840.1.113883.10.20.1.55",
        "2.16.840.1.113883.10.20.22.4.8",
    )
)
STAGES = frozenset(("1.2.250.1.213.1.1.3.31", "1.3.6.1.4.1.19376.1.5.3.1.4.1.2", "2.16.840.1.113883.10.20.1.51"))


def clinical_status(element: Element, context: Context) -> str | None:
    """Give the clinical status code that the CDA states."""
    return _translated(element, STATUSES, "clinical_statuses", context)


def certainty(element: Element, context: Context) -> str | None:
    """Give the verification status code that the CDA states."""
    return _translated(element, CERTAINTIES, "verification_statuses", context)


def severity_code(element: Element, context: Context) -> str | None:
    """Give the severity as mild, moderate or severe."""
    return _translated(element, SEVERITIES, "severities", context)


def criticality(element: Element, context: Context) -> str | None:
    """Give the criticality code that the CDA states."""
    act = _find(element, CRITICALITIES)
    value = child(act, "value") if act is not None else None
    code = value.get("code") if value is not None else None
    codes = {"low": "low", "high": "high", "unable-to-assess": "unable-to-assess"}
    codes |= {"CRITL": "low", "CRITH": "high", "CRITU": "unable-to-assess"}
    if act is None or code not in codes:
        return None
    _read(act, context)
    return codes[code]


def severity(element: Element, context: Context) -> Json:
    """Give the severity as it is coded."""
    act = _find(element, SEVERITIES)
    converted = cd_to_codeable_concept(child(act, "value"), context) if act is not None else {}
    if act is not None and converted:
        _read(act, context)
    return converted


def stage(element: Element, context: Context) -> list[Json]:
    """Give the clinical status of the patient as the stages of the problem."""
    found: list[Json] = []
    for _, act in inner_acts(element):
        if has_template(act, STAGES):
            converted = cd_to_codeable_concept(child(act, "value"), context)
            if converted:
                _read(act, context)
                found.append(compact({"summary": converted}))
    return found


def _translated(element: Element, template_ids: frozenset[str], table: str, context: Context) -> str | None:
    act = _find(element, template_ids)
    value = child(act, "value") if act is not None else None
    if act is None or value is None:
        return None
    code = translate(table, value.get("code"))
    if code is None:
        if value.get("code"):
            note = f"The code '{value.get('code')}' has no equivalent in {table}."
            context.report("warning", "code-invalid", note, value)
        return None
    _read(act, context)
    return code


def _find(element: Element, template_ids: frozenset[str]) -> Element | None:
    return next((act for _, act in inner_acts(element) if has_template(act, template_ids)), None)


def _read(act: Element, context: Context) -> None:
    read(act, context)
    context.imply(act, "id", "code", "statusCode", "effectiveTime")
    context.take(act, "value")
