"""Orders: numbers that grow with time, for the order of creation and the sequences of the journal.

Milliseconds since 1970 and 21 bits that count within one: many servers draw such numbers without asking each other.
"""

import secrets
import time
from typing import Final

_BITS: Final = 21


class Orders:
    """Draws numbers, each greater than the one before; those of two servers differ by where they start counting."""

    def __init__(self) -> None:
        self._last = 0
        self._offset = secrets.randbits(_BITS - 1)

    def draw(self) -> int:
        """Return the next number."""
        now = (int(time.time() * 1000) << _BITS) + self._offset
        self._last = max(self._last + 1, now)
        return self._last


class Drawn:
    """The numbers of one work, drawn once and used again when the work is run again."""

    def __init__(self, orders: Orders) -> None:
        self._orders = orders
        self._numbers: list[int] = []
        self._used = 0

    def rewind(self) -> None:
        """Begin again with the first number."""
        self._used = 0

    def forget(self) -> None:
        """Draw others from now on: one of these was taken."""
        self._numbers.clear()
        self._used = 0

    def next(self) -> int:
        """Return the next number of the work."""
        if self._used == len(self._numbers):
            self._numbers.append(self._orders.draw())
        self._used += 1
        return self._numbers[self._used - 1]
