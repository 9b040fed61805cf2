"""How often a cache knew the answer."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class HitCount:
    """Counts what was found and what was not.

    >>> count = HitCount(hits=3, misses=1)
    >>> count.rate
    0.75
    """

    hits: int = 0
    misses: int = 0

    def note(self, found: bool) -> None:
        """Count one question."""
        if found:
            self.hits += 1
        else:
            self.misses += 1

    @property
    def rate(self) -> float:
        """Share of questions that were answered; 0 before the first."""
        asked = self.hits + self.misses
        return self.hits / asked if asked else 0.0
