"""Convert a CDA document off the event loop, and tell refusals and issues as FHIR does.

Spec: operationoutcome.html
"""

import asyncio
from typing import Any

import mappings
from fhir_server.foundation.operation_outcome import FhirError, Issue, TooLarge, Unparsable, Unprocessable
from fhir_server.foundation.operation_outcome import outcome as outcome_of

REFUSALS: dict[str, type[FhirError]] = {
    "too-long": TooLarge,
    "structure": Unparsable,
    "security": Unparsable,
    "invalid": Unparsable,
}


async def convert(content: bytes) -> mappings.Conversion:
    """Return the conversion of a CDA document; raises Unparsable (400), TooLarge (413) or Unprocessable (422)."""
    try:
        return await asyncio.to_thread(mappings.convert, content)
    except mappings.CdaRefused as refused:
        raise refusal_of(refused) from refused


def refusal_of(refused: mappings.CdaRefused) -> FhirError:
    """Return what a caller is told of a CDA that cannot be converted."""
    place = (refused.location,) if refused.location else ()
    refusal = REFUSALS.get(refused.code, Unprocessable)
    issue = Issue("error", refused.code, refused.diagnostics, place)
    return refusal(refused.diagnostics, issues=(issue,))


def outcome(conversion: mappings.Conversion, *more: Issue) -> dict[str, Any]:
    """Return the OperationOutcome of what was noticed, each with its count and its place in the CDA."""
    issues = [_issue(issue) for issue in conversion.issues]
    issues += more
    if not issues:
        issues = [Issue("information", "informational", "Everything in the document is in FHIR.")]
    return outcome_of(issues)


def _issue(issue: mappings.Issue) -> Issue:
    times = f" ({issue.count} times)" if issue.count > 1 else ""
    return Issue(
        issue.severity,
        issue.code,
        f"{issue.diagnostics}{times}",
        (issue.location,) if issue.location else (),
        details=" ".join(filter(None, (issue.template_id, issue.template_name))),
    )
