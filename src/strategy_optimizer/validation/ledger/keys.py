"""Distinct trials: one key a trial, and sets of keys that stay small and can still be counted together.

A key is a 64-bit hash of the strategy's code and of the parameters as the strategy sees them, whatever the bounds,
order of choices or fixed parameters of the search were. Of more keys than `MOST_KEYS` the smallest are kept, with the
limit below which all are kept [1]_: of `n` keys below a share `s` of all hashes there are about `n / s`, with a
standard error of ``sqrt(n (1 - s)) / s``, 1.6 % of the number where many were left out.

References
----------
.. [1] Dasgupta, Lang, Rhodes and Thaler (2016). A framework for estimating stream expression cardinalities. ICDT.
   (theta sketch)
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from strategy_optimizer.space import ParameterSpace
from strategy_optimizer.tasks.strategy_binding import translation

FloatArray = NDArray[np.float64]
KeyArray = NDArray[np.uint64]
MOST_KEYS = 4096
ALL = 2**64  # a limit that leaves out nothing


class Count(NamedTuple):
    """A number of distinct trials and its standard error, 0 where it is exact."""

    value: float
    error: float


@dataclass(frozen=True, eq=False)
class KeySet:
    """A set of keys, or the smallest of them.

    Attributes
    ----------
    keys : array of uint64
        Ascending; all that are below `limit`.
    limit : int
        `ALL` where no key was left out.
    """

    keys: KeyArray
    limit: int = ALL

    @classmethod
    def of(cls, keys: KeyArray, limit: int = ALL) -> KeySet:
        """Return the set of keys below `limit`, at most `MOST_KEYS` of them.

        >>> KeySet.of(np.array([3, 1, 3], np.uint64)).count
        Count(value=2.0, error=0.0)
        """
        distinct = _below(_distinct(keys), limit)
        if len(distinct) > MOST_KEYS:
            limit = int(distinct[MOST_KEYS])
        return cls(distinct[:MOST_KEYS], limit)

    @property
    def count(self) -> Count:
        """How many keys the whole set has."""
        return _estimate(len(self.keys), self.limit)


def union(sets: Sequence[KeySet]) -> KeySet:
    """Return the keys that are in any of the sets."""
    return KeySet.of(*_together(sets))


def count_beyond(own: KeySet, others: Sequence[KeySet]) -> Count:
    """Return how many keys of other sets are not in this one.

    >>> own, other = (KeySet.of(np.array(keys, np.uint64)) for keys in ([1, 2, 3], [3, 4]))
    >>> count_beyond(own, [other])
    Count(value=1.0, error=0.0)
    """
    keys, limit = _together(others)
    limit = min(limit, own.limit)
    theirs, mine = _below(_distinct(keys), limit), _below(own.keys, limit)
    return _estimate(len(theirs) - int(are_in(mine, theirs).sum()), limit)


def _together(sets: Sequence[KeySet]) -> tuple[KeyArray, int]:
    """Return the keys of all sets below the smallest limit, and that limit."""
    limit = min((each.limit for each in sets), default=ALL)
    kept = [_below(each.keys, limit) for each in sets]
    return np.concatenate([np.empty(0, np.uint64), *kept]), limit


def are_in(values: KeyArray, ordered: KeyArray) -> NDArray[np.bool_]:
    """Return whether each value is in an ascending array; of some hundred much faster than `np.isin`."""
    if not len(ordered):
        return np.zeros(len(values), np.bool_)
    found: NDArray[np.bool_] = ordered[np.searchsorted(ordered, values) % len(ordered)] == values
    return found


def _distinct(keys: KeyArray) -> KeyArray:
    """Return the keys once each, ascending; NumPy sorts them much faster than its `unique` hashes them."""
    ordered = np.sort(keys)
    found: KeyArray = ordered[np.diff(ordered, prepend=~ordered[:1]) != 0]
    return found


def _below(keys: KeyArray, limit: int) -> KeyArray:
    """Return the keys below a limit; they are ascending."""
    return keys if limit == ALL else keys[: np.searchsorted(keys, np.uint64(limit), "left")]


def _estimate(n_kept: int, limit: int) -> Count:
    share = limit / ALL
    return Count(n_kept / share, sqrt(n_kept * (1.0 - share)) / share)


# -- the keys of trials --------------------------------------------------------------------------------------


def parameter_keys(digest: str, own: ParameterSpace, space: ParameterSpace, points: FloatArray) -> KeyArray:
    """Return the keys (n,) of points.

    Parameters
    ----------
    digest : str
        Of the strategy's code.
    own : ParameterSpace
        Of the strategy as it was bound to the searched space, see `bind_strategy`.
    space : ParameterSpace
        That was searched.
    points : array, shape (n, d)
        Of the searched space.
    """
    translate = translation(own, space)
    names = "\0".join((digest, *own.names))
    seed = int.from_bytes(hashlib.sha256(names.encode()).digest()[:8], "big")
    return hash_rows(points if translate is None else translate(points), seed)


def representative_keys(keys: KeyArray, returns: FloatArray) -> KeyArray:
    """Return one key for each group of trials with the same returns (n, B), the smallest.

    There are as many as trials with different returns, which is what the deflated Sharpe ratio counts.
    """
    groups = hash_rows(returns, 0)
    order = np.lexsort((keys, groups))
    first = np.diff(groups[order], prepend=~groups[order][:1]) != 0
    found: KeyArray = keys[order][first]
    return found


def hash_rows(rows: FloatArray, seed: int) -> KeyArray:
    """Return a hash (n,) of the numbers in each row; -0.0 is 0.0, and all NaN are the same."""
    hashed = np.full(len(rows), seed, np.uint64)
    for column in rows.T:
        values = np.ascontiguousarray(column, dtype=np.float64) + 0.0
        values[np.isnan(values)] = np.nan
        hashed = _mixed(hashed ^ values.view(np.uint64))
    return hashed


def _mixed(x: KeyArray) -> KeyArray:
    """Return 64 bits that each depend on all bits of `x` (the finaliser of splitmix64)."""
    x = x + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
