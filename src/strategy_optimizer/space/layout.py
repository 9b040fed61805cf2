"""A space made ready for work: its columns, conditions and constraints bound together, immutable."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from strategy_optimizer.errors import SpaceError
from strategy_optimizer.space.activation import Activation
from strategy_optimizer.space.columns import Columns
from strategy_optimizer.space.constraints import Constraint, Constraints
from strategy_optimizer.space.parameters import Parameter
from strategy_optimizer.space.records import to_dicts

FloatArray: TypeAlias = NDArray[np.float64]
BoolArray: TypeAlias = NDArray[np.bool_]

ENUMERATED_AT_MOST = 1_000_000
"""Finite spaces up to this size are enumerated when random points rarely satisfy the constraints."""
_CHUNK = 1 << 16


class Layout:
    """The bound form of a space; built once, then only read, so threads can share it."""

    def __init__(self, parameters: Mapping[str, Parameter], constraints: Sequence[Constraint]) -> None:
        self.parameters = dict(parameters)
        self.names = tuple(parameters)
        self.columns = Columns(tuple(parameters.values()))
        self.activation = Activation(self.parameters)
        self.constraints = Constraints(constraints, self.parameters, self.to_dicts)

    @property
    def n_dims(self) -> int:
        """Number of parameters."""
        return len(self.names)

    def matrix(self, points: ArrayLike) -> FloatArray:
        """Return `points` as a float array of shape (n, d), or raise SpaceError."""
        array = np.asarray(points, dtype=np.float64)
        if array.ndim != 2 or array.shape[1] != self.n_dims:
            raise SpaceError(
                f"points must be an array of shape (n, {self.n_dims}), one column per parameter, "
                f"found shape {array.shape}"
            )
        return array

    def to_dicts(self, points: FloatArray) -> list[dict[str, int | float | str | bool]]:
        """Return the points as plain dicts."""
        return to_dicts(self.parameters, points)

    def satisfying(self, points: FloatArray) -> FloatArray:
        """Return the canonical `points` which satisfy the constraints."""
        return points[self.constraints.holds(points)] if len(self.constraints) else points

    def feasible(self, points: FloatArray) -> BoolArray:
        """Return which points (n,) lie in the domain where active, and satisfy the constraints."""
        canonical, masks = self.activation.resolve(points)
        inside = self.columns.in_domain(canonical)
        for column, active in masks.items():
            inside[:, column] |= ~active
        valid: BoolArray = np.logical_and.reduce(inside, axis=1)
        if not len(self.constraints):
            return valid
        if valid.all():
            return self.constraints.holds(canonical)
        rows = np.flatnonzero(valid)
        valid[rows] = self.constraints.holds(canonical[rows])
        return valid

    @cached_property
    def cardinality(self) -> int | None:
        """Number of dense points; None when infinite."""
        sizes = [p.size for p in self.parameters.values()]
        return None if None in sizes else math.prod(size for size in sizes if size is not None)

    @cached_property
    def all_feasible(self) -> FloatArray:
        """`every_feasible`, kept for the next call; for spaces of at most ENUMERATED_AT_MOST points."""
        return self.every_feasible()

    def every_feasible(self) -> FloatArray:
        """Return every feasible point of a finite space once, the last parameter varying fastest."""
        total = self.cardinality
        if total is None or not self.n_dims:
            raise SpaceError("only a space with finitely many points can be enumerated")
        chunks = [
            self._feasible_chunk(start, min(start + _CHUNK, total)) for start in range(0, total, _CHUNK)
        ]
        return np.concatenate(chunks)

    def _feasible_chunk(self, start: int, stop: int) -> FloatArray:
        """Return the feasible points among the dense points number start .. stop - 1."""
        sizes = [int(size) for size in self.columns.sizes]
        steps = np.stack(np.unravel_index(np.arange(start, stop), sizes), axis=1)
        points = self.activation.deactivate(self.columns.from_steps(steps))
        # Of the dense points that differ only in inactive genes, keep the one where these are all first.
        first = ~(np.isnan(points) & (steps > 0)).any(axis=1)
        return self.satisfying(points[first])
