"""A participantRole that is a place to Location. Source: FREncounterLMCDAFHIR (lieuExecution)."""

from mappings.cda.datatypes import cd_to_codeable_concept, identifiers, ii_key
from mappings.cda.names import addresses, telecoms, words
from mappings.cda.xml import Element, child, children
from mappings.context import Context
from mappings.fhir import Json, compact


def location(role: Element | None, context: Context) -> Json | None:
    """Convert a place, each once; None when the role says nothing."""
    if role is None:
        return None
    playing = child(role, "playingEntity")
    names = [words(name) for name in children(playing, "name")] if playing is not None else []
    found = addresses(children(role, "addr"), context)
    scoping = child(role, "scopingEntity")
    described = words(child(scoping, "desc")) if scoping is not None else ""
    resource = compact(
        {
            "resourceType": "Location",
            "identifier": identifiers([number for number in children(role, "id") if ii_key(number)]),
            "name": next((name for name in names if name), None),
            "description": described,
            "type": [kind for holder in (role, playing) if (kind := _kind(holder, context))],
            "telecom": telecoms(children(role, "telecom"), context),
            "address": found[0] if found else None,
        }
    )
    return context.add(resource, repr(resource)) if len(resource) > 1 else None


def _kind(holder: Element | None, context: Context) -> Json:
    return cd_to_codeable_concept(child(holder, "code"), context) if holder is not None else {}
