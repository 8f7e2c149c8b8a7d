"""The notice of an emergency: what the patient and his attending doctor are told, as a Communication in the record.

Spec: communication.html, CSP L.1111-17, R.1111-48
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

import msgspec

from fhir_server.access.modes import BREAK_GLASS, mode_of, purpose_system
from fhir_server.access.rules.notice import EMERGENCY_ACCESS, NOTICE_SYSTEM
from fhir_server.foundation.dates import format_instant

_MODES: Final = {True: ("bris de glace", "break-glass"), False: ("centre 15", "emergency call centre")}


class Opening(msgspec.Struct, frozen=True):
    """One opening of a record without relation: who (`actor`, a reference), when, as what, and the reason he gave."""

    patient_id: str
    actor: str
    display: str
    at: datetime
    purpose_of_use: str
    reason: str


def notice_of(opening: Opening, attending: Iterable[str]) -> dict[str, Any]:
    """Return the Communication that tells of an opening; `attending` are references of the attending doctor.

    Choice: it has no sender, because who sends is an author, and an author may delete what he wrote.
    """
    patient = {"reference": f"Patient/{opening.patient_id}"}
    french, english = _MODES[mode_of(opening.purpose_of_use) == BREAK_GLASS]
    purpose = {"system": purpose_system(opening.purpose_of_use), "code": opening.purpose_of_use}
    when = opening.at.strftime("%d/%m/%Y %H:%M UTC")
    return {
        "resourceType": "Communication",
        "status": "completed",
        "category": [{"coding": [{"system": NOTICE_SYSTEM, "code": EMERGENCY_ACCESS}]}],
        "subject": patient,
        "about": [{"reference": opening.actor, "display": opening.display}],
        "sent": format_instant(opening.at),
        "recipient": [patient, *({"reference": reference} for reference in attending)],
        "reasonCode": [{"coding": [purpose]} | ({"text": opening.reason} if opening.reason else {})],
        "payload": [
            {"contentString": f"{opening.display} a ouvert ce dossier en urgence ({french}) le {when}."},
            {"contentString": f"{opening.display} opened this record in an emergency ({english}) on {when}."},
        ],
    }
