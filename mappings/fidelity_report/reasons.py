"""Why a value that was read is nowhere in the Bundle: the few things that R4 has no element for."""

from dataclasses import dataclass

from mappings.cda.dates import ts_to_date_time
from mappings.cda.xml import local_name
from mappings.fidelity_report.nodes import Piece
from mappings.fidelity_report.report import Outcome

NO_RULE = "No rule of the mapping reads it there; the original document holds it."
ABSENT_SAYS_UNKNOWN = frozenset(("UNK", "NI", "NA", "NAV", "NASK", "ASKU"))


@dataclass(frozen=True, slots=True)
class Reason:
    """A rule: what it is about (kinds, element names, names above, values; nothing is any) and what it answers."""

    outcome: Outcome
    words: str
    kinds: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()
    above: frozenset[str] = frozenset()
    values: frozenset[str] = frozenset()

    def applies(self, piece: Piece) -> bool:
        """Tell whether the rule speaks of a piece."""
        if self.kinds and piece.kind not in self.kinds:
            return False
        if self.values and piece.value not in self.values:
            return False
        if self.names and local_name(piece.element) not in self.names:
            return False
        return not self.above or any(local_name(node) in self.above for node in piece.element.iterancestors())


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


REASONS = (
    Reason("implied", "An attester with a time has signed.", names=_set("signatureCode")),
    Reason("implied", "The order of the references in the resource is this order.", names=_set("sequenceNumber")),
    Reason("implied", "boundsPeriod ends on the last day of this width.", names=_set("width"), above=_set("comp")),
    Reason("lost", "The names, telecoms and addresses of FHIR have no such use.", kinds=_set("use")),
    Reason("implied", "A Range includes its bounds.", kinds=_set("bound"), values=_set("true 1")),
    Reason("lost", "A Range includes its bounds: R4 cannot leave one out.", kinds=_set("bound")),
    Reason("lost", "It is no unit of time that a Timing knows.", kinds=_set("quantity unit"), names=_set("period")),
    Reason(
        "lost",
        "The dosage of a MedicationAdministration is one dose, without maximum or repetition.",
        kinds=_set("quantity unit"),
        above=_set("maxDoseQuantity rateQuantity doseQuantity effectiveTime"),
    ),
    Reason("lost", "R4 has no element there that could say why nothing is written.", kinds=_set("null")),
    Reason(
        "lost",
        "R4 gives no time to this participant of the resource.",
        kinds=_set("date"),
        above=_set("performer participant author informant dataEnterer responsibleParty"),
    ),
    Reason("implied", "A request says yes by being made.", _set("boolean"), _set("value"), values=_set("true 1")),
    Reason("implied", "A denied act is not done, whatever its status.", names=_set("statusCode")),
    Reason("lost", "Organization needs a name or a number.", names=_set("standardIndustryClassCode")),
    Reason("lost", "Organization.partOf does not say of which kind it is.", above=_set("asOrganizationPartOf")),
    Reason(
        "lost",
        "Composition.confidentiality takes HL7's codes; DocumentReference.securityLabel has any.",
        names=_set("confidentialityCode"),
    ),
    Reason(
        "lost", "A relative has no multiple birth in R4.", names=_set("multipleBirthInd"), above=_set("relatedSubject")
    ),
    Reason("lost", "relatesTo identifies a document and not its version.", above=_set("parentDocument")),
)


def reason_of(piece: Piece) -> tuple[Outcome, str] | None:
    """Give the outcome and the reason of a node that is not found; None for one that nobody can explain."""
    if piece.kind == "date" and ts_to_date_time(piece.value) is None:
        return "lost", "It is no date."
    found = next((reason for reason in REASONS if reason.applies(piece)), None)
    return (found.outcome, found.words) if found else None
