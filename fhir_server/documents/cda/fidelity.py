"""`$fidelity`: what became of every node of a CDA when it was converted, as Parameters or as a page.

Spec: operations.html; the outcomes are those of `mappings.fidelity_report`
"""

import asyncio
from typing import Any

import mappings
from fhir_server.documents.cda.conversion import refusal_of
from fhir_server.documents.cda.original import Reading, bytes_of, document_of, is_cda
from fhir_server.documents.cda.posted import posted_cda
from fhir_server.foundation import fhir_json
from fhir_server.foundation.operation_outcome import Unprocessable
from fhir_server.foundation.parameters import parameter, parameters_resource
from fhir_server.interactions.request import Request, Response, Runtime

Resource = dict[str, Any]
PAGE = ("html", "true")
_TOLD = ("narrative", "lost", "unaccounted")
"""Outcomes whose nodes are listed one by one; the others are in FHIR, and counted."""


async def fidelity(request: Request, runtime: Runtime) -> Response:
    """Account for the CDA in the body, or for the one that a DocumentReference or Binary keeps; `html=true` for a page.

    Raises Unprocessable when what is kept is no CDA, and what a conversion raises.
    """
    content = await _kept(request, runtime) if request.resource_id else posted_cda(request)
    try:
        report = await asyncio.to_thread(mappings.fidelity, content)
    except mappings.CdaRefused as refused:
        raise refusal_of(refused) from refused
    if PAGE in request.parameters:
        return Response(200, report.as_html().encode(), "text/html; charset=utf-8")
    return Response(200, fhir_json.format(_parameters(report)))


async def _kept(request: Request, runtime: Runtime) -> bytes:
    reading = Reading(request, runtime)
    held = await reading.asked()
    if held["resourceType"] == "DocumentReference":
        held = await document_of(held, reading)
    if held["resourceType"] != "Binary" or not is_cda(held):
        raise Unprocessable("What is kept is no CDA R2: there is no conversion to account for.")
    return bytes_of(held)


def _parameters(report: mappings.Fidelity) -> Resource:
    counts = [parameter(outcome, "integer", count) for outcome, count in report.counts().items()]
    told = [
        parameter("document", "string", report.document_id),
        parameter("counts", "part", counts),
        parameter("codesInFhir", "decimal", round(report.share_kept("code"), 4)),
    ]
    return parameters_resource([*told, *(_node(node) for node in report.nodes if node.outcome in _TOLD)])


def _node(node: Any) -> Resource:
    said = (("outcome", "code", node.outcome), ("kind", "code", node.kind), ("xpath", "string", node.xpath))
    parts = [parameter(name, type_code, value) for name, type_code, value in said]
    parts += [parameter("value", "string", node.value)] if node.value.strip() else []
    parts += [parameter("detail", "string", node.detail)] if node.detail.strip() else []
    return parameter("node", "part", parts)
