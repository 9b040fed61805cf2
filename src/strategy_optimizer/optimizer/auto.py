"""Chooses the algorithm by what a trial costs, and chooses anew when that changes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from strategy_optimizer.optimizer import checks
from strategy_optimizer.optimizer.ensemble import usual_seconds
from strategy_optimizer.optimizer.ga import GAOptimizer
from strategy_optimizer.optimizer.history import FloatArray, IntArray, Told
from strategy_optimizer.optimizer.hybrid import GA, HybridOptimizer
from strategy_optimizer.optimizer.portfolio import Portfolio
from strategy_optimizer.space import ParameterSpace

THINKING_SECONDS = 5e-3  # of a trial that a model chooses
# Trials quicker than so many seconds: how many of them a model chooses, however quick they are.
THOUGHTS = ((1e-3, 200), (1e-2, 1000))


class AutoOptimizer(HybridOptimizer):
    """Search with the algorithm that suits the cost of a trial.

    Parameters
    ----------
    param_space : ParameterSpace
        Where to search.
    trial_seconds : float, optional
        What a trial takes. None: the median of the told seconds, which makes the choice depend on the machine.
    budget, seed, directions, repeats
        See :class:`Optimizer`.

    Notes
    -----
    After the first design, and each time the trials have doubled, it compares the time that trials take with the
    time a model takes to choose them. Where thinking is affordable, the model and a genetic algorithm whose offspring
    it screens share the trials (`hybrid`, which on real strategies did as well as the model alone). Where trials are
    quicker than thoughts, they choose the first 200 (1,000 from a millisecond on), and the genetic algorithm alone
    breeds the others by the hundred (`ga`). :attr:`reason` says what was chosen and why.

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
        self._trial_seconds = trial_seconds
        self.policy: str | None = None  # "hybrid" or "ga"; None during the first design
        self._decide_at = self._n_first  # trials told at which the choice is looked at again
        self.reason = f"auto tries {self._n_first} points first, to see what a trial costs"

    @property
    def batch_size(self) -> int:
        """The first design at once, one trial at a time where a model chooses it, else a population."""
        if self.policy is None:
            return min(self._n_first, self.budget)
        return self.members[GA].batch_size if self.policy == "ga" else 1

    # -- choosing

    def _reflect(self, told: Told, authors: IntArray) -> None:
        if self.policy != "ga":  # which of them gains most per second then makes no difference
            super()._reflect(told, authors)
        if self.n_told >= self._decide_at:
            self._decide()

    def _decide(self) -> None:
        seconds = usual_seconds(self.log.seconds, self._trial_seconds)
        before = self.policy
        self.policy, cause = choose_policy(seconds, self.n_told, self.budget)
        genetic = self.members[GA]
        if self.policy == "ga" != before and isinstance(genetic, GAOptimizer):
            genetic.restart()  # or it would go on around the peak that the model has found
        self.reason = f"auto chose {self.policy}: {cause}"
        most = thoughts(seconds, self.budget)
        ahead = [most] if most is not None and most > self.n_told else []
        self._decide_at = min([2 * self.n_told, *ahead])

    def _counts(self, n: int) -> IntArray:
        if self.policy != "ga":
            return super()._counts(n)
        counts = np.zeros(len(self.members), np.int64)
        counts[GA] = n
        return counts

    def _proposals(self, k: int, n: int, attempt: int) -> FloatArray:
        if self.policy == "ga":
            return Portfolio._proposals(self, k, n, attempt)
        return super()._proposals(k, n, attempt)

    # -- state

    def _save(self) -> dict[str, Any]:
        return super()._save() | {"policy": self.policy, "decide_at": self._decide_at}

    def _load(self, data: dict[str, Any]) -> None:
        super()._load(data)
        self.policy = data["policy"]
        self._decide_at = int(data["decide_at"])


def thoughts(seconds: float, budget: int) -> int | None:
    """Return how many trials of so many seconds a model is to choose; None: all of them.

    A step function, so that the same search on another machine most often makes the same choices. Where less than as
    many again would be left, a population would get nowhere with them: the model chooses them too.
    """
    most = next((n for below, n in THOUGHTS if seconds < below), None)
    return None if most is None or budget <= 2 * most else most


def choose_policy(seconds: float, n_told: int, budget: int) -> tuple[str, str]:
    """Return the policy for the next trials and why.

    >>> choose_policy(1e-5, 200, 2000)
    ('ga', 'a trial takes 10 us and choosing one 5 ms, so trials are bred by the hundred instead')
    """
    costs = f"a trial takes {as_time(seconds)} and choosing one {as_time(THINKING_SECONDS)}"
    most = thoughts(seconds, budget)
    if most is None:
        return "hybrid", f"{costs}, so each is worth a thought"
    if n_told < most:
        return "hybrid", f"{costs}, so only the first {most:,} are worth a thought"
    return "ga", f"{costs}, so trials are bred by the hundred instead"


def as_time(seconds: float) -> str:
    """Return seconds with two digits and a unit that suits them.

    >>> as_time(0.000012), as_time(0.25), as_time(90.0)
    ('12 us', '250 ms', '90 s')
    """
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= size:
            return f"{float(f'{seconds / size:.2g}'):,g} {unit}"
    return f"{float(f'{seconds / 1e-6:.2g}'):g} us"
