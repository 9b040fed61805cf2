"""Several algorithms share one history, and the trials go to whoever improves the best score most per second."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

import numpy as np

from strategy_optimizer.errors import OptimizerSettingError, nearest_name
from strategy_optimizer.optimizer import checks
from strategy_optimizer.optimizer.base import Optimizer
from strategy_optimizer.optimizer.bo import BOOptimizer, first_trials
from strategy_optimizer.optimizer.cost_policy import THINKING_SECONDS, usual_seconds
from strategy_optimizer.optimizer.credit import Credit, improvements
from strategy_optimizer.optimizer.ga import GAOptimizer
from strategy_optimizer.optimizer.history import FloatArray, IntArray, Told
from strategy_optimizer.optimizer.portfolio import Portfolio, divided
from strategy_optimizer.optimizer.random import RandomOptimizer
from strategy_optimizer.space import ParameterSpace

MEMBERS: dict[str, type[Optimizer]] = {
    each.name: each for each in (BOOptimizer, GAOptimizer, RandomOptimizer)
}
# Members choose by the budget what their constructors otherwise fix, and begin no second search: they are several.
MEMBER_SETTINGS: dict[str, dict[str, Any]] = {
    "ga": {"population_size": None, "generations": None, "mutation_rate": None},
    "bo": {"second_search": False},
}
QUICK_SECONDS = 1e-3  # quicker trials count as this
ENOUGH_WINNERS = 4  # trials that may win from which their median says how good scores usually are
# Seconds to think of one trial, as measured on one core; a formula, so that the same log gives the same candidates.
THINKING = {"bo": THINKING_SECONDS[0], "ga": 1e-5, "random": 5e-6}


class EnsembleOptimizer(Portfolio):
    """Search with several algorithms at once.

    Parameters
    ----------
    param_space : ParameterSpace
        Where to search.
    algorithms : sequence of str
        Two or more of ``"bo"``, ``"ga"``, ``"random"``.
    floor : float
        No algorithm gets less than this share of the trials.
    trial_seconds : float, optional
        What a trial takes. None: the median of the told seconds, rounded down to a power of ten and a millisecond at
        least; until some are told a hundredth of a second.
    budget, seed, directions, repeats
        See :class:`Optimizer`.

    Notes
    -----
    A trial's gain is by how much it exceeds the best score before it, in units of the best score's distance from the
    median of the trials that may win; of noisy trials what a model believes of their scores. An algorithm's share of
    the next trials is in proportion to its gains per second, its own thinking included, recent trials counting more.
    Which one proposed a trial is in :attr:`authors`.

    Examples
    --------
    >>> space = ParameterSpace("parabola").add_parameter("x", "continuous", (-5.0, 5.0))
    >>> optimizer = EnsembleOptimizer(space, budget=60)
    >>> params, score = optimizer.optimize(lambda params: -((params["x"] - 1.0) ** 2))
    >>> round(params["x"], 1), sorted(optimizer.trials_by_author)
    (1.0, ['bo', 'ga'])
    """

    name: ClassVar[str] = "ensemble"

    def __init__(
        self,
        param_space: ParameterSpace,
        *,
        algorithms: Sequence[str] = ("bo", "ga"),
        floor: float = 0.1,
        trial_seconds: float | None = None,
        budget: int = 200,
        seed: int = 0,
        directions: str | Sequence[str] | None = None,
        repeats: int = 1,
    ) -> None:
        names = _as_algorithms(algorithms)
        settings = {
            "algorithms": names,
            "floor": checks.as_share(floor, "floor"),
            "trial_seconds": checks.as_seconds(trial_seconds, "trial_seconds"),
        }
        super().__init__(
            param_space, budget=budget, seed=seed, directions=directions, repeats=repeats, settings=settings
        )
        members = [
            MEMBERS[name](
                param_space,
                budget=self.budget,
                seed=self._member_seed(k),
                directions=self.directions,
                repeats=repeats,
                **MEMBER_SETTINGS.get(name, {}),
            )
            for k, name in enumerate(names)
        ]
        self._enrol(members, first_trials(self.budget, param_space.n_dims))
        self._thinking = np.array([THINKING[name] for name in names])
        self._trial_seconds = trial_seconds
        self._credit = Credit(len(names), floor=floor)

    def _counts(self, n: int) -> IntArray:
        return divided(n, self._credit.shares, self._rng)

    def _reflect(self, told: Told, authors: IntArray) -> None:
        costs = self._costs()
        self._credit.expect(costs)
        self._credit.note(authors, self._gains(told), costs[authors])

    def _costs(self) -> FloatArray:
        """Return what a trial of each member takes, thinking included, in seconds, (members,)."""
        seconds = usual_seconds(self.log.seconds, self._trial_seconds)
        # Rounded, so that the same search on another machine most often shares out alike.
        return self._thinking + 10.0 ** math.floor(math.log10(max(seconds, QUICK_SECONDS)))

    def _gains(self, told: Told) -> FloatArray:
        """Return by how much each trial improved, (n,), in units of the best score's distance from the usual one.

        `told` are the last trials of the log, in any order.
        """
        known = self._worths()
        winning = known[np.isfinite(known)]
        if len(winning) < 2:
            return np.zeros(len(told.scores))
        order = np.argsort(self.log.keys, kind="stable")
        keys = self.space.keys(self.space.deactivate(told.rows[:, : self.space.n_dims]))
        places = order[np.searchsorted(self.log.keys, keys, sorter=order)]
        worths = np.where((told.violations <= 0.0) & ~told.failed, known[places], -np.inf)
        before = float(np.max(known[: len(known) - len(worths)], initial=-np.inf))
        whole = float(winning.max()) - self._usual_worth(winning)
        return np.minimum(improvements(worths, before) / whole, 1.0) if whole > 0.0 else np.zeros(len(worths))

    def _worths(self) -> FloatArray:
        """Return what competes, (n,): scores, or what a model believes of noisy ones; -inf where it may not win."""
        competing = self._ledger.competing_scores()
        if not self._asks_a_model:
            return competing
        return np.where(np.isfinite(competing), np.nan_to_num(self._believed_scores(), nan=-np.inf), -np.inf)

    def _usual_worth(self, winning: FloatArray) -> float:
        """Return the median of the trials that may win; while they are few, of all that completed."""
        if len(winning) >= ENOUGH_WINNERS:
            return float(np.median(winning))
        return float(np.nanmedian(self._believed_scores() if self._asks_a_model else self.log.scores))

    def _save(self) -> dict[str, Any]:
        return super()._save() | {"credit": self._credit.save()}

    def _load(self, data: dict[str, Any]) -> None:
        super()._load(data)
        self._credit.load(data["credit"])


def _as_algorithms(names: Any) -> list[str]:
    """Return the names of two or more different algorithms."""
    if isinstance(names, str) or not isinstance(names, Iterable):
        raise OptimizerSettingError(
            f"algorithms is {names!r}; expected a list of two or more different ones of {', '.join(MEMBERS)}, "
            'such as ["ga", "bo"]'
        )
    chosen = list(names)
    for name in chosen:
        if name not in list(MEMBERS):  # what cannot be hashed is none either
            raise OptimizerSettingError(
                f"unknown algorithm {name!r}; expected some of {', '.join(MEMBERS)}{nearest_name(str(name), MEMBERS)}"
            )
    if len(set(chosen)) < 2 or len(set(chosen)) < len(chosen):
        raise OptimizerSettingError(
            f"algorithms is {chosen}; expected two or more different ones of {', '.join(MEMBERS)}"
        )
    return chosen
