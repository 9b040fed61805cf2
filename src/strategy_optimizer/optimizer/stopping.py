"""When more search is not worth it, and what it is expected to bring.

On 32 landscapes of real strategies (benchmarks/search) a doubling of the trials raised the best score by 4 to 5 % of
its distance from the median trial, and how much the doublings before had raised it said almost nothing about the next
one (correlation 0.0 to 0.3). So the forecast is a cautious mean, and the rule waits for a whole doubling in vain.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from strategy_optimizer.optimizer.history import FloatArray

LEAST_TRIALS = 1000  # before which no search is called converged
TOLERANCE = 0.005  # gains below this share of the best score's distance from the median are none
DOUBLINGS = 3  # that a forecast looks back on
SLOWDOWN = 0.5  # what a doubling brings, of the mean of those before: measured, see above
_FEWEST = 2 ** (DOUBLINGS + 1)


class SearchProgress(NamedTuple):
    """How the best score grew."""

    gains: FloatArray  # (3,) of the last doublings of the trials, the latest first
    spread: float  # the best score's distance from the median trial

    @property
    def expected(self) -> float:
        """What as many trials again are expected to add to the best score."""
        return SLOWDOWN * float(self.gains.mean())


def search_progress(scores: FloatArray) -> SearchProgress | None:
    """Return how the best score grew over trials in their order.

    Parameters
    ----------
    scores : ndarray
        (n,) larger is better, -inf or NaN for trials that cannot win.

    Returns
    -------
    SearchProgress or None
        None before there are 16 trials, and before a trial of their first eighth succeeded.

    Examples
    --------
    >>> found = search_progress(np.log2(np.arange(1.0, 65.0)))
    >>> found.gains.tolist(), found.expected
    ([1.0, 1.0, 1.0], 0.5)
    """
    n = len(scores)
    if n < _FEWEST:
        return None
    usable = np.where(np.isnan(scores), -np.inf, scores)
    best = np.maximum.accumulate(usable)
    marks = best[[n // 2**k - 1 for k in range(DOUBLINGS + 1)]]
    if not np.isfinite(marks).all():
        return None
    return SearchProgress(marks[:-1] - marks[1:], float(best[-1] - np.median(usable[np.isfinite(usable)])))


def has_converged(scores: FloatArray) -> bool:
    """Return whether the last doubling of the trials, of 1,000 and more, raised the best score by next to nothing."""
    if len(scores) < LEAST_TRIALS:
        return False
    found = search_progress(scores)
    return found is not None and found.gains[0] <= TOLERANCE * found.spread
