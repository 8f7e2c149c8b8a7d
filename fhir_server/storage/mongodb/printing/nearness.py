"""Nearness: the distance of a point, as an expression of the engine, and the band of latitudes that it lies in.

Source: https://www.mongodb.com/docs/v6.0/reference/operator/aggregation/#trigonometry-expression-operators
Spec: location.html#search
"""

import math
from typing import Final

from fhir_server.search.condition import Near
from fhir_server.search.index_row import POSITION
from fhir_server.search.match import EARTH_METRES
from fhir_server.storage.mongodb.fields import Document, row_field

_SLACK: Final = 1e-6
"""Degrees that the band is larger than it must be, so that rounding loses nothing; a tenth of a metre."""


def is_near(condition: Near) -> Document:
    """Return the query that a position of the document is near enough."""
    positions = {"$ifNull": [f"$r.{row_field(POSITION, condition.parameter)}", []]}
    each = {"$map": {"input": positions, "as": "p", "in": {"$lte": [_distance(condition), condition.metres]}}}
    return {"$expr": {"$anyElementTrue": [each]}}


def latitudes(condition: Near) -> tuple[float, float]:
    """Return the least and the greatest latitude of what is near enough."""
    height = math.degrees(condition.metres / EARTH_METRES) + _SLACK
    return condition.latitude - height, condition.latitude + height


def _distance(condition: Near) -> Document:
    """Return the formula of `match.distance_metres`."""
    north, other_north = math.radians(condition.latitude), {"$degreesToRadians": "$$p.y"}
    east = {"$degreesToRadians": {"$subtract": ["$$p.x", condition.longitude]}}
    circles = {"$multiply": [math.cos(north), {"$cos": other_north}]}
    chord = {
        "$add": [
            _half_sine_squared({"$subtract": [other_north, north]}),
            {"$multiply": [circles, _half_sine_squared(east)]},
        ]
    }
    return {"$multiply": [2 * EARTH_METRES, {"$asin": {"$min": [1.0, {"$sqrt": chord}]}}]}


def _half_sine_squared(angle: Document) -> Document:
    return {"$pow": [{"$sin": {"$divide": [angle, 2]}}, 2]}
