"""Chooses the algorithm by what a trial costs, and chooses anew when that changes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from strategy_optimizer.optimizer import checks
from strategy_optimizer.optimizer.bo import BOOptimizer, first_trials
from strategy_optimizer.optimizer.cost_policy import CostPolicy
from strategy_optimizer.optimizer.ga import GAOptimizer
from strategy_optimizer.optimizer.history import FloatArray, IntArray, Told
from strategy_optimizer.optimizer.hybrid import BO, GA, HybridOptimizer
from strategy_optimizer.optimizer.nsga2 import NSGA2Optimizer
from strategy_optimizer.optimizer.portfolio import Portfolio
from strategy_optimizer.space import ParameterSpace


class AutoOptimizer(HybridOptimizer):
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
    time a model takes to choose them. Where thinking is affordable, the model and a genetic algorithm whose offspring
    it screens share the trials (`hybrid`, which on real strategies did as well as the model alone). Where trials are
    quicker than thoughts, they choose the first 200 (1,000 from a millisecond on), and the genetic algorithm alone
    breeds the others by the hundred (`ga`). :attr:`reason` says what was chosen and why. Of noisy trials the winner is
    by the model's mean, whatever chose them. The number and kinds of parameters do not enter the choice: on the
    landscapes of `benchmarks/search` no algorithm was better for some of them only.

    Examples
    --------
    >>> space = ParameterSpace("parabola").add_parameter("x", "continuous", (-5.0, 5.0))
    >>> optimizer = AutoOptimizer(space, budget=40, trial_seconds=60.0)
    >>> params, score = optimizer.optimize(lambda params: -((params["x"] - 1.0) ** 2))
    >>> optimizer.reason
    'auto chose hybrid: a trial takes 60 s and choosing one 5 ms, so each is worth a thought'
    """

    name: ClassVar[str] = "auto"

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
        super().__init__(
            param_space,
            budget=budget,
            seed=seed,
            directions=directions,
            repeats=repeats,
        )
        del self.settings["floor"]
        self.settings["trial_seconds"] = checks.as_seconds(trial_seconds, "trial_seconds")
        self.settings["parallel"] = checks.as_count(parallel, "parallel")
        self.policy = CostPolicy(
            HybridOptimizer.name,
            GAOptimizer.name,
            budget=self.budget,
            first_review=self._n_first,
            trial_seconds=trial_seconds,
            parallel=parallel,
        )
        self.reason = self.policy.reason

    @property
    def batch_size(self) -> int:
        """The first design at once, as many as run at once where a model chooses them, else a population."""
        return _batch_size(self)

    # -- choosing

    def _reflect(self, told: Told, authors: IntArray) -> None:
        if not self.policy.breeds:  # which of them gains most per second then makes no difference
            super()._reflect(told, authors)
        if self.policy.is_due(self.n_told):
            bred = self.policy.breeds
            self.policy.review(self.n_told, self.log.seconds)
            self.reason = self.policy.reason
            genetic = self.members[GA]
            if self.policy.breeds and not bred and isinstance(genetic, GAOptimizer):
                genetic.restart()  # or it would go on around the peak that the model has found

    def _counts(self, n: int) -> IntArray:
        return _all_of(GA, n) if self.policy.breeds else super()._counts(n)

    def _proposals(self, k: int, n: int, attempt: int) -> FloatArray:
        if self.policy.breeds:
            return Portfolio._proposals(self, k, n, attempt)
        return super()._proposals(k, n, attempt)

    # -- state

    def _save(self) -> dict[str, Any]:
        return super()._save() | {"policy": self.policy.save()}

    def _load(self, data: dict[str, Any]) -> None:
        super()._load(data)
        self.policy.load(data["policy"])


class ParetoAutoOptimizer(Portfolio):
    """Search for trade-offs between several objectives with the algorithm that suits the cost of a trial.

    Parameters
    ----------
    param_space, trial_seconds, parallel
        See :class:`AutoOptimizer`.
    budget, seed, directions, repeats
        See :class:`Optimizer`.

    Notes
    -----
    Where thinking is affordable, and for the first 200 trials where it is not, a model of each objective chooses the
    trials (`bo`); the others are bred (`nsga2`), from all that was tried before.

    Examples
    --------
    >>> space = ParameterSpace("schaffer").add_parameter("x", "continuous", (-10.0, 10.0))
    >>> optimizer = ParetoAutoOptimizer(space, budget=30, trial_seconds=60.0, directions=["minimize", "minimize"])
    >>> params, scores = optimizer.optimize(lambda params: (params["x"] ** 2, (params["x"] - 2.0) ** 2))
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
        members = [
            NSGA2Optimizer(param_space, None, None, seed=self._member_seed(GA), **common),
            BOOptimizer(param_space, seed=self._member_seed(BO), **common),
        ]
        self._enrol(members, first_trials(self.budget, param_space.n_dims))
        self.policy = CostPolicy(
            BOOptimizer.name,
            NSGA2Optimizer.name,
            budget=self.budget,
            first_review=self._n_first,
            trial_seconds=trial_seconds,
            parallel=parallel,
        )
        self.reason = self.policy.reason

    @property
    def batch_size(self) -> int:
        """See :attr:`AutoOptimizer.batch_size`."""
        return _batch_size(self)

    def _reflect(self, told: Told, authors: IntArray) -> None:
        if self.policy.is_due(self.n_told):
            bred = self.policy.breeds
            self.policy.review(self.n_told, self.log.seconds)
            self.reason = self.policy.reason
            genetic = self.members[GA]
            if self.policy.breeds and not bred and isinstance(genetic, NSGA2Optimizer):
                genetic.restart()  # the model's few best would crowd out all variety

    def _counts(self, n: int) -> IntArray:
        return _all_of(GA if self.policy.breeds else BO, n)

    def _save(self) -> dict[str, Any]:
        return super()._save() | {"policy": self.policy.save()}

    def _load(self, data: dict[str, Any]) -> None:
        super()._load(data)
        self.policy.load(data["policy"])


def _batch_size(optimizer: AutoOptimizer | ParetoAutoOptimizer) -> int:
    policy = optimizer.policy
    if policy.chosen is None:
        return min(optimizer._n_first, optimizer.budget)
    return optimizer.members[GA].batch_size if policy.breeds else int(optimizer.settings["parallel"])


def _all_of(member: int, n: int) -> IntArray:
    """Return that one of the two members proposes all of n trials."""
    counts = np.zeros(2, np.int64)
    counts[member] = n
    return counts
