"""The probability of backtest overfitting (PBO) by combinatorially symmetric cross-validation (CSCV).

The history is cut into S blocks of equal length. In each of the C(S, S/2) ways to halve them, the trial with the best
Sharpe ratio in one half, in sample, is looked up in the other, out of sample. Its relative rank there is
``w = rank / (N + 1)`` of N trials, its logit ``ln(w / (1 - w))``, and the PBO is the share of logits not above 0.

Conventions, where sources differ: the Sharpe ratio has ddof 1; the first of equals wins in sample; equals share their
mean rank out of sample; a logit of exactly 0 counts as overfit; rows that do not fill S blocks are dropped at the
beginning. A half without a trade has a Sharpe ratio of 0; one with the same return at every bar has an infinite one.

Without any information in the trials the PBO is around 0.5, not 0, and that of one matrix is noisy (standard deviation
about 0.14 for 200 trials). Trials of an adaptive search crowd together, which raises it.

References
----------
.. [1] Bailey, Borwein, López de Prado and Zhu (2017). The probability of backtest overfitting. Journal of
   Computational Finance 20(4).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from strategy_optimizer.validation.statistics.half_splits import halve
from strategy_optimizer.validation.statistics.not_enough import (
    ROUNDING,
    FloatArray,
    IntArray,
    NotEnough,
    as_array,
    lacking_finite,
    require,
)

MOST_BLOCKS = 20  # 184,756 splits
LEAST_RETURNS = 2  # in a block


class Degradation(NamedTuple):
    """The line of the winners' Sharpe ratios out of sample over those in sample, one point a split."""

    slope: float
    intercept: float
    r_squared: float


@dataclass(frozen=True, eq=False)
class OverfittingProbability:
    """What cross-validation says of picking the best trial.

    Attributes
    ----------
    pbo : float
        Share of the splits in which the best trial in sample is not above the median out of sample.
    loss_probability : float
        Share of the splits in which its Sharpe ratio out of sample is negative.
    logits : array, shape (splits,)
        In the lexicographic order of the blocks in sample, as everything that follows.
    winners : array, shape (splits,)
        Row of the best trial in sample, in the blocks that were given.
    in_sample, out_of_sample : array, shape (splits,)
        Its Sharpe ratios per observation.
    n_trials, left_out : int
        Trials that were compared, and those that were not because they failed (no returns, or not finite).
    n_blocks : int
    """

    pbo: float
    loss_probability: float
    logits: FloatArray
    winners: IntArray
    in_sample: FloatArray
    out_of_sample: FloatArray
    n_trials: int
    left_out: int
    n_blocks: int

    @cached_property
    def degradation(self) -> Degradation | NotEnough:
        """How the winner's Sharpe ratio out of sample depends on that in sample, by least squares."""
        x, y = self.in_sample, self.out_of_sample
        lacking = lacking_finite("Sharpe ratios", np.concatenate([x, y]))
        if lacking:
            return lacking
        dx, dy = x - x.mean(), y - y.mean()
        if not dx @ dx > ROUNDING * (x @ x):
            return NotEnough("distinct Sharpe ratios in sample", 1, 2)
        slope = float(dx @ dy / (dx @ dx))
        # Where nothing varies out of sample, the line explains nothing.
        r_squared = float((dx @ dy) ** 2 / ((dx @ dx) * (dy @ dy))) if dy @ dy > 0.0 else 0.0
        return Degradation(slope, float(y.mean() - slope * x.mean()), r_squared)


def overfitting_probability(
    blocks: ArrayLike, *, threads: int | None = None
) -> OverfittingProbability | NotEnough:
    """Return the probability of backtest overfitting of trials, from their block sums.

    Parameters
    ----------
    blocks : array-like, shape (N, S, 3)
        Count, sum and sum of squares of the returns of N trials in S blocks, as a `MetricsTable` has them. S is
        even, at most 20; lengths may differ by one return, but not between trials. Trials without returns, or
        with a value that is not finite, count as failed and are left out.
    threads : int, optional
        All cores by default; the result does not depend on it.

    Returns
    -------
    OverfittingProbability or NotEnough
        Two different trials are needed, and two returns a block.

    Notes
    -----
    All trials of a search belong into `blocks`, not only its good ones. Works in float64, with a few megabytes beside
    the input.

    Examples
    --------
    >>> returns = np.random.default_rng(0).standard_normal((96, 10)) * 0.01
    >>> found = overfitting_probability(block_sums(returns, 8))
    >>> round(found.pbo * 70), len(found.logits), round(float(found.logits.mean()), 6)
    (4, 70, 1.444626)
    """
    sums = as_array("blocks", blocks, 3)
    n_blocks = sums.shape[1]
    _check_blocks(sums)
    kept = np.flatnonzero(np.isfinite(sums).all(axis=(1, 2)) & sums[:, :, 0].any(axis=1))
    lacking = _lacking(sums[kept])
    if lacking:
        return lacking
    counts = sums[kept[0], :, 0]
    returns, squares = (np.ascontiguousarray(sums[kept, :, k].T) for k in (1, 2))
    found = halve(returns, squares, threads=_threads(threads, len(kept)))
    relative = found.ranks / (len(kept) + 1.0)
    logits = np.log(relative / (1.0 - relative))
    best = (returns[:, found.winners].T, squares[:, found.winners].T)
    in_sample = _sharpe(found.in_sample, counts, *best)
    out_of_sample = _sharpe(1.0 - found.in_sample, counts, *best)
    return OverfittingProbability(
        pbo=float((found.ranks <= (len(kept) + 1) / 2.0).mean()),  # a logit of 0, without rounding
        loss_probability=float((out_of_sample < 0.0).mean()),
        logits=logits,
        winners=kept[found.winners],
        in_sample=in_sample,
        out_of_sample=out_of_sample,
        n_trials=len(kept),
        left_out=len(sums) - len(kept),
        n_blocks=n_blocks,
    )


def block_sums(returns: ArrayLike, n_blocks: int = 16) -> FloatArray:
    """Return the block sums (N, S, 3) of a matrix of returns (T, N); the first T mod S rows are dropped.

    >>> block_sums([[9.0], [1.0], [2.0]], 2)[0].tolist()  # count, sum, sum of squares
    [[1.0, 1.0, 1.0], [1.0, 2.0, 4.0]]
    """
    matrix = as_array("returns", returns, 2)
    require(n_blocks >= 2, "n_blocks", n_blocks, "at least 2")
    length = len(matrix) // n_blocks
    cut = matrix[len(matrix) - length * n_blocks :].reshape(n_blocks, length, matrix.shape[1])
    sums, squares = cut.sum(axis=1), np.einsum("stn,stn->sn", cut, cut)
    return np.stack([np.full_like(sums, length), sums, squares], axis=2).transpose(1, 0, 2)


def _check_blocks(blocks: FloatArray) -> None:
    n_blocks = blocks.shape[1]
    require(
        blocks.shape[2] == 3, "the last dimension of blocks", blocks.shape[2], "3: count, sum, sum of squares"
    )
    require(
        2 <= n_blocks <= MOST_BLOCKS and n_blocks % 2 == 0,
        "the number of blocks",
        n_blocks,
        "even, from 2 to 20",
    )


def _lacking(blocks: FloatArray) -> NotEnough | None:
    """Return what the trials that did not fail lack."""
    if len(blocks) < 2:
        return NotEnough("trials", len(blocks), 2)
    counts = blocks[:, :, 0]
    require(
        bool((counts == counts[0]).all()),
        "blocks",
        "trials of different lengths",
        "the same counts in all of them",
    )
    if counts.min() < LEAST_RETURNS:
        return NotEnough("returns in a block", float(counts.min()), LEAST_RETURNS)
    return NotEnough("distinct trials", 1, 2) if (blocks == blocks[0]).all() else None


def _sharpe(half: FloatArray, counts: FloatArray, sums: FloatArray, squares: FloatArray) -> FloatArray:
    """Return the Sharpe ratio of one trial a split in one half; all arguments are (splits, S) but the counts (S,)."""
    n = half @ counts
    mean = (half * sums).sum(axis=1) / n
    total = (half * squares).sum(axis=1)
    variance = (total - n * mean**2) / (n - 1.0)
    varies = variance > ROUNDING * mean**2
    constant = np.where(mean == 0.0, 0.0, np.copysign(np.inf, mean))
    return np.where(varies, mean / np.sqrt(np.where(varies, variance, 1.0)), constant)


def _threads(threads: int | None, n_trials: int) -> int:
    if threads is not None:
        require(threads >= 1, "threads", threads, "at least 1")
        return threads
    if n_trials < 500:  # where calls, not sums, take the time
        return 1
    from strategy_optimizer.backtest.evaluate import available_cores

    return available_cores()
