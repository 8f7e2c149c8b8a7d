"""Vital signs: an Observation with one of their codes meets their profile, whether it names it or not.

Spec: observation-vitalsigns.html
"""

from collections.abc import Mapping
from typing import Final

from fhir_server.validation.profiles.definitions.snapshot import CORE
from fhir_server.validation.profiles.place import Place
from fhir_server.validation.profiles.run import Run

LOINC: Final = "http://loinc.org"
PROFILES: Final[Mapping[str, str]] = {
    "85353-1": "vitalspanel",
    "9279-1": "resprate",
    "8867-4": "heartrate",
    "2708-6": "oxygensat",
    "8310-5": "bodytemp",
    "8302-2": "bodyheight",
    "9843-4": "headcircum",
    "29463-7": "bodyweight",
    "39156-5": "bmi",
    "85354-9": "bp",
}
"""LOINC code -> the profile that R4 has for it."""


def check_observation(place: Place, run: Run) -> None:
    """Check a vital sign against its profile, where the package of R4 is here."""
    code = place.value.get("code")
    codings = code.get("coding", ()) if isinstance(code, dict) else ()
    found = {PROFILES.get(str(one.get("code"))) for one in codings if one.get("system") == LOINC}
    profiles, meta = run.environment.profiles, place.value.get("meta", {})
    for name in sorted(name for name in found if name):
        # A profile that builds on it says all of it already.
        is_named = any(profiles.derives(str(one), CORE + name) for one in meta.get("profile", ()))
        if not is_named and profiles.is_known(CORE + name):
            profiles.check_place(place, CORE + name, run)
