"""Compiled loops over all halves of S blocks; see `half_splits`.

Trials are taken in tiles. The sums of all subsets of the first S / 2 blocks and of the last are kept for a tile, so
that the sum of a half costs one addition, the same for all trials: equal trials stay equal to the last bit.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from strategy_optimizer.machine_code import compiled

TABLES = 2**19  # bytes of a tile's sums of subsets: they stay in a core's second cache


@compiled(nogil=True, error_model="numpy")
def winners(sums: Any, squares: Any, halves: Any, start: int, stop: int) -> Any:
    """Return the best score (2, halves) among the trials ``start <= j < stop`` in each half, and its trial."""
    best = np.full(halves.shape, -np.inf)
    columns = np.full(halves.shape, start)
    low, high, scores, width = _tables(len(sums), stop - start)
    for first in range(start, stop, width):
        n = min(width, stop - first)
        _fill(low, high, sums, squares, first, n)
        for side in range(2):
            for k in range(halves.shape[1]):
                _score(scores, low, high, halves[side, k], n)
                most = best[side, k]
                for j in range(n):
                    if scores[j] > most:
                        most = scores[j]
                        columns[side, k] = first + j
                best[side, k] = most
    return best, columns


@compiled(nogil=True, error_model="numpy")
def below(sums: Any, squares: Any, halves: Any, winners: Any, start: int, stop: int) -> Any:
    """Return how many trials ``start <= j < stop`` score below each half's winner in the other half (2, halves).

    One below counts 2, an equal one 1, the winner itself included.
    """
    counts = np.zeros(halves.shape, np.int64)
    low, high, scores, width = _tables(len(sums), stop - start)
    marks = _marks(sums, squares, halves, winners)
    for first in range(start, stop, width):
        n = min(width, stop - first)
        _fill(low, high, sums, squares, first, n)
        for side in range(2):
            for k in range(halves.shape[1]):
                _score(scores, low, high, halves[1 - side, k], n)
                mark = marks[side, k]
                count = 0
                for j in range(n):
                    count += (scores[j] < mark) + (scores[j] <= mark)
                counts[side, k] += count
    return counts


@compiled(nogil=True, error_model="numpy")
def _marks(sums: Any, squares: Any, halves: Any, winners: Any) -> Any:
    """Return the score (2, halves) of each half's winner in the other half."""
    marks = np.empty(halves.shape)
    low, high, score, _ = _tables(len(sums), 1)
    order = np.argsort(winners.ravel(), kind="mergesort")
    filled = -1
    for i in order:
        side, k = divmod(i, halves.shape[1])
        if winners[side, k] != filled:
            filled = winners[side, k]
            _fill(low, high, sums, squares, filled, 1)
        _score(score, low, high, halves[1 - side, k], 1)
        marks[side, k] = score[0]
    return marks


@compiled(nogil=True)
def _tables(n_blocks: int, n: int) -> Any:
    """Return memory for the sums of subsets of a tile (sum or square, subset, trial), for scores, and its width."""
    subsets = 2 ** (n_blocks // 2)
    width = max(1, min(n, max(16, TABLES // (subsets * 32))))
    return np.zeros((2, subsets, width)), np.zeros((2, subsets, width)), np.zeros(width), width


@compiled(nogil=True)
def _fill(low: Any, high: Any, sums: Any, squares: Any, first: int, n: int) -> None:
    """Write the sums of all subsets of the last blocks, `low`, and of the first, `high`, for n trials."""
    half = len(sums) // 2
    for mask in range(1, 2**half):
        bit = 0
        while not mask >> bit & 1:
            bit += 1
        rest = mask & (mask - 1)
        for table, block in ((low, 2 * half - 1 - bit), (high, half - 1 - bit)):
            for j in range(n):
                table[0, mask, j] = table[0, rest, j] + sums[block, first + j]
                table[1, mask, j] = table[1, rest, j] + squares[block, first + j]


@compiled(nogil=True, error_model="numpy")
def _score(scores: Any, low: Any, high: Any, half: int, n: int) -> None:
    """Write ``sign(s) s^2 / q`` of n trials in one half."""
    bits = 0
    while 2**bits < low.shape[1]:
        bits += 1
    low_mask, high_mask = half & (low.shape[1] - 1), half >> bits
    for j in range(n):
        s = high[0, high_mask, j] + low[0, low_mask, j]
        scores[j] = s * abs(s) / (high[1, high_mask, j] + low[1, low_mask, j])
