"""Special: what one parameter alone asks, the distance of Location's `near`.

Spec: location.html#search, search.html#special
"""

import math
from decimal import Decimal
from typing import Any, Final

from fhir_server.search.condition import Condition, Near
from fhir_server.search.index_row import POSITION
from fhir_server.search.types.number import is_number
from fhir_server.search.types.value import Emit, Leaf, Use, split, unescape

FAMILY: Final = POSITION
MODIFIERS: Final[frozenset[str]] = frozenset()

METRES: Final = {"km": 1000.0, "m": 1.0, "[mi_i]": 1609.344, "[mi_us]": 1609.347219, "[nmi_i]": 1852.0}
"""UCUM codes of the units of distance."""
UNIT: Final = "km"
DISTANCE: Final = "10"
"""Choice: the specification leaves it to the server what is near when no distance is given."""
MAXIMUM_METRES: Final = 20_100_000.0
"""Half around the Earth: everywhere."""


def position(emit: Emit, parameter: str, element: int, value: dict[str, Any]) -> None:
    """Write the row of Location.position, unless it is nowhere on the Earth."""
    latitude, longitude = float(value["latitude"]), float(value["longitude"])
    if -90 <= latitude <= 90 and -180 <= longitude <= 180:
        emit((POSITION, parameter, element, latitude, longitude))


LEAVES: Final = {"BackboneElement": (Leaf("", position, "latitude"),)}


def condition(value: str, use: Use) -> Condition:
    """Return what `latitude|longitude|distance|units` asks; 10 km when it does not say how far."""
    parts = [unescape(part) for part in split(value, "|")]
    latitude, longitude, distance, unit = (*parts, "", "")[:4] if len(parts) in (2, 3, 4) else ("",) * 4
    if not (is_number(latitude) and is_number(longitude) and is_number(distance or DISTANCE)):
        raise use.refusal(value, "write latitude|longitude|distance|units, as 48.85|2.35|5|km")
    if (unit or UNIT) not in METRES:
        raise use.refusal(value, f"units are {', '.join(METRES)}")
    north, east = float(latitude), float(longitude)
    metres = float(Decimal(distance or DISTANCE)) * METRES[unit or UNIT]
    if not (-90 <= north <= 90 and -180 <= east <= 180 and 0 <= metres < math.inf):
        raise use.refusal(value, "latitudes are -90 to 90, longitudes -180 to 180, distances not negative")
    return Near(use.parameter, north, east, min(metres, MAXIMUM_METRES))
