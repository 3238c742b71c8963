"""A small memory of what was seen lately, bounded by count and by weight.

An agent resends its history at each step, and a name comes with every span; this is where the worker
looks before it scans them again.  Used by one thread, so it has no lock.
"""

from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Recent(Generic[K, V]):
    """The most recently used entries, in two generations: when the young one is full, the old one goes.

    An entry that is used again becomes young again.  Unlike a dictionary that drops its oldest key for
    each new one, this costs the same however full it is.
    """

    def __init__(self, *, max_items: int, max_weight: int) -> None:
        self._items_each = max_items // 2
        self._weight_each = max_weight // 2
        self._young: dict[K, tuple[V, int]] = {}
        self._old: dict[K, tuple[V, int]] = {}
        self._young_weight = 0

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def get(self, key: K) -> V | None:
        """The value, or None when it is not (or no longer) there."""
        entry = self._young.get(key)
        if entry is None:
            entry = self._old.pop(key, None)
            if entry is None:
                return None
            self.put(key, entry[0], weight=entry[1])
        return entry[0]

    def put(self, key: K, value: V, *, weight: int) -> None:
        """Remember `value`; one that weighs more than a generation may is not kept."""
        if weight > self._weight_each:
            return
        if len(self._young) >= self._items_each or self._young_weight + weight > self._weight_each:
            self._old, self._young, self._young_weight = self._young, {}, 0
        self._young[key] = (value, weight)
        self._young_weight += weight


TextKey = tuple[int, int]


def text_key(text: str) -> TextKey:
    """What a text is known by where it must not be kept: its length, and a hash under the process's seed.

    The hash is Python's own, of 64 bits, which each string remembers: a message sent again costs nothing.
    """
    return len(text), hash(text)
