"""How often one address may call: a bucket for each, refilled with time, in this process.

Spec: https://www.rfc-editor.org/rfc/rfc6749#section-10.10, https://www.rfc-editor.org/rfc/rfc6585#section-4

Choice: in memory, for it only slows floods down; what guards passwords counts by login, in the store.
"""

from collections.abc import Callable
from datetime import datetime

_KNOWN_AT_MOST = 10_000


class Rates:
    """The buckets of one kind of call: `a_minute` calls are free at once, and as many each minute after."""

    def __init__(self, now: Callable[[], datetime], a_minute: int) -> None:
        self._now = now
        self._a_minute = a_minute
        self._buckets: dict[str, tuple[float, float]] = {}

    def take(self, address: str) -> int:
        """Count a call; return 0, or the seconds to wait when it is one too many (it does not count then)."""
        left = self._left(address)
        self._buckets.pop(address, None)
        while len(self._buckets) >= _KNOWN_AT_MOST:
            del self._buckets[next(iter(self._buckets))]
        self._buckets[address] = (left - 1 if left >= 1 else left, self._now().timestamp())
        return self._seconds(left)

    def wait_seconds(self, address: str) -> int:
        """Return what `take` would, and count nothing."""
        return self._seconds(self._left(address))

    def _left(self, address: str) -> float:
        now = self._now().timestamp()
        left, since = self._buckets.get(address, (float(self._a_minute), now))
        return min(float(self._a_minute), left + (now - since) * self._a_minute / 60)

    def _seconds(self, left: float) -> int:
        return 0 if left >= 1 else max(1, round((1 - left) * 60 / self._a_minute))
