"""Opening: what is known of a record, and the consents that open and close it.

Spec: consent.html; CSP L.1111-14, R.1111-34 (opposition, closing), L.1111-17 (consultation)
"""

from typing import Any, Final

from msgspec.structs import replace

from fhir_server.access.callers import PERSONAL_KINDS
from fhir_server.access.decision import decide, scope_reach
from fhir_server.access.grant import Grant
from fhir_server.access.relations.codes import RECORD_CONSENT_SYSTEM
from fhir_server.access.relations.questions import blocked, cared_for, closed
from fhir_server.documents.feeding import Feeding
from fhir_server.foundation.dates import format_instant
from fhir_server.foundation.operation_outcome import Forbidden, InsufficientScope, NotFound, Unprocessable
from fhir_server.foundation.resource import Version
from fhir_server.interactions.dispatch import perform
from fhir_server.interactions.request import Request
from fhir_server.interactions.write import prepare
from fhir_server.search.condition import NEVER, Condition
from fhir_server.storage.store import Reader

Resource = dict[str, Any]
CLOSING: Final = ("closing", "opposition")
_PERMIT_POLICY: Final = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "OPTIN"}
_DENY_POLICY: Final = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "OPTOUT"}
_SCOPE: Final = {"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy"}
_PRIVACY: Final = {"system": "http://loinc.org", "code": "59284-0"}


async def is_closed(reader: Reader, patient: str) -> bool:
    """Say whether a record is closed, or was never wanted."""
    return await _holds(reader, patient, closed())


async def is_blocked(reader: Reader, patient: str, grant: Grant) -> bool:
    """Say whether the patient blocked the caller, or everybody."""
    return await _holds(reader, patient, blocked(grant))


async def is_authorised(reader: Reader, patient: str, grant: Grant) -> bool:
    """Say whether a professional may consult the record now: he is related to it, and the decision reaches it."""
    try:
        within = decide(grant, "read", "Patient")
    except Forbidden:
        return False
    return await _holds(reader, patient, within) and await _holds(reader, patient, cared_for(grant))


async def _holds(reader: Reader, patient: str, condition: Condition) -> bool:
    version = await reader.read("Patient", patient.partition("/")[2], within=condition)
    return version is not None and not version.is_deleted


def check_scope(grant: Grant, letter: str, resource_type: str) -> None:
    """Raise Forbidden unless the scopes of the token cover an interaction, by its letter, on a type."""
    if scope_reach(grant, letter, resource_type) == NEVER:
        raise InsufficientScope(
            f"The scopes of the token do not cover {resource_type}.{letter}, which this operation does."
        )


def check_speaks_for(request: Request, has_consented: bool) -> None:
    """Refuse who neither holds the record nor has the holder's consent for what he asks.

    The holder, and who represents him, speak for themselves; a professional declares that he was asked to
    (EX_1.1-1010: an explicit act of a person, which no software sets by itself). Raises Forbidden, Unprocessable.
    """
    grant = request.grant
    check_scope(grant, "c", "Consent")
    if grant.kind == "open" or grant.is_operator:
        return
    if grant.kind in PERSONAL_KINDS:
        if request.resource_id and request.resource_id != grant.patient_id:
            raise NotFound(f"Patient/{request.resource_id} is not known.")
        return
    if grant.kind != "professional":
        raise Forbidden("A person does this: the patient, who represents him, or a professional whom he asked to.")
    if not has_consented:
        raise Unprocessable("Say that the patient consented: consented=true. It is said by a person.", "Parameters")


class Opening(Feeding):
    """Writes the consents of one record, within one transaction."""

    async def patient(self) -> Version:
        """Return the patient of the request. Raises NotFound."""
        version = await self.transaction.read("Patient", self.request.resource_id)
        if version is None or version.is_deleted:
            raise NotFound(f"Patient/{self.request.resource_id} is not known.")
        return version

    async def consents(self, patient: str) -> list[Resource]:
        """Return the active consents of a patient."""
        return await self.finding.all("Consent", ("patient", patient), ("status", "active"))

    async def consent(self, patient: str, provision: Resource, category: str = "", reason: str = "") -> str:
        """Create a consent of the patient: one on professionals, or one of a category of `relations.codes`."""
        now = format_instant(self.runtime.now())
        coding = {"system": RECORD_CONSENT_SYSTEM, "code": category} if category else _PRIVACY
        policy = {"coding": [_DENY_POLICY if category else _PERMIT_POLICY]}
        who = [{"verified": True, "verifiedWith": {"reference": patient}, "verificationDate": now}]
        resource = {
            "resourceType": "Consent",
            "status": "active",
            "scope": {"coding": [_SCOPE]},
            "category": [{"coding": [coding]}],
            "patient": {"reference": patient},
            "dateTime": now,
            "performer": [{"reference": patient}],
            "policyRule": policy | ({"text": reason} if reason else {}),
            "verification": who,
            "provision": {**provision, "period": {"start": now, **provision.get("period", {})}},
        }
        reference = self.new("Consent")
        await self.create(resource, reference)
        return reference

    async def end(self, consent: Resource) -> None:
        """Make a consent inactive: it stays in the history."""
        asked = replace(
            self.finding.request,
            interaction="update",
            resource_type="Consent",
            resource_id=consent["id"],
            resource={**consent, "status": "inactive"},
            content=b"",
        )
        await perform(prepare(asked, self.runtime), self.transaction, self.runtime)


def category_of(consent: Resource) -> str:
    """Return the category of `relations.codes` that a consent has, or ""."""
    codings = [coding for concept in consent.get("category", ()) for coding in concept.get("coding", ())]
    return next((str(one.get("code")) for one in codings if one.get("system") == RECORD_CONSENT_SYSTEM), "")
