"""Callers: which references a grant acts as, and what is his own.

Spec: security.html#identity
"""

from typing import Final

from fhir_server.access.grant import Grant
from fhir_server.access.rows import AUTHOR, DEPOSITOR, refers_to
from fhir_server.search.condition import Condition, any_of

PERSONAL_KINDS: Final = frozenset({"patient", "representative"})
"""Those who hold a record, or act for who holds it."""


def acts_as(grant: Grant) -> tuple[str, ...]:
    """Return the references a relation or a block may name: the actor, his roles and his organizations."""
    return tuple(dict.fromkeys(reference for reference in (grant.actor, *grant.organizations) if reference))


def is_himself(grant: Grant) -> tuple[str, ...]:
    """Return the references that are the caller and nobody else: organizations are left out.

    Choice: what an establishment signs is not thereby open to all who work there; they need a relation.
    """
    return tuple(reference for reference in acts_as(grant) if not reference.startswith("Organization/"))


def deposited(grant: Grant) -> Condition:
    """Return the condition that the caller created the resource, or the document it was converted from."""
    return refers_to(DEPOSITOR, is_himself(grant))


def is_his(grant: Grant) -> Condition:
    """Return the condition that the caller deposited or wrote the resource, or what governs it."""
    return any_of(deposited(grant), refers_to(AUTHOR, is_himself(grant)))
