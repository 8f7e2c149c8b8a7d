"""The laboratory results of a document to one DiagnosticReport. Spec: diagnosticreport.html.

Choice: the official tables stop at Observations; one report a document lets a client find them by its type.
"""

from mappings.cda.dates import ts_to_instant
from mappings.cda.vocabulary import INTERNAL
from mappings.cda.xml import child
from mappings.context import Context
from mappings.fhir import Json, compact, concept


def laboratory_report(header: Json, context: Context) -> None:
    """Add the DiagnosticReport of the laboratory results, reachable from Composition.event; nothing without results."""
    if not context.laboratory:
        return
    panels = [context.resources[reference["reference"]] for reference in context.laboratory]
    performers = [who for panel in panels for who in panel.get("performer", []) if "extension" not in who]
    event: Json = (header.get("event") or [{}])[0]
    time = child(context.document, "effectiveTime")
    orders = [item["valueReference"] for item in header.get("extension", []) if item["url"].endswith("event-basedOn")]
    report = {
        "resourceType": "DiagnosticReport",
        "identifier": [context.identifier],
        "basedOn": orders,
        "status": header["status"],
        "category": [concept(INTERNAL + "v2-0074", "LAB", "Laboratory")],
        "code": header["type"],
        "subject": context.patient,
        "encounter": header.get("encounter"),
        "effectivePeriod": event.get("period"),
        "issued": ts_to_instant(time.get("value", "")) if time is not None else None,
        "performer": _once(performers),
        "specimen": _once([specimen for panel in panels for specimen in _all_specimens(panel, context)]),
        "result": context.laboratory,
    }
    reference = context.add(compact(report), "laboratory")
    events = header.setdefault("event", [{}])
    events[0].setdefault("detail", []).append(reference)


def _all_specimens(panel: Json, context: Context) -> list[Json]:
    own = [panel["specimen"]] if "specimen" in panel else []
    inner = [context.resources[member["reference"]] for member in panel.get("hasMember", [])]
    return own + [specimen for member in inner for specimen in _all_specimens(member, context)]


def _once(references: list[Json]) -> list[Json]:
    found: list[Json] = []
    for reference in references:
        if reference not in found:
            found.append(reference)
    return found
