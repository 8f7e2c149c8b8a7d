"""The trail of app states: who asked for, kept, changed or deleted which state, with which token.

Spec: auditevent.html, https://hl7.org/fhir/smart-app-launch/STU2.2/app-state.html#security-and-access-controls
"""

from fhir_server.access.audit.entry import QUERY_CHARACTERS, AccessEntry, encode
from fhir_server.access.grant import Grant
from fhir_server.foundation.dates import microseconds
from fhir_server.smart.app_state import STATE_PATH
from fhir_server.smart.authorization import Authorization
from fhir_server.smart.bearer import Live

_NOBODY = Grant(kind="nobody", actor="", client_id="")


def journal_state(authorization: Authorization, live: Live | None, asked: tuple[str, str, str], status: int) -> None:
    """Journal one request, given as (interaction, id of the state, query), and its status; no `live` without a token.

    A state is named only when it was reached: an id that a caller makes up leaves no trace of its own.
    """
    interaction, state_id, query = asked
    grant = _NOBODY if live is None else live.claims.grant(live.display, live.app)
    entry = AccessEntry(
        instant=microseconds(authorization.now()),
        kind=grant.kind,
        actor=grant.actor,
        client_id=grant.client_id,
        display=grant.display,
        interaction=interaction,
        resource_type="Basic",
        resource_id=state_id if status < 400 else "",
        version_id="",
        status=status,
        query=query[:QUERY_CHARACTERS],
        user_id=grant.user_id,
        purpose_of_use=grant.purpose_of_use,
        ground=grant.reason,
        base_url=authorization.url(STATE_PATH),
        compartment=f"Patient/{grant.patient_id}" if grant.patient_id else "",
        is_secret=grant.is_secret,
    )
    authorization.store.journal(encode(entry))
