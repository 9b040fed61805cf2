"""NSGA-II of pymoo and Optuna behind one interface: a generation out, its scores in.

A candidate that violates a constraint between parameters is told as one and does not count as a trial, which favours
the peers: ours never proposes any. Failed trials count; pymoo is told a violation, Optuna that the trial failed.
"""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from peer import Axis, axes_of

from peers import _optuna_distribution, _pymoo_variable
from strategy_optimizer import ParameterSpace, create_optimizer

FAR = 1e30  # the loss of a trial without one


class Search(ABC):
    """A search with several objectives, larger is better."""

    @abstractmethod
    def ask(self) -> Any:
        """Return the next candidates as the package has them."""

    @abstractmethod
    def points(self, asked: Any) -> np.ndarray:
        """Return what was asked as canonical points, (n, d); this is not counted as the search's time."""

    @abstractmethod
    def tell(self, scores: np.ndarray, feasible: np.ndarray) -> None:
        """Report scores, (n, m), NaN where failed, and which candidates satisfy the constraints, (n,)."""


class Ours(Search):
    """One of ours with its defaults for the budget."""

    def __init__(
        self,
        space: ParameterSpace,
        n_objectives: int,
        budget: int,
        seed: int,
        name: str = "nsga2",
        **settings: Any,
    ) -> None:
        self.optimizer = create_optimizer(
            name, space, budget=budget, seed=seed, directions=["maximize"] * n_objectives, **settings
        )

    def ask(self) -> np.ndarray:
        self._asked = self.optimizer.ask_array(self.optimizer.batch_size)
        return self._asked

    def points(self, asked: np.ndarray) -> np.ndarray:
        return asked

    def tell(self, scores: np.ndarray, feasible: np.ndarray) -> None:
        self.optimizer.tell_array(self._asked[: len(scores)], scores)


class _PeerSearch(Search):
    def __init__(self, space: ParameterSpace, *, native_log: bool) -> None:
        self.space = space
        self.axes = axes_of(space, native_log=native_log)

    def _points(self, rows: list[list[Any]]) -> np.ndarray:
        dense = [[axis.decode(value) for axis, value in zip(self.axes, row, strict=True)] for row in rows]
        return self.space.deactivate(self.space.snap(np.array(dense)))


class PymooSearch(_PeerSearch):
    """pymoo's NSGA-II: on real parameters as it comes, on mixed ones with its mixed-variable operators.

    Parameters
    ----------
    mixed : bool
        The mixed-variable operators, which hold individuals as dicts.
    """

    def __init__(
        self, space: ParameterSpace, n_objectives: int, population: int, seed: int, *, mixed: bool
    ) -> None:
        from pymoo.algorithms.moo.nsga2 import NSGA2
        from pymoo.config import Config
        from pymoo.core.mixed import (
            MixedVariableDuplicateElimination,
            MixedVariableMating,
            MixedVariableSampling,
        )
        from pymoo.core.problem import Problem

        Config.warnings["not_compiled"] = False
        super().__init__(space, native_log=False)
        self.mixed = mixed
        if mixed:
            variables = {axis.name: _pymoo_variable(axis) for axis in self.axes}
            problem = Problem(vars=variables, n_obj=n_objectives, n_ieq_constr=1)
            same = MixedVariableDuplicateElimination()
            self.algorithm = NSGA2(
                pop_size=population,
                sampling=MixedVariableSampling(),
                mating=MixedVariableMating(eliminate_duplicates=same),
                eliminate_duplicates=same,
            )
        else:
            bounds = np.array([[axis.low, axis.high] for axis in self.axes]).T
            problem = Problem(
                n_var=len(self.axes), n_obj=n_objectives, n_ieq_constr=1, xl=bounds[0], xu=bounds[1]
            )
            self.algorithm = NSGA2(pop_size=population)
        self.algorithm.setup(problem, termination=("n_gen", 10**9), seed=seed, verbose=False)

    def ask(self) -> Any:
        self._generation = self.algorithm.ask()
        return self._generation

    def points(self, asked: Any) -> np.ndarray:
        if not self.mixed:
            return asked.get("X")
        return self._points([[one.X[axis.name] for axis in self.axes] for one in asked])

    def tell(self, scores: np.ndarray, feasible: np.ndarray) -> None:
        if len(scores) < len(self._generation):
            return  # the budget ended within the generation
        failed = np.isnan(scores).any(axis=1)
        self._generation.set("F", np.where(failed[:, None], FAR, -scores))
        self._generation.set("G", (failed + 2.0 * ~feasible)[:, None])
        for one in self._generation:
            one.evaluated.update({"F", "G"})
        self.algorithm.tell(infills=self._generation)


class OptunaSearch(_PeerSearch):
    """Optuna's NSGAIISampler, asked for a whole generation."""

    def __init__(self, space: ParameterSpace, n_objectives: int, population: int, seed: int) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        warnings.filterwarnings("ignore", module="optuna")
        super().__init__(space, native_log=True)
        self.population = population
        self.study = optuna.create_study(sampler=self._sampler(seed), directions=["maximize"] * n_objectives)
        self.distributions = [(axis, _optuna_distribution(axis)) for axis in self.axes]

    def _sampler(self, seed: int) -> Any:
        import optuna

        return optuna.samplers.NSGAIISampler(seed=seed, population_size=self.population)

    def ask(self) -> list[list[Any]]:
        self._trials = [self.study.ask() for _ in range(self.population)]
        return [[self._value(trial, *pair) for pair in self.distributions] for trial in self._trials]

    def points(self, asked: list[list[Any]]) -> np.ndarray:
        return self._points(asked)

    def _value(self, trial: Any, axis: Axis, distribution: Any) -> Any:
        return trial._suggest(axis.name, distribution)

    def tell(self, scores: np.ndarray, feasible: np.ndarray) -> None:
        from optuna.trial import TrialState

        for trial, row in zip(self._trials, scores.tolist(), strict=False):
            if any(value != value for value in row):
                self.study.tell(trial, state=TrialState.FAIL)
            else:
                self.study.tell(trial, row)


class OptunaTPESearch(OptunaSearch):
    """Optuna's TPESampler, multivariate and grouped, asked for one trial at a time.

    Its GPSampler takes 1.5 s a trial with two objectives and 3 s with three, in the mean over the first 80 (beside
    another process on two cores): 200 trials on all cells would take hours, so it is not among the peers.
    """

    def __init__(self, space: ParameterSpace, n_objectives: int, seed: int) -> None:
        super().__init__(space, n_objectives, 1, seed)

    def _sampler(self, seed: int) -> Any:
        import optuna

        return optuna.samplers.TPESampler(seed=seed, multivariate=True, group=True)
