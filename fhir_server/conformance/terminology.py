"""The terminology of the server: what the store holds, then R4's own; units by the grammar of UCUM.

Spec: terminology-service.html, https://ucum.org/ucum
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from fhir_server.conformance.canonicals import Canonicals
from fhir_server.fhirpath.node import UCUM_URL
from fhir_server.fhirpath.ucum.unit import parse_unit
from fhir_server.settings import Settings
from fhir_server.terminology.tables.folder import Tables
from fhir_server.terminology.terminology import Terminology


def tables_of(settings: Settings) -> Tables:
    """Return the large code systems of a deployment: files beside the store, whatever its engine."""
    return Tables(Path(settings.data) / "terminology")


def terminology_of(canonicals: Canonicals, tables: Tables) -> Terminology:
    """Return the terminology that the definitions and the tables make; each change of them counts at once."""

    def listed(resource_type: str) -> Iterable[Mapping[str, Any]]:
        return map(canonicals.read, canonicals.members(resource_type))

    terminology = Terminology(canonicals.resolve, {UCUM_URL: is_unit}, listed, tables)
    canonicals.subscribe(lambda members: terminology.forget())
    return terminology


def is_unit(code: str) -> bool:
    """Tell whether a code is a unit of UCUM."""
    return parse_unit(code) is not None
