"""Grid search whose first points already cover the whole space."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from strategy_optimizer.optimizer import checks
from strategy_optimizer.optimizer.base import Optimizer
from strategy_optimizer.optimizer.history import FloatArray, Told
from strategy_optimizer.optimizer.lattice import Lattice, Sweep
from strategy_optimizer.optimizer.random import SobolStream
from strategy_optimizer.space import ParameterSpace


class GridOptimizer(Optimizer):
    """Try every combination of levels once, in an order whose every prefix is spread evenly.

    Discrete, stepped and categorical parameters have their own levels; a continuous parameter is cut into
    `resolution` levels, evenly on its scale (geometrically when it is logarithmic), both bounds included.
    Cells are visited along a scrambled Sobol sequence, those it passes over come last; so a budget smaller
    than the grid gives an even subset, not one corner of it. Points that violate a constraint are left out.

    Parameters
    ----------
    resolution : int, optional
        Levels of each continuous parameter. Default: as many as the budget allows for the whole grid, 2 to
        64.

    Examples
    --------
    >>> space = ParameterSpace("one").add_parameter("x", "continuous", (0.0, 1.0))
    >>> optimizer = GridOptimizer(space, resolution=5)
    >>> sorted(candidate["x"] for candidate in optimizer.ask(10))
    [0.0, 0.25, 0.5, 0.75, 1.0]
    """

    name: ClassVar[str] = "grid"
    several: ClassVar[bool] = True

    def __init__(
        self,
        space: ParameterSpace,
        *,
        budget: int = 200,
        seed: int = 0,
        directions: str | Sequence[str] | None = None,
        repeats: int = 1,
        resolution: int | None = None,
    ) -> None:
        if resolution is not None:
            checks.as_count(resolution, "resolution", least=2)
        super().__init__(
            space,
            budget=budget,
            seed=seed,
            directions=directions,
            repeats=repeats,
            settings={"resolution": resolution},
        )
        self.resolution = resolution or _affordable_resolution(space, self.budget)
        self._lattice = Lattice(self._free, self.resolution)
        self._sweep = Sweep(self._free, self.repeats, self.resolution)
        self._walk = SobolStream(space, self.seed, self.budget)

    @property
    def size(self) -> int:
        """Cells of the grid, those that constraints and conditions rule out included."""
        return self._lattice.size

    def _propose(self, n: int, attempt: int) -> FloatArray:
        # Once three of four steps of the walk meet known cells, sweeping up the rest is quicker.
        if self._walk.position > 4 * max(self.n_asked, 256):
            return np.empty((0, self.space.n_dims))
        return self._lattice.onto_levels(self._densify(self._walk.take(n)))

    def _sample(self, n: int, method: str = "uniform") -> FloatArray:
        """Off-grid samples are not wanted: the sweep finds what is left."""
        return np.empty((0, self.space.n_dims))

    def _learn(self, told: Told) -> None:
        """Nothing to learn."""

    def _save(self) -> dict[str, Any]:
        return {"position": self._walk.position}

    def _load(self, data: dict[str, Any]) -> None:
        self._walk.position = int(data["position"])


def _affordable_resolution(space: ParameterSpace, budget: int) -> int | None:
    """Return the finest resolution whose whole grid fits the budget; None when nothing is continuous."""
    endless = np.isinf(space.sizes)
    if not endless.any():
        return None
    levels = (budget / space.sizes[~endless].prod()) ** (1.0 / endless.sum())
    return int(np.clip(np.floor(levels + 1e-9), 2, 64))
