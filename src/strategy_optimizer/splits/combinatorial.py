"""Purged K-fold and combinatorial purged cross-validation (CPCV).

With N folds of which k are tested there are C(N, k) splits. Every fold is tested in C(N-1, k-1) of them, so the
tests can be put together to phi = k / N * C(N, k) = C(N-1, k-1) paths, each of which covers all bars once.

References
----------
.. [1] López de Prado (2018). Advances in financial machine learning. Wiley. (chapters 7 and 12)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from math import comb
from typing import overload

import numpy as np

from strategy_optimizer.errors import SplitError
from strategy_optimizer.splits.checks import whole_number
from strategy_optimizer.splits.purging import IntArray, Split, fold_ranges, purged_split

MOST_SPLITS = 100_000


@dataclass(frozen=True)
class CombinatorialSplits(Sequence[Split]):
    """The splits of a combinatorial cross-validation; training bars are worked out when one is asked for.

    Attributes
    ----------
    n, purge, embargo : int
        Bars.
    folds : tuple of range
        The bars of each fold.
    test_folds : int
        Folds tested in each split.
    """

    n: int
    folds: tuple[range, ...]
    test_folds: int
    purge: int
    embargo: int

    def __len__(self) -> int:
        return comb(len(self.folds), self.test_folds)

    @overload
    def __getitem__(self, i: int) -> Split: ...
    @overload
    def __getitem__(self, i: slice) -> tuple[Split, ...]: ...
    def __getitem__(self, i: int | slice) -> Split | tuple[Split, ...]:
        if isinstance(i, slice):
            return tuple(self._split(row) for row in self.tested[i])
        return self._split(self.tested[i])

    def __iter__(self) -> Iterator[Split]:
        return (self._split(row) for row in self.tested)

    @cached_property
    def tested(self) -> IntArray:
        """The tested folds of each split, shape (splits, test folds), in lexicographic order."""
        return np.array(list(combinations(range(len(self.folds)), self.test_folds)), dtype=np.int64)

    @property
    def n_paths(self) -> int:
        """How many backtests of all bars the tests make up."""
        return comb(len(self.folds) - 1, self.test_folds - 1)

    @cached_property
    def paths(self) -> IntArray:
        """The split that tests fold f on path p, shape (paths, folds).

        Path p takes of each fold the p-th split that tests it, so every tested block belongs to one path.
        """
        columns = [np.flatnonzero((self.tested == fold).any(axis=1)) for fold in range(len(self.folds))]
        return np.stack(columns, axis=1)

    def _split(self, tested: IntArray) -> Split:
        return purged_split(self.n, (self.folds[fold] for fold in tested), self.purge, self.embargo)


def combinatorial_purged(
    n: int, folds: int, test_folds: int, *, purge: int = 0, embargo: int = 0
) -> CombinatorialSplits:
    """Return every way to test `test_folds` of `folds` parts of `n` bars and train on the others.

    Parameters
    ----------
    n : int
        Bars.
    folds, test_folds : int
        Parts of equal length (within one bar), and how many of them a split tests; fewer than all.
    purge : int
        Training bars dropped on both sides of each test block.
    embargo : int
        Training bars dropped after each test block in addition.

    Raises
    ------
    SplitError
        For more than 100,000 splits, or when a split has no training bar left.

    Notes
    -----
    Look-ahead: training bars lie after tests as well as before. A path is no history that could have been
    traded; use `walk_forward` for that.

    Examples
    --------
    >>> splits = combinatorial_purged(12, 3, 2, purge=1)
    >>> [split.train.tolist() for split in splits]
    [[9, 10, 11], [5, 6], [0, 1, 2]]
    >>> splits[0].tests
    (range(0, 4), range(4, 8))
    >>> splits.paths.tolist()  # fold 0 is tested in splits 0 and 1, fold 1 in 0 and 2, fold 2 in 1 and 2
    [[0, 0, 1], [1, 2, 2]]
    """
    n = whole_number("n", n, least=1)
    folds = whole_number("folds", folds, least=2)
    test_folds = whole_number("test_folds", test_folds, least=1)
    purge = whole_number("purge", purge, least=0)
    embargo = whole_number("embargo", embargo, least=0)
    if test_folds >= folds:
        raise SplitError(f"test_folds is {test_folds} of {folds} folds; expected fewer, one has to train")
    if comb(folds, test_folds) > MOST_SPLITS:
        raise SplitError(
            f"{test_folds} of {folds} folds can be chosen in {comb(folds, test_folds):,} ways; expected at most "
            f"{MOST_SPLITS:,}: use fewer folds, or fewer test folds"
        )
    splits = CombinatorialSplits(n, fold_ranges(n, folds), test_folds, purge, embargo)
    _check_training(splits)
    return splits


def purged_k_fold(n: int, folds: int, *, purge: int = 0, embargo: int = 0) -> CombinatorialSplits:
    """Return the splits that test each of `folds` parts of `n` bars once and train on the others.

    The parameters are those of `combinatorial_purged` with one test fold; there is one path.

    Examples
    --------
    >>> [(split.tests[0], split.train.tolist()) for split in purged_k_fold(6, 3, embargo=1)]
    [(range(0, 2), [3, 4, 5]), (range(2, 4), [0, 1, 5]), (range(4, 6), [0, 1, 2, 3])]
    """
    return combinatorial_purged(n, folds, 1, purge=purge, embargo=embargo)


def _check_training(splits: CombinatorialSplits) -> None:
    """Raise now, not in the middle of the work, when a split has no training bar left.

    Where a fold is longer than the gaps on both of its sides every training fold keeps a bar, and no split has to be
    looked at.
    """
    shortest = min(len(fold) for fold in splits.folds)
    if shortest > 2 * splits.purge + splits.embargo:
        return
    for _ in splits:
        pass
