"""What was read last, as much of it as a weight allows."""

from collections import OrderedDict
from collections.abc import Hashable
from threading import Lock
from typing import Generic, TypeVar

_Key = TypeVar("_Key", bound=Hashable)
_Value = TypeVar("_Value")


class BoundedCache(Generic[_Key, _Value]):
    """Keep values until their weights exceed the bound; what was used longest ago leaves first.

    Threads may share it.
    """

    def __init__(self, bound: int) -> None:
        self._bound = bound
        self._weight = 0
        self._kept: OrderedDict[_Key, tuple[int, _Value]] = OrderedDict()
        self._lock = Lock()

    def get(self, key: _Key) -> _Value | None:
        """Return the value, None when it is not kept."""
        with self._lock:
            found = self._kept.get(key)
            if found is None:
                return None
            self._kept.move_to_end(key)
            return found[1]

    def put(self, key: _Key, value: _Value, weight: int) -> None:
        """Keep a value, unless it is heavier than the bound alone."""
        if weight > self._bound:
            return
        with self._lock:
            before = self._kept.pop(key, None)
            self._weight += weight - (before[0] if before else 0)
            self._kept[key] = weight, value
            while self._weight > self._bound:
                _, (left, _) = self._kept.popitem(last=False)
                self._weight -= left

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._kept.clear()
            self._weight = 0
