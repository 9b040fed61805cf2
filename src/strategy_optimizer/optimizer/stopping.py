"""When more search is not worth it, and what it is expected to bring.

On 32 landscapes of real strategies (benchmarks/search) a doubling of the trials raised the best score by 4 to 5 % of
its distance from the median trial, and how much the doublings before had raised it said almost nothing about the next
one (correlation 0.0 to 0.3). So the forecast is a cautious mean. When a search may end counts for more than what it
did before: all that a rule can see is that a search still climbs. What it saves and loses:
benchmarks/search/results/early_stopping.md; what else was tried: docs/decisions/004-bayesian-optimisation.md.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from strategy_optimizer.optimizer.history import FloatArray
from strategy_optimizer.optimizer.pareto.hypervolume import hypervolume
from strategy_optimizer.optimizer.pareto.sorting import is_non_dominated

LEAST_TRIALS = 1100  # before which no search is called converged
VAIN_SHARE = 5  # the last fifth of the trials brought little
TOLERANCE = 0.03  # gains up to this share of the best score's distance from the median are little
LEAST_FOR_FRONT, FRONT_TOLERANCE = 1000, 0.005  # the same of fronts, which wait for a doubling of the trials
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


class FrontProgress(NamedTuple):
    """How a Pareto front grew."""

    gains: FloatArray  # (3,) shares of its hypervolume that the last doublings of the trials added, the latest first

    @property
    def expected(self) -> float:
        """What as many trials again are expected to add to the hypervolume, as a share of it."""
        return SLOWDOWN * float(self.gains.mean())


def front_progress(scores: FloatArray) -> FrontProgress | None:
    """Return how the front of trials grew over their order.

    Parameters
    ----------
    scores : ndarray
        (n, m) larger is better, -inf or NaN for trials that cannot win; two or three objectives.

    Returns
    -------
    FrontProgress or None
        None before there are 16 trials, before one of their first eighth succeeded, and with more objectives, where
        the hypervolume is not known exactly.

    Notes
    -----
    Objectives are scaled to the range of these fronts; the reference lies a tenth of it below them.

    Examples
    --------
    >>> steps = np.arange(1.0, 65.0)
    >>> [round(gain, 2) for gain in front_progress(np.column_stack([np.log2(steps), np.ones(64)])).gains.tolist()]
    [0.3, 0.3, 0.3]
    """
    n = len(scores)
    if n < _FEWEST or not 2 <= scores.shape[1] <= 3:
        return None
    fronts = [_front(scores[: n // 2**k]) for k in range(DOUBLINGS + 1)]
    if not all(map(len, fronts)):
        return None
    low, high = np.concatenate(fronts).min(axis=0), fronts[0].max(axis=0)
    size = np.where(high > low, high - low, 1.0)
    volumes = np.array([hypervolume((front - low) / size, np.full(len(size), -0.1)) for front in fronts])
    return FrontProgress((volumes[:-1] - volumes[1:]) / volumes[0])


def _front(scores: FloatArray) -> FloatArray:
    """Return the scores that no other ones beat, of those that may win."""
    winning = scores[np.isfinite(scores[:, 0])]
    return winning[is_non_dominated(winning)] if len(winning) else winning


def why_converged(scores: FloatArray) -> str | None:
    """Return in a sentence why a search has converged, None when it has not.

    It has when the last fifth of its trials, of at least 1,100, brought little; with several objectives, when the last
    doubling of at least 1,000 did.

    Parameters
    ----------
    scores : ndarray
        (n,) or (n, m) in the order of the trials, larger is better, -inf or NaN for trials that cannot win.
    """
    return _best_stands(scores) if scores.ndim == 1 else _front_stands(scores)


def _best_stands(scores: FloatArray) -> str | None:
    n = len(scores)
    if n < LEAST_TRIALS:
        return None
    usable = np.where(np.isnan(scores), -np.inf, scores)
    in_vain = n // VAIN_SHARE
    before, best = usable[: n - in_vain].max(), usable.max()
    if not np.isfinite(before):
        return None
    gain = float(best - before)
    if gain > TOLERANCE * float(best - np.median(usable[np.isfinite(usable)])):
        return None
    return f"the last {in_vain:,} of {n:,} trials raised the best score by {gain:.2g}"


def _front_stands(scores: FloatArray) -> str | None:
    n = len(scores)
    if n < LEAST_FOR_FRONT:
        return None
    doubling = f"the last doubling of the trials, from {n // 2:,} to {n:,},"
    grown = front_progress(scores)
    if grown is None:
        earlier, last = _front(scores[: n // 2]), _front(scores)
        stands = len(last) and np.array_equal(earlier, last)
        return f"{doubling} added no point to the front" if stands else None
    stands = grown.gains[0] <= FRONT_TOLERANCE
    return f"{doubling} added {grown.gains[0]:.1%} to the hypervolume" if stands else None
