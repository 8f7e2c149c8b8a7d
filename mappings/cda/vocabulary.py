"""Code systems and codes: OIDs to the URIs that FHIR knows, CDA codes to FHIR codes.

Source: terminologies-systems.html, and the tables of mappings/concept_maps (a file a vocabulary).
"""

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

from mappings.fhir import Json

CONCEPT_MAPS = Path(__file__).parent.parent / "concept_maps"
INTERNAL = "http://terminology.hl7.org/CodeSystem/"

_OID = re.compile(r"[0-2](\.(0|[1-9][0-9]*))+")
_UUID = re.compile(r"[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")


@cache
def concept_map(name: str) -> dict[str, Any]:
    """Read one table of mappings/concept_maps by its file name, without .json."""
    table: dict[str, Any] = json.loads((CONCEPT_MAPS / f"{name}.json").read_text("utf-8"))
    return table


def system_uri(code_system: str | None) -> str | None:
    """Give the URI of a code system or identifier root; None when it is neither an OID nor a UUID."""
    root = (code_system or "").strip()
    known: str | None = concept_map("code_systems").get(root)
    return known or urn(root)


def urn(root: str) -> str | None:
    """Write an OID or a UUID as a URN; None for anything else."""
    if _OID.fullmatch(root):
        return f"urn:oid:{root}"
    if _UUID.fullmatch(root):
        return f"urn:uuid:{root.lower()}"
    return None


def translate(table: str, code: str | None) -> str | None:
    """Look a CDA code up in a table of concept_maps; None when it has no equivalent."""
    found: str | None = concept_map(table).get(code or "")
    return found


def act_status(resource_type: str, code: str | None) -> str | None:
    """Give the status of a resource for the statusCode of an act."""
    statuses: Json = concept_map("act_status")[resource_type]
    found: str | None = statuses.get(code or "")
    return found


def absent_reason(null_flavor: str | None) -> str:
    """Give the data-absent-reason of a nullFlavor."""
    return translate("null_flavors", null_flavor) or "unknown"


def template_name(template_id: str) -> str | None:
    """Give the name that the CI-SIS gives to a template."""
    return translate("template_names", template_id)
