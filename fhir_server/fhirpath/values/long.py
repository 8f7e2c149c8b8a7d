"""The 64-bit integer.

Spec: https://build.fhir.org/ig/HL7/FHIRPath/#long
"""

from typing import Final

MAX_INTEGER: Final = 2**31 - 1
MAX_LONG: Final = 2**63 - 1


class Long(int):
    """Be an integer of 64 bits, written `5L`: arithmetic on it gives another."""
