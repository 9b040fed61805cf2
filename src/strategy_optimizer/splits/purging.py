"""One split of the bars, and what purge and embargo take from its training bars.

References
----------
.. [1] López de Prado (2018). Advances in financial machine learning. Wiley. (sections 7.4.1 and 7.4.2)
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from strategy_optimizer.errors import SplitError

IntArray: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Split:
    """Training bars and the blocks that are tested.

    Attributes
    ----------
    train : array, shape (training bars,)
        Indices from 0, ascending; read-only.
    tests : tuple of range
        One for each test fold, the earliest first; neighbours are not joined.
    """

    train: IntArray
    tests: tuple[range, ...]


def purged_split(n: int, tests: Iterable[range], purge: int, embargo: int) -> Split:
    """Return the split that trains on all of `n` bars but the tests and what surrounds them.

    `purge` bars are dropped on both sides of a test block: a trade that is open at its edge belongs to both.
    `embargo` bars more are dropped after it, for what the test leaves behind in indicators.
    """
    blocks = tuple(tests)
    free = np.ones(n, dtype=np.bool_)
    for block in blocks:
        free[max(0, block.start - purge) : block.stop + purge + embargo] = False
    train = np.flatnonzero(free)
    if not len(train):
        raise SplitError(
            f"no training bar of {n:,} is left after a purge of {purge:,} and an embargo of {embargo:,} bars "
            f"around {len(blocks)} test block{'s' if len(blocks) > 1 else ''}; use fewer test folds or smaller gaps"
        )
    train.flags.writeable = False
    return Split(train, blocks)


def fold_ranges(n: int, folds: int) -> tuple[range, ...]:
    """Return `folds` ranges that cut `n` bars into equal parts, within one bar; part k starts at k * n // folds.

    >>> fold_ranges(7, 3)
    (range(0, 2), range(2, 4), range(4, 7))
    """
    if folds > n:
        raise SplitError(f"{folds:,} folds need as many bars, found {n:,}; use fewer folds or more data")
    return tuple(range(k * n // folds, (k + 1) * n // folds) for k in range(folds))
