"""Regions of one parameter: above or below a value, or one choice; and the one in which trials of a kind lie."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from strategy_optimizer.analysis.target import BoolArray, FloatArray
from strategy_optimizer.space import Categorical, Parameter, ParameterSpace

CUTS = 10  # a range is cut at these many even places
LEAST_CAUGHT, MOST_FALSE = 0.75, 0.25  # of what a region is to hold, and of what it is not to hold


@dataclass(frozen=True)
class Region:
    """Where a parameter lies above a value, below one, or is one choice.

    Attributes
    ----------
    name : str
        Of the parameter.
    column : int
    side : str
        ``above``, ``below``, or ``is`` for a choice.
    bound : float
        In natural units, or the index of the choice; itself outside the region, but for a choice.
    shown : object
        The bound as people write it.
    """

    name: str
    column: int
    side: str
    bound: float
    shown: Any

    def holds(self, values: FloatArray) -> BoolArray:
        """Return which values (n,) of the parameter lie in the region; inactive ones do not."""
        if self.side == "above":
            return np.asarray(values > self.bound)
        return np.asarray(values < self.bound if self.side == "below" else values == self.bound)

    @property
    def text(self) -> str:
        """The region in words."""
        return (
            f"{self.name} {self.side} {_text(self.shown)}" if self.is_range else f"{self.name} = {self.shown}"
        )

    @property
    def elsewhere(self) -> str:
        """The rest in words."""
        return {"above": "at or below", "below": "at or above", "is": "without it"}[self.side]

    @property
    def is_range(self) -> bool:
        """Whether it is a range of numbers."""
        return self.side != "is"

    @property
    def numbers(self) -> Mapping[str, Any]:
        """Side and bound as plain values."""
        return {"side": self.side, "bound": self.shown} if self.is_range else {"choice": self.shown}

    def sample(self, space: ParameterSpace, n: int, rng: np.random.Generator) -> FloatArray:
        """Return feasible points (m, d) in the region, about n; fewer, also none, where it is hard to reach."""
        dense = space.unconditional().from_unit(rng.random((2 * n, space.n_dims)))
        dense[:, self.column] = self._draw(space, len(dense), rng)
        points = space.deactivate(dense)
        return points[space.is_feasible(points) & self.holds(points[:, self.column])][:n]

    def _draw(self, space: ParameterSpace, n: int, rng: np.random.Generator) -> FloatArray:
        """Return values (n,) of the parameter in the region."""
        if not self.is_range:
            return np.full(n, self.bound)
        at = space.default_values.copy()
        at[self.column] = self.bound
        edge = float(space.to_unit(at[None])[0, self.column])
        low, high = (edge, 1.0) if self.side == "above" else (0.0, edge)
        unit = np.full((n, space.n_dims), 0.5)
        unit[:, self.column] = rng.uniform(low, high, n)
        return space.unconditional().from_unit(unit)[:, self.column]


def _text(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def regions_of(space: ParameterSpace, column: int) -> list[Region]:
    """Return the regions of a parameter, the widest first: each side of every cut, or each of its choices."""
    name = space.names[column]
    parameter = space.parameters[name]
    if isinstance(parameter, Categorical):
        if len(parameter.choices) < 2:
            return []
        return [Region(name, column, "is", float(i), choice) for i, choice in enumerate(parameter.choices)]
    rows = np.tile(space.to_unit(space.default_values[None]), (CUTS - 1, 1))
    rows[:, column] = np.arange(1, CUTS) / CUTS
    cuts = np.unique(_rounded(parameter, space.unconditional().from_unit(rows)[:, column]))
    cuts = cuts[(cuts > parameter.low) & (cuts < parameter.high)]
    found = [Region(name, column, "above", float(cut), _shown(parameter, cut)) for cut in cuts]
    found += [Region(name, column, "below", float(cut), _shown(parameter, cut)) for cut in cuts[::-1]]
    return found


def _rounded(parameter: Parameter, cuts: FloatArray) -> FloatArray:
    """Return cuts of a real parameter with three digits, so that the bound that is shown is the one that was tested."""
    if parameter.kind == "discrete":
        return cuts
    return np.array([float(f"{cut:.3g}") for cut in cuts])


def _shown(parameter: Parameter, cut: float) -> int | float:
    return int(cut) if parameter.kind == "discrete" else float(cut)


def separating_region(
    space: ParameterSpace, points: FloatArray, marked: BoolArray
) -> tuple[Region | None, float]:
    """Return the region that holds most of the marked trials and few others, and its share of the marked.

    It is chosen on every other trial, and must hold at least three quarters of the marked ones and at most a quarter of
    the others among those that it was not chosen on.

    Parameters
    ----------
    space : ParameterSpace
    points : array (n, d)
    marked : array of bool (n,)
    """
    first = np.arange(len(points)) % 2 == 0
    most, found = 0.0, None
    for column in range(space.n_dims):
        for region in regions_of(space, column):
            inside = region.holds(points[:, column])
            worth = _share(inside, marked & first) - _share(inside, ~marked & first)
            if worth > most:
                most, found = worth, region
    if found is None:
        return None, 0.0
    inside = found.holds(points[:, found.column])
    caught, false = _share(inside, marked & ~first), _share(inside, ~marked & ~first)
    if caught < LEAST_CAUGHT or false > MOST_FALSE:
        return None, 0.0
    return found, _share(inside, marked)


def _share(inside: BoolArray, of: BoolArray) -> float:
    return float(inside[of].mean()) if of.any() else 0.0
