"""Modes: as what a professional opens a record, told by the purpose of use of his token.

Spec: CSP L.1111-17, R.1111-48; VIHF 2.0 (1.2.250.1.213.1.1.4.248), https://terminology.hl7.org/CodeSystem-v3-ActReason.html
"""

from typing import Final

NORMAL: Final = "normal"
BREAK_GLASS: Final = "bris_de_glace"
REGULATION: Final = "centre_15"

VIHF_SYSTEM: Final = "urn:oid:1.2.250.1.213.1.1.4.248"
ACT_REASON_SYSTEM: Final = "http://terminology.hl7.org/CodeSystem/v3-ActReason"

_MODES: Final = {
    **dict.fromkeys(("", NORMAL, "TREAT", "ETREAT", "CAREMGT", "COC"), NORMAL),
    **dict.fromkeys((BREAK_GLASS, "BTG"), BREAK_GLASS),
    REGULATION: REGULATION,
}
_FRENCH: Final = frozenset({NORMAL, BREAK_GLASS, REGULATION})


def mode_of(purpose_of_use: str) -> str:
    """Return NORMAL, BREAK_GLASS or REGULATION; "" for a purpose that is not care."""
    return _MODES.get(purpose_of_use, "")


def purpose_system(purpose_of_use: str) -> str:
    """Return the code system of a purpose of use: that of the French codes, or HL7's."""
    return VIHF_SYSTEM if purpose_of_use in _FRENCH else ACT_REASON_SYSTEM
