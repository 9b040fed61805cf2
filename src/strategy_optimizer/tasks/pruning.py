"""Stops a trial that runs fold by fold when it cannot catch up with the best one any more.

A trial's score is the mean over K folds: windows of a walk-forward, or symbols. After k of them its differences to the
incumbent, the best complete trial, fold by fold, say where the whole difference will end:

    mean of all K ~ d + s sqrt((K - k) / (k K)) t(nu),        d = mean of the k differences seen

The folds are a finite population, so after the last one nothing is uncertain any more [1]_. Two or three differences
say little of their own spread, so the variance s^2 is moderated [2]_: the usual variance of such differences, over the
trials that are complete, counts as `PRIOR_FREEDOM` observations more. The trial is stopped when the chance that its
mean ends above the incumbent's is below `error`. This is a race [3]_ against one rival. Pairing takes out what all
trials share, that one fold is a bull market and the next a crash.

At the rungs of successive halving [4]_, after 2, 4, 8 ... folds, a trial whose running mean is in the lower half of
those of all trials that came so far must be surer of itself: it is stopped when its chance is below `LOWER_HALF` times
the error. Halving alone would stop it whatever the test says, and loses the later winner far more often;
``docs/decisions/010-pruning-over-folds.md`` has the figures.

References
----------
.. [1] Cochran (1977). Sampling techniques, 3rd ed. Wiley. (section 2.6, finite population correction)
.. [2] Smyth (2004). Linear models and empirical Bayes methods for assessing differential expression in microarray
   experiments. Stat. Appl. Genet. Mol. Biol. 3(1). (moderated t)
.. [3] Birattari, Stützle, Paquete and Varrentrapp (2002). A racing algorithm for configuring metaheuristics. GECCO.
.. [4] Jamieson and Talwalkar (2016). Non-stochastic best arm identification and hyperparameter optimization. AISTATS.
   (successive halving; asynchronous as in Li et al. (2020), A system for massively parallel hyperparameter tuning)
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from strategy_optimizer.errors import TaskError

FloatArray: TypeAlias = NDArray[np.float64]
Rows: TypeAlias = Sequence[Sequence[float]] | FloatArray
ERROR, LARGEST_ERROR = 0.01, 0.5
LOWER_HALF = 10.0  # times the error: the chance that a trial needs in the lower half of a rung
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


def is_chance(error: object) -> bool:
    """Say whether something can be the error of a verdict: beyond a half a trial that is ahead would be stopped."""
    return isinstance(error, (int, float)) and not isinstance(error, bool) and 0 < error < LARGEST_ERROR


@dataclass(frozen=True)
class Estimate:
    """The likely score of a trial that was stopped, which an optimizer is told, and the standard error of that.

    The loop does not tell the latter: the search was worse with it, ``docs/decisions/010-pruning-over-folds.md``.
    """

    score: float
    std_error: float


@dataclass(frozen=True)
class FoldPruner:
    """Judges unfinished trials. It keeps nothing: the same arguments give the same answer.

    Scores are given in the order in which folds are run, `order`; larger is better.

    Parameters
    ----------
    n_folds : int
        K, at least 2.
    error : float
        A trial is stopped when its chance of ending above the incumbent is below this; in the lower half of a rung
        below ten times this. With the default, 0.01, fewer than 5 of 100 searches lost their winner in the
        benchmark, whatever the order of the folds.
    min_folds : int
        Never stops before so many folds.
    min_trials : int
        Never stops before so many trials are complete, since the usual variance comes from them; nor asks for the
        lower half of a rung that fewer have reached.

    Raises
    ------
    TaskError
        When a setting is out of range.

    Examples
    --------
    >>> pruner = FoldPruner(n_folds=4, min_trials=3)
    >>> pruner.order, pruner.rungs
    ((0, 2, 1, 3), (2,))
    >>> ended = [[0.9, 1.0, 1.1, 1.2], [0.5, 0.7, 0.6, 0.5], [0.3, 0.5, 0.2, 0.1]]
    >>> pruner.verdict([0.1, 0.0], incumbent=ended[0], ended=ended).split(", ")[0]
    'pruned after 2 of 4 folds: 0.9 below the best trial so far'
    >>> pruner.verdict([1.0, 1.3], incumbent=ended[0], ended=ended) is None
    True
    """

    n_folds: int
    error: float = ERROR
    min_folds: int = 2
    min_trials: int = 5

    def __post_init__(self) -> None:
        if self.n_folds < 2:
            raise TaskError(f"a trial has {self.n_folds} fold; expected at least 2, or no pruning")
        if not is_chance(self.error):
            raise TaskError(
                f"the pruning error is {self.error!r}; expected a chance above 0 and below {LARGEST_ERROR}"
            )
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

    @property
    def rungs(self) -> tuple[int, ...]:
        """Numbers of folds after which a trial is compared with all others that came so far: 2, 4, 8 ..."""
        return tuple(2**n for n in range(1, self.n_folds.bit_length()) if 2**n < self.n_folds)

    def verdict(self, scores: Sequence[float], incumbent: Sequence[float] | None, ended: Rows) -> str | None:
        """Return why the trial is to be stopped; None while it may go on.

        Parameters
        ----------
        scores : sequence of float
            Of the folds so far. A trial with a score that is not finite has failed or will: that is for the caller
            to say, it is never pruned.
        incumbent : sequence of float, length K, optional
            Of the best complete trial that may win; None before there is one.
        ended : sequence of sequences of float, or array (n, K)
            Scores of the trials that have ended and not failed: K of a complete one, fewer of one that was stopped
            (in an array NaN follows).
        """
        return None if incumbent is None else self.race(incumbent, ended).verdict(scores)

    def chance(self, scores: Sequence[float], incumbent: Sequence[float], ended: Rows) -> float:
        """Return the chance that the trial's mean over all folds ends above the incumbent's; NaN when it is unknown.

        Arguments are those of `verdict`.
        """
        return self.race(incumbent, ended).chance(scores)

    def estimate(self, scores: Sequence[float], incumbent: Sequence[float], ended: Rows) -> Estimate:
        """Return the score of a stopped trial, always below the incumbent's, and its standard error.

        Each fold that is left is expected to be what it usually is, plus what this trial was better or worse on those
        before. The mean of the folds seen would not do: they may be the hard ones. Arguments are those of `verdict`.
        """
        return self.race(incumbent, ended).estimate(scores)

    def race(self, incumbent: Sequence[float], ended: Rows) -> Race:
        """Return what judges any number of trials until another one has ended; arguments as in `verdict`."""
        best = np.asarray(incumbent, np.float64)
        if best.shape != (self.n_folds,):
            raise TaskError(
                f"the incumbent has {len(incumbent)} scores; expected those of {self.n_folds} folds"
            )
        rows = padded(ended, self.n_folds)
        complete = rows[~np.isnan(rows[:, -1])]
        variances = (complete - best).var(axis=1, ddof=1)
        variances = variances[variances > 0]  # not the incumbent itself, nor its twins
        return Race(
            self,
            incumbent=tuple(best.tolist()),
            usual=tuple(complete.mean(axis=0).tolist()) if len(complete) else (),
            variance=float(np.median(variances)) if len(variances) else math.nan,
            n_complete=len(complete),
            middles={k: self._middle(rows, k) for k in self.rungs},
        )

    def _middle(self, rows: FloatArray, k: int) -> float:
        """Return the median of the running means at a rung; -inf, which nothing is below, of too few."""
        came = rows[~np.isnan(rows[:, k - 1]), :k]
        return float(np.median(came.mean(axis=1))) if len(came) >= self.min_trials else -math.inf


@dataclass(frozen=True)
class Race:
    """Judges trials against one incumbent, a few microseconds each.

    Attributes
    ----------
    pruner : FoldPruner
    incumbent, usual : tuple of float
        Scores of the incumbent, and means over the complete trials, in the order of running.
    variance : float
        The usual one of differences to the incumbent; NaN when there is none.
    n_complete : int
    middles : mapping of int to float
        Of each rung the median running mean of the trials that came to it.
    """

    pruner: FoldPruner
    incumbent: tuple[float, ...]
    usual: tuple[float, ...]
    variance: float
    n_complete: int
    middles: Mapping[int, float]

    def verdict(self, scores: Sequence[float]) -> str | None:
        """Return why the trial is to be stopped; None while it may go on."""
        pruner, k = self.pruner, len(scores)
        if not pruner.min_folds <= k < pruner.n_folds or self.n_complete < pruner.min_trials:
            return None
        chance = self.chance(scores)
        is_low = sum(scores) / k < self.middles.get(k, -math.inf)
        if not chance < (min(LOWER_HALF * pruner.error, LARGEST_ERROR) if is_low else pruner.error):
            return None
        behind = -sum(self._differences(scores)) / k
        return (
            f"pruned after {k} of {pruner.n_folds} folds: {behind:.3g} below the best trial so far, which it overtakes "
            f"with a chance of {chance:.2g}" + (", and in the lower half of all" if is_low else "")
        )

    def chance(self, scores: Sequence[float]) -> float:
        """Return the chance that the trial ends above the incumbent; NaN when it is unknown."""
        differences = self._differences(scores)
        ahead = sum(differences) / len(differences)
        freedom, variance = self._moderated(differences)
        if not math.isfinite(ahead) or math.isnan(variance):
            return math.nan
        error = self._standard_error(variance, len(scores))
        if error == 0:
            return float(ahead > 0) if ahead else 0.5
        from scipy.special import stdtr  # not at import: it takes a tenth of a second

        return float(stdtr(freedom, ahead / error))

    def estimate(self, scores: Sequence[float]) -> Estimate:
        """Return the score of a stopped trial, always below the incumbent's, and its standard error."""
        k, n = len(scores), self.pruner.n_folds
        _, variance = self._moderated(self._differences(scores))
        score = sum(self.usual) / n + (sum(scores) - sum(self.usual[:k])) / k
        below = math.nextafter(float(np.mean(self.incumbent)), -math.inf)
        return Estimate(min(score, below), self._standard_error(variance, k))

    def _differences(self, scores: Sequence[float]) -> list[float]:
        """Return the trial's advantage in each fold so far."""
        if not 1 <= len(scores) <= self.pruner.n_folds:
            raise TaskError(f"found {len(scores)} scores; expected 1 to {self.pruner.n_folds}, one a fold")
        return [mine - best for mine, best in zip(scores, self.incumbent, strict=False)]

    def _moderated(self, differences: Sequence[float]) -> tuple[float, float]:
        """Return degrees of freedom and the moderated variance of a difference in one fold."""
        own = len(differences) - 1
        mean = sum(differences) / len(differences)
        squares = sum((difference - mean) ** 2 for difference in differences)
        freedom = PRIOR_FREEDOM + own
        return freedom, (PRIOR_FREEDOM * self.variance + squares) / freedom

    def _standard_error(self, variance: float, k: int) -> float:
        """Return that of the mean over all folds when k are known."""
        n = self.pruner.n_folds
        return math.sqrt(variance * (n - k) / (k * n))


def padded(rows: Rows, n_folds: int) -> FloatArray:
    """Return the scores of trials as an array (n, n_folds), with NaN for folds that were not run.

    >>> padded([[1.0, 2.0], [3.0]], 3)
    array([[ 1.,  2., nan],
           [ 3., nan, nan]])
    """
    lengths = {len(row) for row in rows}
    if lengths and max(lengths) > n_folds:
        raise TaskError(f"a trial that has ended has {max(lengths)} scores; expected at most {n_folds}")
    if lengths == {n_folds}:
        return np.asarray(rows, np.float64)
    table = np.full((len(rows), n_folds), np.nan)
    for place, row in enumerate(rows):
        table[place, : len(row)] = row
    return table
