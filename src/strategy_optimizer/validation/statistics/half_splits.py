"""Every way to halve S blocks: who wins in one half, and where the winner ranks in the other.

Trials of equal length rank by their Sharpe ratio as they rank by ``sign(s) s^2 / q``, where s is the sum of the returns
and q that of their squares, because the Sharpe ratio grows with mean / root mean square: no variance is needed, so
nothing cancels. The compiled loops of `half_splits_kernel` go through the trials twice, first for the winners, then for
their ranks, and keep no score.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from strategy_optimizer.validation.statistics.not_enough import FloatArray, IntArray

_TINY = np.finfo(np.float64).tiny  # so that 0 / 0, a half without a trade, is 0


class HalfSplits(NamedTuple):
    """What each split gives, in the lexicographic order of the blocks in sample."""

    in_sample: FloatArray  # (splits, S) 1 where a block is in sample, else 0
    winners: IntArray  # (splits,) column of the trial that is best in sample, the first of equals
    ranks: FloatArray  # (splits,) its rank out of sample, from 1 for the worst; equals share the mean rank


def halve(sums: FloatArray, squares: FloatArray, *, threads: int) -> HalfSplits:
    """Return winner and rank of every split of S blocks into two halves.

    Parameters
    ----------
    sums, squares : ndarray, shape (S, N)
        Sum of the returns and of their squares of N trials in S blocks; finite. All trials have the same
        number of returns in a block.
    threads : int
        Threads that share the trials; the result does not depend on their number.
    """
    from strategy_optimizer.validation.statistics import half_splits_kernel as kernel  # Numba, only when used

    n_blocks, n = sums.shape
    halves = _halves(n_blocks)
    squares = squares + _TINY
    parts = [(k * n // threads, (k + 1) * n // threads) for k in range(threads)]
    with ThreadPoolExecutor(threads) as pool:
        found = list(pool.map(lambda part: kernel.winners(sums, squares, halves, *part), parts))
        scores, columns = (np.stack([part[k] for part in found]) for k in range(2))
        # The first of equals: parts are in the order of the columns, and argmax takes the first.
        best = scores.argmax(axis=0)[None]
        winners = np.take_along_axis(columns, best, axis=0)[0]
        counts = list(pool.map(lambda part: kernel.below(sums, squares, halves, winners, *part), parts))
    ranks = (np.sum(counts, axis=0) + 1) / 2.0
    bits = halves[0][:, None] >> np.arange(n_blocks - 1, -1, -1) & 1
    # Side 1 of the halves has the complements, which come in reverse.
    return HalfSplits(
        np.concatenate([bits, 1 - bits[::-1]]).astype(np.float64),
        np.concatenate([winners[0], winners[1, ::-1]]),
        np.concatenate([ranks[0], ranks[1, ::-1]]),
    )


def _halves(n_blocks: int) -> IntArray:
    """Return masks (2, splits / 2) of the halves with block 0, the highest bit, descending, and their complements.

    >>> _halves(4).tolist()
    [[12, 10, 9], [3, 5, 6]]
    """
    masks = np.arange(2**n_blocks - 1, 2 ** (n_blocks - 1) - 1, -1)
    first = masks[np.bitwise_count(masks) == n_blocks // 2]
    return np.stack([first, 2**n_blocks - 1 - first])
