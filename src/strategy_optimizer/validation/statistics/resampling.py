"""Resampled time: indices of the stationary and the circular block bootstrap, and how often each row is drawn.

References
----------
.. [1] Politis and Romano (1994). The stationary bootstrap. Journal of the American Statistical Association 89(428).
.. [2] Politis and Romano (1992). A circular block-resampling procedure for stationary data. In: Exploring the limits
   of bootstrap. Wiley.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache

import numpy as np
from numpy.random import Generator

from strategy_optimizer.validation.statistics.not_enough import FloatArray, IntArray, require

_AT_ONCE = 4_194_304  # rows times replications held at once: 32 MB of weights
_KEPT = 524_288  # the most that is kept for the next that asks: 4 MB


def stationary_indices(n: int, block_length: float, replications: int, rng: Generator) -> IntArray:
    """Return indices (replications, n) in blocks of geometric length with the given mean, wrapped around; [1]_.

    Parameters
    ----------
    n : int
        Rows to resample.
    block_length : float
        Mean length, at least 1.
    replications : int
    rng : Generator
        Each replication draws n start rows and then n uniforms, so a larger number of them begins with the
        same ones.

    Examples
    --------
    >>> stationary_indices(5, 1e9, 2, np.random.default_rng(0)).tolist()  # one block each
    [[4, 0, 1, 2, 3], [0, 1, 2, 3, 4]]
    """
    _check(n, block_length, replications)
    return np.stack([_stationary_row(n, 1.0 / block_length, rng) for _ in range(replications)])


def _stationary_row(n: int, chance: float, rng: Generator) -> IntArray:
    starts = rng.integers(n, size=n)
    begins = rng.random(n) <= chance  # a new block
    begins[0] = True
    rows = np.arange(n)
    last = np.maximum.accumulate(np.where(begins, rows, 0))
    row: IntArray = (starts[last] + rows - last) % n
    return row


def circular_indices(n: int, block_length: int, replications: int, rng: Generator) -> IntArray:
    """Return indices (replications, n) in blocks of one length, wrapped around, the last one cut; [2]_.

    Examples
    --------
    >>> circular_indices(6, 3, 1, np.random.default_rng(0)).tolist()
    [[5, 0, 1, 3, 4, 5]]
    """
    _check(n, block_length, replications)
    require(block_length == int(block_length), "block_length", block_length, "a whole number")
    starts = rng.integers(n, size=(replications, -(-n // block_length)))
    rows: IntArray = (starts[:, :, None] + np.arange(block_length)).reshape(replications, -1)[:, :n] % n
    return rows


def _check(n: int, block_length: float, replications: int) -> None:
    require(n >= 1, "n", n, "at least 1")
    require(block_length >= 1.0, "block_length", block_length, "at least 1")
    require(replications >= 1, "replications", replications, "at least 1")


def index_chunks(n: int, block_length: float, replications: int, rng: Generator) -> Iterator[IntArray]:
    """Yield stationary indices (some replications, n) in pieces that fit into memory, together all replications.

    Blocks longer than the data are refused: nothing would vary between the replications, and all be significant.
    """
    _check(n, block_length, replications)
    require(block_length <= n, "block_length", block_length, f"at most {n}, the rows that are resampled")
    most = max(1, _AT_ONCE // max(n, 1))
    for start in range(0, replications, most):
        yield stationary_indices(n, block_length, min(most, replications - start), rng)


def weight_chunks(n: int, block_length: float, replications: int, rng: Generator) -> Iterator[FloatArray]:
    """Yield how often each row is drawn, over n: ``weights @ returns`` are the resampled means."""
    for indices in index_chunks(n, block_length, replications, rng):
        offsets = np.arange(len(indices))[:, None] * n
        yield np.bincount((indices + offsets).ravel(), minlength=indices.size).reshape(-1, n) / n


def seeded_weights(n: int, block_length: float, replications: int, seed: int) -> Iterable[FloatArray]:
    """Return the `weight_chunks` of a seed. Models that are compared with several rivals ask for the same ones."""
    if n * replications > _KEPT:
        return weight_chunks(n, block_length, replications, np.random.default_rng(seed))
    return (_kept_weights(n, block_length, replications, seed),)


@lru_cache(maxsize=1)
def _kept_weights(n: int, block_length: float, replications: int, seed: int) -> FloatArray:
    weights = np.concatenate([*weight_chunks(n, block_length, replications, np.random.default_rng(seed))])
    weights.flags.writeable = False
    return weights
