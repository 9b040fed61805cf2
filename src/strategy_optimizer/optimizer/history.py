"""What an optimizer remembers: the columnar log of told trials and the table of points still out.

Both are plain arrays with a little bookkeeping, so that a trial costs well under a microsecond here and
100,000 trials of eight parameters stay near ten megabytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from strategy_optimizer.optimizer.state import decode_array, encode_array

FloatArray: TypeAlias = NDArray[np.float64]
IntArray: TypeAlias = NDArray[np.int64]
KeyArray: TypeAlias = NDArray[np.uint64]
BoolArray: TypeAlias = NDArray[np.bool_]

_FIRST_CAPACITY = 256


class Columns:
    """Equally long arrays which grow together by doubling.

    Parameters
    ----------
    **empty : ndarray
        One array of length zero per column; its dtype and trailing shape are the column's.

    Examples
    --------
    >>> table = Columns(score=np.empty(0))
    >>> table.append(score=[0.5, 0.7])
    >>> len(table), table["score"]
    (2, array([0.5, 0.7]))
    """

    def __init__(self, **empty: NDArray[Any]) -> None:
        self._arrays = empty
        self._n = 0

    def __len__(self) -> int:
        return self._n

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self._arrays[name][: self._n]

    def append(self, **values: Any) -> None:
        """Add rows; every column must be given, a scalar is repeated."""
        n_new = next(len(v) for v in values.values() if np.ndim(v))
        self._reserve(self._n + n_new)
        for name, value in values.items():
            self._arrays[name][self._n : self._n + n_new] = value
        self._n += n_new

    def _reserve(self, capacity: int) -> None:
        for name, old in self._arrays.items():
            if len(old) < capacity:
                grown = np.empty(
                    (max(capacity, _FIRST_CAPACITY, len(old) * 3 // 2), *old.shape[1:]), old.dtype
                )
                grown[: self._n] = old[: self._n]
                self._arrays[name] = grown


class Outcomes(NamedTuple):
    """What was told about some trials, checked."""

    scores: FloatArray  # (n,), or (n, m) with m > 1 objectives; larger is better, NaN: failed
    constraints: FloatArray | None  # (n, k) feasible where >= 0
    std_errors: FloatArray | None  # as the scores
    seconds: FloatArray | None  # (n,)

    @property
    def failed(self) -> BoolArray:
        """Which trials failed, (n,)."""
        return failed_trials(self.scores)

    def take(self, keep: Any) -> Outcomes:
        """Return the trials at an index array or mask."""
        others = (None if column is None else column[keep] for column in self[1:])
        return Outcomes(self.scores[keep], *others)


class Told(NamedTuple):
    """Told trials as parallel arrays."""

    rows: FloatArray  # (n, width): dense points and notes
    scores: FloatArray  # (n,), or (n, m) with m > 1 objectives
    violations: FloatArray  # (n,)
    tickets: IntArray  # (n,) numbers of the asked points, -1 where never asked

    @property
    def failed(self) -> BoolArray:
        """Which trials failed, (n,)."""
        return failed_trials(self.scores)

    @classmethod
    def empty(cls, width: int, n_objectives: int = 1) -> Self:
        """Return no trials with rows of `width` columns."""
        return cls(np.empty((0, width)), no_scores(n_objectives), np.empty(0), np.empty(0, np.int64))

    def take(self, index: Any) -> Self:
        """Return the trials at an index array, mask or slice."""
        return type(self)(self.rows[index], self.scores[index], self.violations[index], self.tickets[index])

    @classmethod
    def join(cls, parts: Sequence[Told]) -> Self:
        """Return the trials of at least one part, one after the other."""
        rows, scores, violations, tickets = (np.concatenate(column) for column in zip(*parts, strict=True))
        return cls(rows, scores, violations, tickets)

    def encode(self) -> list[dict[str, Any]]:
        """Return JSON values."""
        return [encode_array(column) for column in self]

    @classmethod
    def decode(cls, data: list[dict[str, Any]]) -> Self:
        """Take back what :meth:`encode` returned."""
        rows, scores, violations, tickets = (decode_array(column) for column in data)
        return cls(rows, scores, violations, tickets)


def no_scores(n_objectives: int) -> FloatArray:
    """Return the scores of no trials: (0,) for one objective, (0, m) for several."""
    return np.empty(0 if n_objectives == 1 else (0, n_objectives))


def failed_trials(scores: FloatArray) -> BoolArray:
    """Return which rows of checked scores are failed trials, (n,); a failed one is NaN in every objective."""
    return np.isnan(scores if scores.ndim == 1 else scores[:, 0])


class TrialLog:
    """Every told trial, in the order of telling.

    Scores are *larger is better* whatever the direction of the search; NaN is a failed trial. With one
    objective they have the shape (n,), with m > 1 (n, m).

    Parameters
    ----------
    n_dims : int
        Parameters per point.
    n_objectives : int
        Scores per trial.
    """

    def __init__(self, n_dims: int, n_objectives: int = 1) -> None:
        self._columns = Columns(
            points=np.empty((0, n_dims)),
            keys=np.empty(0, np.uint64),
            scores=no_scores(n_objectives),
            violations=np.empty(0),
            std_errors=no_scores(n_objectives),
            seconds=np.empty(0),
        )
        self._constraints: Columns | None = None

    def __len__(self) -> int:
        return len(self._columns)

    @property
    def points(self) -> FloatArray:
        """Canonical points, (n, n_dims)."""
        return self._columns["points"]

    @property
    def keys(self) -> KeyArray:
        """Identity hashes of the points, (n,)."""
        return self._columns["keys"]

    @property
    def scores(self) -> FloatArray:
        """Scores, larger is better, (n,) or (n, m); NaN where the trial failed."""
        return self._columns["scores"]

    @property
    def failed(self) -> BoolArray:
        """Which trials failed, (n,)."""
        return failed_trials(self.scores)

    @property
    def violations(self) -> FloatArray:
        """Total violation of the told outcome constraints, (n,); 0 is feasible."""
        return self._columns["violations"]

    @property
    def std_errors(self) -> FloatArray:
        """Standard errors of the scores, shaped like them; NaN where none was told."""
        return self._columns["std_errors"]

    @property
    def seconds(self) -> FloatArray:
        """Seconds a trial took, (n,); NaN where none was told."""
        return self._columns["seconds"]

    @property
    def constraints(self) -> FloatArray | None:
        """Told outcome constraints, (n, k), NaN in rows told without; None when never told."""
        return None if self._constraints is None else self._constraints["values"]

    @property
    def unconstrained(self) -> BoolArray:
        """Which trials were told without outcome constraints and so violate none, (n,)."""
        if self.constraints is None:
            return np.ones(len(self), bool)
        return np.asarray(np.isnan(self.constraints).all(axis=1) & (self.violations == 0.0))

    def excuse(self, rows: BoolArray) -> None:
        """Take the missing constraints of trials, (n,), as never told; told as NaN they are violated."""
        self.violations[rows] = 0.0

    @property
    def winning_scores(self) -> FloatArray:
        """Scores of the trials that may win, (n,) or (n, m): -inf where failed or infeasible."""
        return self.winning_since(0)

    def winning_since(self, start: int) -> FloatArray:
        """Return :attr:`winning_scores` from row `start` on."""
        scores, violations = self.scores[start:], self.violations[start:]
        may_win = ~failed_trials(scores) & (violations <= 0.0)
        return np.where(may_win if scores.ndim == 1 else may_win[:, None], scores, -np.inf)

    def append(self, points: FloatArray, keys: KeyArray, outcomes: Outcomes) -> FloatArray:
        """Add trials and return their total violations, (n,)."""
        scores, constraints, std_errors, seconds = outcomes
        violations = total_violation(constraints, len(points))
        self._append_constraints(constraints, len(points))
        self._columns.append(
            points=points,
            keys=keys,
            scores=scores,
            violations=violations,
            std_errors=np.nan if std_errors is None else std_errors,
            seconds=np.nan if seconds is None else seconds,
        )
        return violations

    def _append_constraints(self, constraints: FloatArray | None, n_new: int) -> None:
        """Keep the raw values; the column appears with the first trial that has some."""
        if self._constraints is None:
            if constraints is None:
                return
            width = constraints.shape[1]
            self._constraints = Columns(values=np.empty((0, width)))
            if len(self):
                self._constraints.append(values=np.full((len(self), width), np.nan))
        if constraints is None:
            constraints = np.full((n_new, self.n_constraints), np.nan)
        self._constraints.append(values=constraints)

    @property
    def n_constraints(self) -> int:
        """Number of outcome constraints told so far (0 when none)."""
        return 0 if self.constraints is None else int(self.constraints.shape[1])


def total_violation(constraints: FloatArray | None, n: int) -> FloatArray:
    """Return how far each trial is from feasible, (n,); a NaN constraint is infinitely far.

    >>> total_violation(np.array([[1.0, -0.5], [-1.0, -2.0]]), 2)
    array([0.5, 3. ])
    """
    if constraints is None:
        return np.zeros(n)
    short = np.maximum(-constraints, 0.0)
    violation: FloatArray = np.where(np.isnan(short), np.inf, short).sum(axis=1)
    return violation


class PendingPoints:
    """Points that were asked and not told yet, with the optimizer's own row for each.

    A row is the dense point followed by whatever notes the algorithm keeps about how it was made. Tickets
    number the asked points; they give an order that does not depend on the order of telling.
    """

    def __init__(self, width: int) -> None:
        self._width = width
        self._rows = np.empty((0, width))
        self._tickets = np.empty(0, np.int64)
        self._free: list[int] = []
        self._slots: dict[int, list[int]] = {}  # key -> slots, several when a point is out more than once

    def __len__(self) -> int:
        return len(self._tickets) - len(self._free)

    def __contains__(self, key: int) -> bool:
        return key in self._slots

    def add(self, keys: Iterable[int], rows: FloatArray, tickets: IntArray) -> None:
        """Note points as asked."""
        slots = self._allocate(len(rows))
        self._rows[slots] = rows
        self._tickets[slots] = tickets
        table = self._slots
        for key, slot in zip(keys, slots, strict=True):
            if key in table:
                table[key].append(slot)
            else:
                table[key] = [slot]

    def take(self, keys: Iterable[int]) -> tuple[FloatArray, IntArray]:
        """Remove points; return their rows and tickets, ticket -1 where the point was not out."""
        slots = [self._pop(key) for key in keys]
        index = np.array(slots, np.int64)
        found = index >= 0
        rows = np.full((len(slots), self._width), np.nan)
        tickets = np.full(len(slots), -1, np.int64)
        rows[found], tickets[found] = self._rows[index[found]], self._tickets[index[found]]
        self._free.extend(index[found].tolist())
        return rows, tickets

    def export(self) -> tuple[KeyArray, FloatArray, IntArray]:
        """Return keys, rows and tickets of everything out, in the order of asking."""
        pairs = [
            (int(self._tickets[slot]), key, slot) for key, slots in self._slots.items() for slot in slots
        ]
        pairs.sort()
        slots = [slot for _, _, slot in pairs]
        keys = np.array([key for _, key, _ in pairs], np.uint64)
        return keys, self._rows[slots], self._tickets[slots]

    def _pop(self, key: int) -> int:
        slots = self._slots.get(key)
        if slots is None:
            return -1
        slot = slots.pop(0)
        if not slots:
            del self._slots[key]
        return slot

    def _allocate(self, n: int) -> list[int]:
        missing = n - len(self._free)
        if missing > 0:
            old = len(self._tickets)
            extra = max(missing, old // 2)
            self._rows = np.concatenate([self._rows, np.empty((extra, self._width))])
            self._tickets = np.concatenate([self._tickets, np.full(extra, -1, np.int64)])
            self._free.extend(range(old + extra - 1, old - 1, -1))
        slots = self._free[len(self._free) - n :]
        del self._free[len(self._free) - n :]
        return slots


class TriedPoints:
    """How many trials each point has had, told and pending together.

    Parameters
    ----------
    repeats : int
        Trials one point may have.
    """

    def __init__(self, repeats: int) -> None:
        self._repeats = repeats
        self._counts: dict[int, int] = {}
        self.any_repeated = False  # some point has, or will have, more than one trial

    def admit(self, keys: list[int], limit: int) -> list[int]:
        """Count the first `limit` keys which may have a trial more; return their indices."""
        counts, repeats = self._counts, self._repeats
        chosen: list[int] = []
        for index, key in enumerate(keys):
            count = counts.get(key, 0)
            if count < repeats:
                if len(chosen) == limit:
                    break
                counts[key] = count + 1
                self.any_repeated |= count > 0
                chosen.append(index)
        return chosen

    def allows(self, key: int) -> bool:
        """Return whether a point may have a trial more."""
        return self._counts.get(key, 0) < self._repeats

    def count(self, keys: Iterable[int]) -> None:
        """Count a trial for each key, whatever the limit."""
        for key in keys:
            before = self._counts.get(key, 0)
            self._counts[key] = before + 1
            self.any_repeated |= before > 0

    def use_up(self, keys: Iterable[int]) -> None:
        """Allow no further trial of these points: they failed."""
        for key in keys:
            self._counts[key] = max(self._repeats, self._counts[key])
