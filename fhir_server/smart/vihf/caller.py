"""From an assertion to a Grant: who is the professional, where he works, whose record he opens, and in which mode."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Final

import msgspec
from lxml import etree

from fhir_server.access.grant import Grant, Scope
from fhir_server.access.modes import BREAK_GLASS, NORMAL, REGULATION
from fhir_server.foundation.operation_outcome import Unauthenticated
from fhir_server.smart.launch import emergencies
from fhir_server.smart.launch.emergencies import Emergency
from fhir_server.smart.outside import Outside
from fhir_server.smart.vihf.assertion import AssertionRefused, Vihf, certificate_of, read, refuse_audience, verify
from fhir_server.smart.vihf.issuers import Issuers, fingerprint_of
from fhir_server.storage.store import Store

CLIENT: Final = "xds"
SCOPES: Final = (Scope("user", "*", frozenset("cruds")),)
"""A DMP-compatible software holds every document transaction; what it reaches is the professional's decision."""
MODES: Final = {"normal": NORMAL, "bris_de_glace": BREAK_GLASS, "centre_15": REGULATION}

PatientOf = Callable[[str], Awaitable[str]]
"""The id of the patient whom a CX names, or ""."""


class Surroundings(msgspec.Struct, frozen=True):
    """What assertions are read with: the store, who is who, how a patient is found, the clock (aware UTC).

    `audiences` are the names of this server in an AudienceRestriction: its addresses, and its OID as a repository.
    """

    store: Store
    outside: Outside
    patient_of: PatientOf
    now: Callable[[], datetime]
    audiences: frozenset[str] = frozenset()


class Assertions:
    """Turns the assertions of messages into grants."""

    def __init__(self, surroundings: Surroundings) -> None:
        self._here = surroundings
        self._issuers = Issuers(surroundings.store, surroundings.now)

    async def grant(self, assertion: etree._Element | None) -> Grant:
        """Return what an assertion grants. Raises Unauthenticated (401)."""
        if assertion is None:
            raise Unauthenticated("Send a signed VIHF assertion in the wsse:Security header.")
        try:
            vihf = await self._read(assertion)
            grant = await self._grant(vihf)
            if grant.purpose_of_use != NORMAL:
                await self._tell(vihf, grant)
        except AssertionRefused as refusal:
            raise Unauthenticated(str(refusal)) from None
        return grant

    async def _read(self, assertion: etree._Element) -> Vihf:
        issuer = await self._issuers.get(fingerprint_of(certificate_of(assertion)))
        if issuer is None:
            raise AssertionRefused("The certificate that signed the assertion is not trusted here, or has expired.")
        signed = verify(assertion, issuer)
        refuse_audience(signed, self._here.audiences)
        return read(signed, issuer, self._here.now())

    async def _grant(self, vihf: Vihf) -> Grant:
        outside = self._here.outside
        actor = await outside.practitioner_of(vihf.national_id) if outside.practitioner_of is not None else ""
        if not actor:
            raise AssertionRefused("The professional of the assertion is not known here: add his Practitioner first.")
        place = await outside.organization_of(vihf.structure) if outside.organization_of is not None else ""
        purpose = MODES.get(vihf.purpose)
        if purpose is None:
            raise AssertionRefused(f"The purpose of use must be one of {', '.join(MODES)}.")
        patient_id = await self._here.patient_of(vihf.patient) if vihf.patient else ""
        if not patient_id and (vihf.patient or purpose != NORMAL):
            raise AssertionRefused("The patient of the assertion (resource-id) has no record here.")
        return Grant(
            kind="professional",
            actor=actor,
            client_id=CLIENT,
            scopes=SCOPES,
            patient_id=patient_id,
            organizations=(place,) if place else (),
            profession=next(iter(vihf.roles), ""),
            purpose_of_use=purpose,
            reason="" if purpose == NORMAL else f"{vihf.purpose}, said by the VIHF {vihf.assertion_id}",
            display=f"{vihf.display} ({vihf.software or 'XDS'})",
            is_secret=vihf.is_secret,
        )

    async def _tell(self, vihf: Vihf, grant: Grant) -> None:
        """Keep an emergency and tell the patient, once an assertion: software sends the same one with each message.

        Choice: a VIHF has no place for a reason in words; the mode that was chosen and the assertion stand for it.
        """
        family_id = f"vihf {vihf.assertion_id}"
        if await emergencies.is_kept(self._here.store, family_id):
            return
        emergency = Emergency(
            family_id=family_id,
            at=self._here.now(),
            user_id=vihf.national_id,
            actor=grant.actor,
            display=grant.display,
            patient_id=grant.patient_id,
            client_id=CLIENT,
            purpose_of_use=grant.purpose_of_use,
            reason=grant.reason,
        )
        await emergencies.keep(self._here.store, emergency)
        if self._here.outside.tell_emergency is not None:
            await self._here.outside.tell_emergency(emergency)
