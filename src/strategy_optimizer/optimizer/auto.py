"""Chooses the algorithm by what a trial costs, and chooses anew when that changes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from strategy_optimizer.optimizer import checks
from strategy_optimizer.optimizer.bo import BOOptimizer, first_trials
from strategy_optimizer.optimizer.cost_policy import CostPolicy
from strategy_optimizer.optimizer.ga import GAOptimizer
from strategy_optimizer.optimizer.history import IntArray, Told
from strategy_optimizer.optimizer.nsga2 import NSGA2Optimizer
from strategy_optimizer.optimizer.portfolio import Portfolio
from strategy_optimizer.space import ParameterSpace

BREEDER, THINKER = 0, 1  # members


class AutoOptimizer(Portfolio):
    """Search with the algorithm that suits the cost of a trial.

    Parameters
    ----------
    param_space : ParameterSpace
        Where to search.
    trial_seconds : float, optional
        What a trial takes. None: the median of the told seconds, which makes the choice depend on the machine.
    parallel : int
        Trials that run at once.
    budget, seed, directions, repeats
        See :class:`Optimizer`.

    Notes
    -----
    After the first design, and each time the trials have doubled, it compares the time that trials take with the
    time a model takes to choose them, 5 ms with one objective and 150 ms with four. Where thinking is affordable, a
    model chooses each trial (`bo`). Where trials are quicker than thoughts, it chooses the first 200 (400 of those that
    take no less than 0.6 of a thought; none where 1,000 trials or more are planned), and a population breeds the others
    by the hundred: `ga`, with several objectives
    `nsga2`. :attr:`reason` says what was chosen and why. Of noisy trials the winner is by the model's mean, whatever
    chose them. The number and kinds of parameters do not enter the choice: on the landscapes of `benchmarks/search` no
    algorithm was better for some of them only.

    Examples
    --------
    >>> space = ParameterSpace("parabola").add_parameter("x", "continuous", (-5.0, 5.0))
    >>> optimizer = AutoOptimizer(space, budget=40, trial_seconds=60.0)
    >>> params, score = optimizer.optimize(lambda params: -((params["x"] - 1.0) ** 2))
    >>> optimizer.reason
    'auto chose bo: a trial takes 60 s and choosing one 5 ms, so each is worth a thought'
    """

    name: ClassVar[str] = "auto"
    several: ClassVar[bool] = True

    def __init__(
        self,
        param_space: ParameterSpace,
        *,
        trial_seconds: float | None = None,
        parallel: int = 1,
        budget: int = 200,
        seed: int = 0,
        directions: str | Sequence[str] | None = None,
        repeats: int = 1,
    ) -> None:
        settings = {
            "trial_seconds": checks.as_seconds(trial_seconds, "trial_seconds"),
            "parallel": checks.as_count(parallel, "parallel"),
        }
        super().__init__(
            param_space, budget=budget, seed=seed, directions=directions, repeats=repeats, settings=settings
        )
        common: dict[str, Any] = {"budget": self.budget, "directions": self.directions, "repeats": repeats}
        seed_of_breeder = self._member_seed(BREEDER)
        breeder: GAOptimizer | NSGA2Optimizer
        if self.n_objectives == 1:
            breeder = GAOptimizer(param_space, None, None, None, seed=seed_of_breeder, **common)
        else:
            breeder = NSGA2Optimizer(param_space, None, None, seed=seed_of_breeder, **common)
        self._thinker = BOOptimizer(param_space, seed=self._member_seed(THINKER), **common)
        self._breeder = breeder
        self._enrol([breeder, self._thinker], first_trials(self.budget, param_space.n_dims))
        self.policy = CostPolicy(
            BOOptimizer.name,
            breeder.name,
            budget=self.budget,
            first_review=self._n_first,
            trial_seconds=trial_seconds,
            parallel=parallel,
            n_objectives=self.n_objectives,
        )
        self.reason = self.policy.reason

    @property
    def batch_size(self) -> int:
        """The first design at once, as many as run at once where a model chooses them, else a population."""
        if self.policy.chosen is None:
            return min(self._n_first, self.budget)
        return self._breeder.batch_size if self.policy.breeds else int(self.settings["parallel"])

    @property
    def converged(self) -> str | None:
        """See :attr:`BOOptimizer.converged`."""
        return self._thinker.converged

    def _reflect(self, told: Told, authors: IntArray) -> None:
        if self.policy.is_due(self.n_told):
            bred = self.policy.breeds
            self.policy.review(self.n_told, self.log.seconds)
            self.reason = self.policy.reason
            if self.policy.breeds and not bred:
                self._breeder.restart()  # or it would go on around what the model has found

    def _counts(self, n: int) -> IntArray:
        counts = np.zeros(2, np.int64)
        counts[BREEDER if self.policy.breeds else THINKER] = n
        return counts

    def _save(self) -> dict[str, Any]:
        return super()._save() | {"policy": self.policy.save()}

    def _load(self, data: dict[str, Any]) -> None:
        super()._load(data)
        self.policy.load(data["policy"])
