"""Every way to halve S blocks: who wins in one half, and where the winner ranks in the other.

Two observations make this fast. Trials of equal length rank by their Sharpe ratio as they rank by
``sign(s) s^2 / q``, where s is the sum of the returns and q that of their squares, because the Sharpe ratio grows with
mean / root mean square: no variance is needed, so nothing cancels. And every half is a subset of the first blocks with
one of the last, so the sums of all subsets of the last blocks are kept and each sum of a half costs one addition, the
same for all trials: equal trials stay equal to the last bit, which a matrix product does not promise.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import combinations
from typing import NamedTuple, TypeAlias

import numpy as np

from strategy_optimizer.validation.statistics.not_enough import FloatArray, IntArray

_KEPT_BLOCKS = 6  # the last blocks, whose 64 subsets are kept
_AT_ONCE = 32_768  # scores that are worked on at once, unless one split has more: what a core's cache holds
_TINY = np.finfo(np.float64).tiny  # so that 0 / 0, a half without a trade, is 0


class HalfSplits(NamedTuple):
    """What each split gives, in the lexicographic order of the blocks in sample."""

    in_sample: FloatArray  # (splits, S) 1 where a block is in sample, else 0
    winners: IntArray  # (splits,) column of the trial that is best in sample, the first of equals
    ranks: FloatArray  # (splits,) its rank out of sample, from 1 for the worst; equals share the mean rank


# Of some halves: masks with a bit for each block in sample, block 0 the highest; winners; ranks.
_Found: TypeAlias = tuple[IntArray, IntArray, FloatArray]


@dataclass(frozen=True)
class _Table:
    """The sums of all subsets of some blocks, grouped by their size."""

    masks: list[IntArray]
    sums: list[FloatArray]  # each (subsets of the size, trials)
    squares: list[FloatArray]


def halve(sums: FloatArray, squares: FloatArray, *, threads: int) -> HalfSplits:
    """Return winner and rank of every split of S blocks into two halves.

    Parameters
    ----------
    sums, squares : ndarray, shape (S, N)
        Sum of the returns and of their squares of N trials in S blocks; finite. All trials have the same
        number of returns in a block.
    threads : int
        Threads that share the work; the result does not depend on their number.
    """
    n_blocks = len(sums)
    kept = min(n_blocks // 2, _KEPT_BLOCKS)
    first = n_blocks - kept
    table = _subset_table(sums[first:], squares[first:])
    # A half and its complement are two splits; the one with block 0 in sample stands for both.
    subsets = [
        subset
        for size in range(n_blocks // 2 - kept, n_blocks // 2 + 1)
        for subset in combinations(range(first), size)
        if 0 in subset
    ]

    def work(part: list[tuple[int, ...]]) -> list[_Found]:
        worker = _Worker(sums, squares, table, first)
        return [row for subset in part for row in worker.splits(subset)]

    if threads == 1:
        found = work(subsets)
    else:
        with ThreadPoolExecutor(threads) as pool:
            parts = pool.map(work, [subsets[i :: 4 * threads] for i in range(4 * threads)])
            found = [row for part in parts for row in part]
    masks, winners, ranks = (np.concatenate([part[k] for part in found]) for k in range(3))
    order = np.argsort(-masks)
    bits = masks[order, None] >> np.arange(n_blocks - 1, -1, -1)
    return HalfSplits((bits & 1).astype(np.float64), winners[order], ranks[order])


class _Worker:
    """The memory of one thread, and what it does for one subset of the first blocks."""

    def __init__(self, sums: FloatArray, squares: FloatArray, table: _Table, first: int) -> None:
        self._sums, self._squares, self._table, self._first = sums, squares, table, first
        n = sums.shape[1]
        self._rows = max(1, _AT_ONCE // n)
        self._inner, self._outer, self._spare = (np.empty((self._rows, n)) for _ in range(3))

    def splits(self, subset: tuple[int, ...]) -> Iterator[_Found]:
        """Yield masks, winners and ranks of the halves that continue a subset, and of their complements."""
        chosen, others = list(subset), [i for i in range(self._first) if i not in subset]
        n_blocks = len(self._sums)
        kept, size = n_blocks - self._first, n_blocks // 2 - len(subset)
        # In ascending order the complement of the i-th subset is the i-th of the other size from behind.
        inner = [self._table.sums[size], self._table.squares[size]]
        outer = [self._table.sums[kept - size][::-1], self._table.squares[kept - size][::-1]]
        inner_first = [part[chosen].sum(axis=0) for part in (self._sums, self._squares)]
        outer_first = [part[others].sum(axis=0) for part in (self._sums, self._squares)]
        first_mask = _mask(subset, n_blocks)
        for start in range(0, len(inner[0]), self._rows):
            rows = slice(start, start + self._rows)
            inside = self._scores(inner_first, [part[rows] for part in inner], self._inner)
            outside = self._scores(outer_first, [part[rows] for part in outer], self._outer)
            masks = first_mask + self._table.masks[size][rows]
            best, best_outside = inside.argmax(axis=1), outside.argmax(axis=1)
            yield masks, best, _ranks(outside, best)
            yield 2**n_blocks - 1 - masks, best_outside, _ranks(inside, best_outside)

    def _scores(self, first: list[FloatArray], rows: list[FloatArray], out: FloatArray) -> FloatArray:
        """Return ``sign(s) s^2 / q`` of some halves, shape (halves, N), in the memory of `out`."""
        out, spare = out[: len(rows[0])], self._spare[: len(rows[0])]
        np.add(rows[0], first[0], out=out)
        np.abs(out, out=spare)
        out *= spare
        np.add(rows[1], first[1], out=spare)
        out /= spare
        return out


def _mask(subset: tuple[int, ...], n_blocks: int) -> int:
    return sum(2 ** (n_blocks - 1 - i) for i in subset)


def _ranks(scores: FloatArray, columns: IntArray) -> FloatArray:
    """Return the rank of one column in each row, from 1 for the smallest; equals share the mean rank."""
    ranks = np.empty(len(scores))
    for i, (row, column) in enumerate(zip(scores, columns.tolist(), strict=True)):
        score = row[column]
        ranks[i] = (np.count_nonzero(row < score) + np.count_nonzero(row <= score) + 1) / 2.0
    return ranks


def _subset_table(sums: FloatArray, squares: FloatArray) -> _Table:
    """Return the sums of all subsets of the last blocks, each size in ascending order of its masks."""
    n_blocks = len(sums)
    table = _Table([], [], [])
    for size in range(n_blocks + 1):
        # Masks of lexicographic order descend.
        subsets = list(combinations(range(n_blocks), size))[::-1]
        table.masks.append(np.array([_mask(s, n_blocks) for s in subsets]))
        table.sums.append(np.stack([sums[list(s)].sum(axis=0) for s in subsets]))
        table.squares.append(np.stack([squares[list(s)].sum(axis=0) + _TINY for s in subsets]))
    return table
