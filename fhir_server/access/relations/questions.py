"""Questions on a record as conditions: is it closed, is the caller blocked, does a care relation open it to him.

They hold of the Patient, and of whatever is in his compartment. Spec: CSP L.1110-12, L.1111-14, R.1111-46
"""

from fhir_server.access.callers import acts_as
from fhir_server.access.grant import Grant
from fhir_server.access.relations.ground import BLOCK, CARE_GROUNDS, CLOSED, EVERYONE
from fhir_server.search.condition import Condition, Related


def closed() -> Condition:
    """Return the condition that a record is closed, or was never wanted."""
    return Related((EVERYONE,), (CLOSED,))


def blocked(grant: Grant) -> Condition:
    """Return the condition that the patient blocked the caller, or everybody."""
    return Related((*acts_as(grant), EVERYONE), (BLOCK,))


def cared_for(grant: Grant) -> Condition:
    """Return the condition that a care relation joins the caller to the record now."""
    return Related(acts_as(grant), CARE_GROUNDS)
