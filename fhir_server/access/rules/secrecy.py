"""The secret connection: what is deposited for a minor who asked for secrecy is hidden from his representatives.

Spec: CSP R.1111-33, R.1111-50; EX_0.1-1100, EX_2.1-1050 (DMP)
"""

from collections.abc import Iterable
from typing import Any, Final

from fhir_server.access.directory import DIRECTORY_TYPES
from fhir_server.access.grant import Grant
from fhir_server.access.labels import HIDDEN_FROM_REPRESENTATIVES, labelled, with_label
from fhir_server.access.rule import CREATE, UPDATE, Rule
from fhir_server.search.condition import none_of

_NOT_HIDDEN: Final = DIRECTORY_TYPES | {"CareTeam", "Consent", "Patient"}
"""Choice: the identity, and who cares for the patient, stay as they are: a label would take them from the parents."""
_LABELLED_BY_DOCUMENT: Final = frozenset({"Binary", "Bundle"})
"""They are filed before the document that describes them, whose label they take."""


def rules(grant: Grant) -> Iterable[Rule]:
    """Deny depositing, in a secret connection, what does not carry the label: `label_secret` gives it."""
    if grant.kind == "professional" and grant.is_secret:
        open_to_representatives = none_of(labelled(HIDDEN_FROM_REPRESENTATIVES))
        spared = _NOT_HIDDEN | _LABELLED_BY_DOCUMENT
        yield Rule("not-secret", CREATE | UPDATE, open_to_representatives, except_types=spared, is_denial=True)


def label_secret(grant: Grant, resource: dict[str, Any]) -> dict[str, Any]:
    """Return a resource about to be written with the label that a secret connection gives; itself when none is due."""
    resource_type = resource.get("resourceType", "")
    if not grant.is_secret or grant.kind != "professional" or resource_type in _NOT_HIDDEN:
        return resource
    return with_label(resource, HIDDEN_FROM_REPRESENTATIVES)
