"""Random search: independent points, or the points of one long Sobol sequence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from strategy_optimizer.optimizer import checks
from strategy_optimizer.optimizer.base import Optimizer
from strategy_optimizer.optimizer.history import FloatArray, Told
from strategy_optimizer.space import ParameterSpace


class RandomOptimizer(Optimizer):
    """Propose points that do not depend on any score.

    Parameters
    ----------
    method : str
        ``"uniform"``: independent draws. ``"sobol"``: a scrambled Sobol sequence, drawn in blocks of the
        budget's size, so that any number of its first points covers the space evenly.

    Examples
    --------
    >>> space = ParameterSpace("two").add_parameter("n", "discrete", (1, 9))
    >>> optimizer = RandomOptimizer(space, seed=1)
    >>> candidates = optimizer.ask(9)
    >>> sorted(candidate["n"] for candidate in candidates), optimizer.ask(1), optimizer.finished
    ([1, 2, 3, 4, 5, 6, 7, 8, 9], [], 'exhausted')
    """

    name: ClassVar[str] = "random"
    several: ClassVar[bool] = True

    def __init__(
        self,
        space: ParameterSpace,
        *,
        budget: int = 200,
        seed: int = 0,
        directions: str | Sequence[str] | None = None,
        repeats: int = 1,
        method: str = "uniform",
    ) -> None:
        self._method = checks.as_choice(method, "method", ("uniform", "sobol"))
        super().__init__(
            space,
            budget=budget,
            seed=seed,
            directions=directions,
            repeats=repeats,
            settings={"method": method},
        )
        self._sequence = SobolStream(space, self.seed, self.budget)

    def _propose(self, n: int, attempt: int) -> FloatArray:
        if self._method == "uniform":
            return self._densify(self.space.sample(n, self._rng, "uniform"))
        return self._densify(self._sequence.take(n))

    def _learn(self, told: Told) -> None:
        """Nothing to learn."""

    def _save(self) -> dict[str, Any]:
        return {"position": self._sequence.position}

    def _load(self, data: dict[str, Any]) -> None:
        self._sequence.position = int(data["position"])


class SobolStream:
    """A Sobol sequence of feasible points, drawn block by block; its state is one number.

    Each block is a new scrambling made from the seed and the block's number, so a block can be drawn again.
    """

    def __init__(self, space: ParameterSpace, seed: int, block: int) -> None:
        self._space = space
        self._seed = seed
        self._block = min(max(block, 64), 65_536)
        self._drawn: tuple[int, FloatArray] = (-1, np.empty((0, space.n_dims)))
        self.position = 0

    def take(self, n: int) -> FloatArray:
        """Return up to `n` further points (fewer at the end of a block)."""
        number, offset = divmod(self.position, self._block)
        if self._drawn[0] != number:
            rng = np.random.Generator(np.random.PCG64([self._seed, number]))
            self._drawn = (number, self._space.sample(self._block, rng, "sobol"))
        points = self._drawn[1][offset : offset + n]
        self.position += len(points)
        return points
