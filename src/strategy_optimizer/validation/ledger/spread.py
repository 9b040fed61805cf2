"""How far the Sharpe ratios of trials lie apart, in sums that pool exactly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from strategy_optimizer.validation.statistics import NotEnough


@dataclass(frozen=True)
class SharpeSpread:
    """Count, mean and squared deviations of the Sharpe ratios of trials.

    Attributes
    ----------
    count : int
        Trials with a Sharpe ratio.
    mean, squares : float
        Their mean, per observation, and the sum of the squared deviations from it.
    observations : int
        Returns that each was computed from.
    """

    count: int
    mean: float
    squares: float
    observations: int

    @classmethod
    def of(cls, sharpes: NDArray[np.float64], observations: int) -> SharpeSpread:
        """Return the spread of Sharpe ratios (N,) per observation; NaN are left out."""
        known = sharpes[np.isfinite(sharpes)]
        if not len(known):
            return cls(0, 0.0, 0.0, observations)
        mean = float(known.mean())
        return cls(len(known), mean, float(((known - mean) ** 2).sum()), observations)

    @property
    def variance(self) -> float | NotEnough:
        """With ddof 1, as `trials_sharpe_variance`."""
        if self.count < 2:
            return NotEnough("trials with a Sharpe ratio", self.count, 2)
        return self.squares / (self.count - 1) if self.squares > 0.0 else NotEnough("Sharpe ratios", 1, 2)

    def over(self, observations: int) -> SharpeSpread:
        """Return the spread that the same trials would have over a longer or shorter record.

        Without skill a Sharpe ratio lies around 0 with a deviation of ``1 / sqrt(observations)``. Without this
        the trials of a short window, which scatter more, would weigh on a search of many years.
        """
        scale = sqrt(self.observations / observations)
        return SharpeSpread(self.count, self.mean * scale, self.squares * scale**2, observations)


def pooled(spreads: Sequence[SharpeSpread]) -> SharpeSpread:
    """Return the spread of all trials together, over the observations of the first.

    Examples
    --------
    >>> parts = [SharpeSpread.of(np.array(part), 250) for part in ([0.1, 0.2], [0.4, 0.5, 0.6])]
    >>> round(pooled(parts).variance, 6), round(float(np.var([0.1, 0.2, 0.4, 0.5, 0.6], ddof=1)), 6)
    (0.043, 0.043)
    """
    observations = spreads[0].observations
    parts = [part.over(observations) for part in spreads if part.count]
    count = sum(part.count for part in parts)
    if not count:
        return SharpeSpread(0, 0.0, 0.0, observations)
    mean = sum(part.count * part.mean for part in parts) / count
    squares = sum(part.squares + part.count * (part.mean - mean) ** 2 for part in parts)
    return SharpeSpread(count, mean, squares, observations)
