"""Stops a trial that runs fold by fold when it cannot catch up with the best one any more.

A trial's score is the mean over K folds: windows of a walk-forward, or symbols. After k of them its differences to the
incumbent, the best complete trial, fold by fold, say where the whole difference will end:

    mean of all K ~ d + s sqrt((K - k) / (k K)) t(nu),        d = mean of the k differences seen

The folds are a finite population, so after the last one nothing is uncertain any more [1]_. Two or three differences
say little of their own spread, so the variance s^2 is moderated [2]_: the usual variance of such differences, over the
trials that are complete, counts as `PRIOR_FREEDOM` observations more. The trial is stopped when the chance that its
mean ends above the incumbent's is below `error`. This is a race [3]_ against one rival.

Pairing takes out what all trials share, that one fold is a bull market and the next a crash. Successive halving and the
median rule compare running means with those of other trials instead and stop the later winner far more often;
``docs/decisions/010-pruning-over-folds.md`` has the figures.

References
----------
.. [1] Cochran (1977). Sampling techniques, 3rd ed. Wiley. (section 2.6, finite population correction)
.. [2] Smyth (2004). Linear models and empirical Bayes methods for assessing differential expression in microarray
   experiments. Stat. Appl. Genet. Mol. Biol. 3(1). (moderated t)
.. [3] Birattari, Stützle, Paquete and Varrentrapp (2002). A racing algorithm for configuring metaheuristics. GECCO.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from strategy_optimizer.errors import TaskError

FloatArray: TypeAlias = NDArray[np.float64]
ERROR = 0.03
PRIOR_FREEDOM = 4.0


@cache
def fold_order(n: int) -> tuple[int, ...]:
    """Return the order in which to run n folds: the first few, however many, are spread over all of them.

    A trial is then not stopped for one bad year. It is the order of van der Corput: halves, quarters, eighths.

    >>> fold_order(8), fold_order(5)
    ((0, 4, 2, 6, 1, 5, 3, 7), (0, 4, 2, 1, 3))
    """
    bits = max(1, (n - 1).bit_length())
    reversed_bits = (int(format(place, f"0{bits}b")[::-1], 2) for place in range(2**bits))
    return tuple(fold for fold in reversed_bits if fold < n)


@dataclass(frozen=True)
class Estimate:
    """What to tell an optimizer of a trial that was stopped: its likely score, and the standard error of that."""

    score: float
    std_error: float


@dataclass(frozen=True)
class FoldPruner:
    """Judges unfinished trials. It keeps nothing: the same arguments give the same answer.

    Parameters
    ----------
    n_folds : int
        K, at least 2.
    error : float
        A trial is stopped when its chance of ending above the incumbent is below this. With the default, 0.03, fewer
        than 5 of 100 searches lost their winner in the benchmark, whatever the order of the folds.
    min_folds : int
        Never stops before so many folds.
    min_trials : int
        Never stops before so many trials are complete: the usual variance comes from them.

    Raises
    ------
    TaskError
        When a setting is out of range.

    Examples
    --------
    >>> pruner = FoldPruner(n_folds=4, min_trials=3)
    >>> pruner.order
    (0, 2, 1, 3)
    >>> complete = [[0.9, 1.1, 1.0, 1.2], [0.5, 0.6, 0.7, 0.5], [0.3, 0.2, 0.5, 0.1]]
    >>> pruner.verdict([0.1, 0.0], incumbent=complete[0], complete=complete)
    'pruned after 2 of 4 folds: 0.9 below the best trial so far, which it overtakes with a chance of 0.0002'
    >>> pruner.verdict([1.0, 1.3], incumbent=complete[0], complete=complete) is None
    True
    """

    n_folds: int
    error: float = ERROR
    min_folds: int = 2
    min_trials: int = 5

    def __post_init__(self) -> None:
        if self.n_folds < 2:
            raise TaskError(f"a trial has {self.n_folds} fold; expected at least 2, or no pruning")
        if not 0 < self.error < 0.5:
            raise TaskError(f"the pruning error is {self.error}; expected a chance above 0 and below 0.5")
        if not 1 <= self.min_folds <= self.n_folds:
            raise TaskError(
                f"min_folds is {self.min_folds}; expected 1 to {self.n_folds}, the number of folds"
            )
        if self.min_trials < 2:
            raise TaskError(f"min_trials is {self.min_trials}; expected at least 2")

    @property
    def order(self) -> tuple[int, ...]:
        """The folds in the order in which a trial runs them."""
        return fold_order(self.n_folds)

    def verdict(
        self, scores: Sequence[float], incumbent: Sequence[float] | None, complete: ArrayLike
    ) -> str | None:
        """Return why the trial is to be stopped; None while it may go on.

        Parameters
        ----------
        scores : sequence of float
            Of the folds so far, in `order`; larger is better. A trial with a score that is not finite has failed or
            will: that is for the caller to say, it is never pruned.
        incumbent : sequence of float, length K, optional
            Of the best complete trial that may win, by fold; None before there is one.
        complete : array-like, shape (n, K)
            Of the trials that are complete, by fold.
        """
        k, n_complete = len(scores), len(complete)  # type: ignore[arg-type]
        if incumbent is None or not self.min_folds <= k < self.n_folds or n_complete < self.min_trials:
            return None
        behind = -float(self._differences(scores, incumbent).mean())
        if not behind > 0:  # it leads: the usual case of a good trial, and quickly said
            return None
        chance = self.chance(scores, incumbent, complete)
        if not chance < self.error:
            return None
        return (
            f"pruned after {k} of {self.n_folds} folds: {behind:.3g} below the best trial so far, which it overtakes "
            f"with a chance of {chance:.2g}"
        )

    def chance(self, scores: Sequence[float], incumbent: Sequence[float], complete: ArrayLike) -> float:
        """Return the chance that the trial's mean over all folds ends above the incumbent's; NaN when it is unknown.

        Arguments are those of `verdict`.
        """
        differences = self._differences(scores, incumbent)
        if not np.isfinite(differences).all():
            return math.nan
        behind = float(differences.mean())
        freedom, variance = self._variance(differences, incumbent, complete)
        error = self._standard_error(variance, len(scores))
        if math.isnan(error):
            return math.nan
        if error == 0:
            return float(behind > 0) if behind else 0.5
        from scipy.special import stdtr  # not at import: it takes a tenth of a second

        return float(stdtr(freedom, behind / error))

    def estimate(self, scores: Sequence[float], incumbent: Sequence[float], complete: ArrayLike) -> Estimate:
        """Return the score of a stopped trial, always below the incumbent's, and its standard error.

        Each fold that is left is expected to be what it usually is, plus what this trial was better or worse on those
        before. The mean of the folds seen would not do: they may be the hard ones. Arguments are those of `verdict`.
        """
        seen = np.asarray(scores, np.float64)
        usual = _rows(complete, self.n_folds).mean(axis=0)[list(self.order)]
        k = len(seen)
        score = float(usual.mean() + (seen - usual[:k]).mean())
        best = float(np.mean(incumbent))
        _, variance = self._variance(self._differences(scores, incumbent), incumbent, complete)
        return Estimate(min(score, math.nextafter(best, -math.inf)), self._standard_error(variance, k))

    def _differences(self, scores: Sequence[float], incumbent: Sequence[float]) -> FloatArray:
        """Return the trial's advantage in each fold so far."""
        if len(incumbent) != self.n_folds or not 1 <= len(scores) <= self.n_folds:
            raise TaskError(
                f"found {len(scores)} scores and an incumbent with {len(incumbent)}; expected 1 to "
                f"{self.n_folds} scores and an incumbent with {self.n_folds}"
            )
        best = np.asarray(incumbent, np.float64)[list(self.order[: len(scores)])]
        return np.asarray(scores, np.float64) - best

    def _variance(
        self, differences: FloatArray, incumbent: Sequence[float], complete: ArrayLike
    ) -> tuple[float, float]:
        """Return degrees of freedom and the moderated variance of a difference in one fold."""
        usual = _rows(complete, self.n_folds) - np.asarray(incumbent, np.float64)
        variances = usual.var(axis=1, ddof=1)
        variances = variances[variances > 0]  # not the incumbent itself, nor its twins
        if not len(variances):
            return 1.0, math.nan
        own = len(differences) - 1
        squares = float(((differences - differences.mean()) ** 2).sum())
        prior = PRIOR_FREEDOM * float(np.median(variances))
        return PRIOR_FREEDOM + own, (prior + squares) / (PRIOR_FREEDOM + own)

    def _standard_error(self, variance: float, k: int) -> float:
        """Return that of the mean over all folds when k are known."""
        return math.sqrt(variance * (self.n_folds - k) / (k * self.n_folds))


def _rows(complete: ArrayLike, n_folds: int) -> FloatArray:
    rows = np.asarray(complete, np.float64)
    if rows.ndim != 2 or rows.shape[1] != n_folds:
        raise TaskError(f"the complete trials have the shape {rows.shape}; expected (n, {n_folds})")
    return rows
