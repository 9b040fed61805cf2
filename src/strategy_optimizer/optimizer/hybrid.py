"""A genetic algorithm explores and Bayesian optimisation exploits, on one shared history."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from strategy_optimizer.optimizer.bo import BOOptimizer
from strategy_optimizer.optimizer.ensemble import EnsembleOptimizer
from strategy_optimizer.optimizer.history import FloatArray, IntArray, Told
from strategy_optimizer.optimizer.portfolio import MEMBER_NOTES
from strategy_optimizer.optimizer.screening import Calibration
from strategy_optimizer.space import ParameterSpace

GA, BO = 0, 1
OFFSPRING = 8  # bred for each trial of the genetic algorithm
HOPELESS = 0.05  # predicted chance to be among the better trials below which offspring are not run
BETTER_SHARE = 0.25  # "the better trials": this share of those told
CONTROLS = (
    0.05  # of the genetic algorithm's trials run one that was predicted hopeless, to see whether it was
)


class HybridOptimizer(EnsembleOptimizer):
    """Search with a genetic algorithm whose offspring a model screens, and with that model itself.

    Parameters
    ----------
    param_space : ParameterSpace
        Where to search.
    floor : float
        Neither algorithm gets less than this share of the trials.
    budget, seed, directions, repeats
        See :class:`Optimizer`.

    Notes
    -----
    There is no fixed split: each algorithm's share follows what its trials improved lately, as in
    :class:`EnsembleOptimizer`; both think with the same model, so a trial of either takes as long. For each trial of
    its own the genetic algorithm breeds eight children. Those that the Gaussian process gives less than a chance of
    5 % to be among the better quarter are not run; of the others the one with the largest expected improvement is. How
    many were saved, and whether the predictions came true, is in :attr:`calibration`: to see that of the dropped ones
    too, one in twenty is run all the same.

    Examples
    --------
    >>> space = ParameterSpace("parabola").add_parameter("x", "continuous", (-5.0, 5.0))
    >>> optimizer = HybridOptimizer(space, budget=60)
    >>> params, score = optimizer.optimize(lambda params: -((params["x"] - 1.0) ** 2))
    >>> round(params["x"], 1), optimizer.calibration.dropped > 0
    (1.0, True)
    """

    name: ClassVar[str] = "hybrid"
    n_notes: ClassVar[int] = (
        1 + MEMBER_NOTES + 2
    )  # the chance predicted for a child, the score it was to beat

    def __init__(
        self,
        param_space: ParameterSpace,
        *,
        floor: float = 0.1,
        budget: int = 200,
        seed: int = 0,
        directions: str | Sequence[str] | None = None,
        repeats: int = 1,
    ) -> None:
        super().__init__(
            param_space,
            algorithms=("ga", "bo"),
            floor=floor,
            budget=budget,
            seed=seed,
            directions=directions,
            repeats=repeats,
        )
        del self.settings["algorithms"], self.settings["trial_seconds"]
        self.calibration = Calibration()

    def report(self) -> dict[str, Any]:
        """Return authors, and what the screening of offspring saved and whether its predictions came true."""
        found = self.calibration
        screening = {
            "bred": found.bred,
            "dropped": found.dropped,
            "calibration_error": found.error,
            "calibration": found.table,
        }
        return super().report() | {"screening": screening}

    @property
    def _model(self) -> BOOptimizer:
        member = self.members[BO]
        assert isinstance(member, BOOptimizer)
        return member

    @property
    def converged(self) -> str | None:
        """See :attr:`BOOptimizer.converged`."""
        return self._model.converged

    def _costs(self) -> FloatArray:
        """Return the same for both: no clock decides."""
        return np.ones(2)

    # -- screening

    def _proposals(self, k: int, n: int, attempt: int) -> FloatArray:
        if k != GA or attempt > 0:
            return super()._proposals(k, n, attempt)
        rows = self.members[GA]._propose(OFFSPRING * n, 0)
        to_beat = self._score_to_beat()
        rows = rows[self._new(rows)]
        dense = rows[:, : self.space.n_dims]
        if to_beat is None or len(rows) == 0:
            return rows
        self._model.refresh()
        chances = self._model.chance_to_beat(dense, to_beat)
        if chances is None:
            return rows
        worth = self._model.worth(dense)
        chosen = self._screen(chances, np.zeros(len(rows)) if worth is None else worth, n)
        notes = np.full((len(chosen), MEMBER_NOTES + 2), np.nan)
        notes[:, : self.members[GA].n_notes] = rows[chosen, self.space.n_dims :]
        notes[:, MEMBER_NOTES] = chances[chosen]
        notes[:, MEMBER_NOTES + 1] = to_beat
        return np.concatenate([dense[chosen], notes], axis=1)

    def _screen(self, chances: FloatArray, worth: FloatArray, n: int) -> IntArray:
        """Return which n candidates to run, best first; now and then one that is predicted hopeless."""
        hopeless = chances < HOPELESS
        self.calibration.bred += len(chances)
        order = np.lexsort((-worth, hopeless))
        chosen = order[:n]
        dropped = np.flatnonzero(hopeless)
        controlled = np.flatnonzero(self._rng.random(len(chosen)) < CONTROLS)[: len(dropped)]
        chosen[controlled] = self._rng.choice(dropped, len(controlled), replace=False)
        chosen = np.unique(chosen)
        self.calibration.dropped += int(hopeless.sum() - hopeless[chosen].sum())
        return chosen[np.argsort(-worth[chosen], kind="stable")]

    def _score_to_beat(self) -> float | None:
        """Return the score of the worst of the better trials; None before there are some."""
        scores = self.log.winning_scores
        scores = scores[np.isfinite(scores)]
        return float(np.quantile(scores, 1.0 - BETTER_SHARE)) if len(scores) >= 4 else None

    def _reflect(self, told: Told, authors: IntArray) -> None:
        super()._reflect(told, authors)
        d = self.space.n_dims
        chances, to_beat = told.rows[:, d + 1 + MEMBER_NOTES], told.rows[:, d + 2 + MEMBER_NOTES]
        known = ~np.isnan(chances)
        won = np.where(told.violations <= 0.0, told.scores, -np.inf) > to_beat
        self.calibration.note(chances[known], won[known])

    # -- state

    def _save(self) -> dict[str, Any]:
        return super()._save() | {"calibration": self.calibration.save()}

    def _load(self, data: dict[str, Any]) -> None:
        super()._load(data)
        self.calibration.load(data["calibration"])
