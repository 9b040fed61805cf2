"""The peers, one adapter each; a package is imported when its adapter starts.

What each does with constraints between parameters, conditions and failed trials stands in its docstring; where a
package offers several ways, the one that scored better on our landscapes with constraints, conditions and failures
was taken (README.md, "How the peers are used").
"""

from __future__ import annotations

import logging
import math
import re
import tempfile
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from peer import Axis, BlockingPeer, Pair, Peer, SeedGA


class OptunaPeer(Peer):
    """A sampler of Optuna.

    Parameters
    ----------
    make : callable
        Takes budget and seed, returns the sampler.
    conditional : bool
        Suggest only active parameters, as Optuna's define-by-run style does; else all of them.
    failed : {"fail", "worst", "constraint"}
        A failed trial is told as FAIL (Optuna's own way, the trial is then ignored), as a completed one with the
        worst score so far, or as that with a violated constraint.
    violated : {"fail", "worst", "constraint"}
        The same for a violated constraint between parameters.
    """

    native_log = True

    def __init__(
        self,
        make: Callable[[int, int], Any],
        *,
        conditional: bool = True,
        failed: str = "fail",
        violated: str = "fail",
    ) -> None:
        self.make, self.conditional, self.failed, self.violated = make, conditional, failed, violated

    def _begin(self) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        warnings.filterwarnings("ignore", module="optuna")
        self._study = optuna.create_study(sampler=self.make(self.budget, self.seed), direction="maximize")
        self._distributions = {axis.name: _optuna_distribution(axis) for axis in self.axes}

    def _suggest(self) -> Sequence[Any]:
        self._trial = self._study.ask()
        dense = self.space.default_values.copy()
        left = list(range(len(self.axes)))
        while left:  # those that are active given what is known; a condition names parameters asked before it
            active = ~np.isnan(self.space.deactivate(dense[None])[0]) | (not self.conditional)
            ready = [i for i in left if active[i] and self._conditions_known(i, left)]
            if not ready:
                break
            for i in ready:
                dense[i] = self.axes[i].decode(self._suggest_one(self.axes[i]))
                left.remove(i)
        return [axis.encode(value) for axis, value in zip(self.axes, dense.tolist(), strict=True)]

    def _conditions_known(self, i: int, left: list[int]) -> bool:
        condition = self.space.parameters[self.axes[i].name].condition
        waiting = {self.axes[j].name for j in left}
        return not self.conditional or condition is None or not waiting & set(re.findall(r"\w+", condition))

    def _suggest_one(self, axis: Axis) -> Any:
        return self._trial._suggest(axis.name, self._distributions[axis.name])

    def _adopt(self, values: Sequence[Any]) -> None:
        fixed = {axis.name: value for axis, value in zip(self.axes, values, strict=True)}
        self._study.enqueue_trial(fixed)
        self._suggest()

    def _report(self, values: Sequence[Any], score: float) -> None:
        from optuna.trial import TrialState

        way = "score" if not math.isnan(score) else self.failed if self._feasible(values) else self.violated
        if "constraint" in (self.failed, self.violated):
            self._trial.set_constraint("works", 1.0 if way == "constraint" else -1.0)
        if way == "fail":
            self._study.tell(self._trial, state=TrialState.FAIL)
        else:
            self._study.tell(self._trial, -self._finite_loss(score))


def _optuna_distribution(axis: Axis) -> Any:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if axis.kind == "choice":
        return CategoricalDistribution(list(range(int(axis.high) + 1)))
    if axis.kind == "integer":
        return IntDistribution(int(axis.low), int(axis.high), log=axis.log)
    return FloatDistribution(axis.low, axis.high, log=axis.log)


def _gp(budget: int, seed: int) -> Any:
    from optuna.samplers import GPSampler

    return GPSampler(seed=seed, deterministic_objective=True, warn_independent_sampling=False)


def _tpe(budget: int, seed: int) -> Any:
    from optuna.samplers import TPESampler

    return TPESampler(seed=seed)


def _tpe_group(budget: int, seed: int) -> Any:
    from optuna.samplers import TPESampler

    return TPESampler(seed=seed, multivariate=True, group=True)


def _tpe_independent(budget: int, seed: int) -> Any:
    from optuna.samplers import TPESampler

    return TPESampler(seed=seed, multivariate=False)


def _nsga2(budget: int, seed: int) -> Any:
    from optuna.samplers import NSGAIISampler

    return NSGAIISampler(seed=seed, population_size=20 if budget <= 200 else 50)


def _cma(budget: int, seed: int) -> Any:
    from optuna.samplers import CmaEsSampler

    return CmaEsSampler(seed=seed, with_margin=True, warn_independent_sampling=False)


class Egobox(BlockingPeer):
    """egobox's Egor with log-EI.

    Constraints between two parameters are given as cheap functions; a failed trial is NaN, and its `failsafe`
    strategy says what that means. Conditions are unknown to it.
    """

    def __init__(self, failsafe: str = "VIABILITY") -> None:
        self.failsafe = failsafe

    def _minimize(self, function: Callable[[Sequence[Any]], float]) -> None:
        import egobox

        strategy = getattr(egobox.FailsafeStrategy, self.failsafe)
        egor = egobox.Egor([_egobox_spec(axis) for axis in self.axes], failsafe_strategy=strategy)
        egor.minimize(
            lambda x: np.array([[function(row)] for row in np.atleast_2d(x).tolist()]),
            fcstrs=self._cheap_constraints(),
            max_iters=20 * self.budget,
            seed=self.seed,
            stop_on_error=True,
        )

    def _loss(self, score: float) -> float:
        return -score

    def _cheap_constraints(self) -> list[Callable[..., Any]]:
        return [self._cheap_constraint(pair) for pair in self.pairs]

    def _cheap_constraint(self, pair: Pair) -> Callable[..., Any]:
        i, j = pair.left, pair.right
        a, b = self.axes[i], self.axes[j]
        margin = 0.5 if pair.strict else -0.5 if a.kind == "integer" else 0.0

        def value(x: np.ndarray, gradient: bool = False) -> Any:
            if not gradient:
                return a.decode(x[i]) - b.decode(x[j]) + margin
            slope = np.zeros(len(x))
            slope[i] = a.decode(x[i]) if a.curved else a.stride
            slope[j] = -(b.decode(x[j]) if b.curved else b.stride)
            return slope

        return value


def _egobox_spec(axis: Axis) -> Any:
    import egobox

    if axis.kind == "choice":
        return egobox.XSpec(egobox.XType.ENUM, [axis.high + 1])
    kind = egobox.XType.INT if axis.kind == "integer" else egobox.XType.FLOAT
    return egobox.XSpec(kind, [axis.low, axis.high])


class Ax(Peer):
    """Ax's default strategy (centre, Sobol, then BoTorch).

    Constraints between two parameters are given as linear ones where neither has a log scale, which Ax does not
    allow there, and rejected otherwise. Conditions are unknown to it here: its own hierarchy has one root. A
    failed trial is, by `failed`, abandoned (not suggested again, ignored by the model) or told as the worst so far.
    """

    native_log = True

    def __init__(self, failed: str = "abandon") -> None:
        self.failed = failed

    def _begin(self) -> None:
        warnings.filterwarnings("ignore")
        from ax.api.client import Client
        from ax.utils.common.logger import set_ax_logger_levels

        set_ax_logger_levels(logging.ERROR)
        self._client = Client(random_seed=self.seed)
        self._client.configure_experiment(
            parameters=[_ax_parameter(axis) for axis in self.axes], parameter_constraints=self._constraints()
        )
        self._client.configure_optimization(objective="score")

    def _constraints(self) -> list[str]:
        sides = [(self.axes[pair.left], self.axes[pair.right], pair.strict) for pair in self.pairs]
        return [_ax_constraint(*side) for side in sides if not (side[0].log or side[1].log)]

    def _suggest(self) -> Sequence[Any]:
        ((self._index, params),) = self._client.get_next_trials(max_trials=1).items()
        return [params[axis.name] for axis in self.axes]

    def _adopt(self, values: Sequence[Any]) -> None:
        params = {axis.name: value for axis, value in zip(self.axes, values, strict=True)}
        self._index = self._client.attach_trial(params)

    def _report(self, values: Sequence[Any], score: float) -> None:
        if math.isnan(score) and (self.failed == "abandon" or not self._feasible(values)):
            self._client.mark_trial_abandoned(self._index)
        else:
            self._client.complete_trial(self._index, {"score": (-self._finite_loss(score), 0.0)})


def _ax_parameter(axis: Axis) -> Any:
    from ax.api.configs import ChoiceParameterConfig, RangeParameterConfig

    if axis.kind == "choice":
        values = list(range(int(axis.high) + 1))
        return ChoiceParameterConfig(
            name=axis.name, values=values, parameter_type="int", is_ordered=len(values) == 2
        )
    whole = axis.kind == "integer"
    bounds = (int(axis.low), int(axis.high)) if whole else (axis.low, axis.high)
    return RangeParameterConfig(
        name=axis.name,
        bounds=bounds,
        parameter_type="int" if whole else "float",
        scaling="log" if axis.log else None,
    )


def _ax_constraint(left: Axis, right: Axis, strict: bool) -> str:
    """Return left < right, or left <= right, in the peer's values; a strict one lies half a step inside."""
    margin = 0.5 * min(left.stride, right.stride) if strict else 0.0
    bound = right.origin - left.origin - margin
    return f"{left.stride} * {left.name} - {right.stride} * {right.name} <= {bound}"


class Skopt(Peer):
    """scikit-optimize as the seed used it: GP and expected improvement.

    Constraints by its `space_constraint`; failed trials as bad as the worst so far. Conditions are unknown to it.
    """

    native_log = True

    def _begin(self) -> None:
        warnings.filterwarnings("ignore", module="skopt")
        warnings.filterwarnings("ignore", module="sklearn")
        from skopt import Optimizer

        self._optimizer = Optimizer(
            [_skopt_dimension(axis) for axis in self.axes],
            base_estimator="GP",
            acq_func="EI",
            n_initial_points=10,
            space_constraint=self._feasible if self.space.constraints else None,
            random_state=self.seed,
        )

    def _suggest(self) -> Sequence[Any]:
        return self._optimizer.ask()

    def _report(self, values: Sequence[Any], score: float) -> None:
        self._optimizer.tell(list(values), self._finite_loss(score))


def _skopt_dimension(axis: Axis) -> Any:
    from skopt.space import Categorical, Integer, Real

    if axis.kind == "choice":
        return Categorical(list(range(int(axis.high) + 1)))
    prior = "log-uniform" if axis.log else "uniform"
    if axis.kind == "integer":
        return Integer(int(axis.low), int(axis.high), prior=prior)
    return Real(axis.low, axis.high, prior=prior)


class Pymoo(Peer):
    """pymoo's MixedVariableGA.

    Constraints are given as a violation, which the GA ranks by; failed trials as a loss above all. Conditions are
    unknown to it. Violating candidates are not evaluated.
    """

    def _begin(self) -> None:
        from pymoo.config import Config
        from pymoo.core.mixed import MixedVariableGA
        from pymoo.core.problem import Problem

        Config.warnings["not_compiled"] = False
        self._problem = Problem(vars={axis.name: _pymoo_variable(axis) for axis in self.axes}, n_obj=1)
        self._problem.n_ieq_constr = 1
        self._algorithm = MixedVariableGA(pop_size=20 if self.budget <= 200 else 50)
        self._algorithm.setup(self._problem, termination=("n_gen", 10**9), seed=self.seed, verbose=False)
        self._generation: Any = None

    def _suggest(self) -> Sequence[Any]:
        if self._generation is None or self._next == len(self._generation):
            if self._generation is not None:
                self._algorithm.tell(infills=self._generation)
            self._generation, self._next = self._algorithm.ask(), 0
        individual = self._generation[self._next]
        return [individual.X[axis.name] for axis in self.axes]

    def _report(self, values: Sequence[Any], score: float) -> None:
        individual = self._generation[self._next]
        violated = 1.0 if math.isnan(score) and not self._feasible(values) else 0.0
        individual.F = np.array([1e30 if math.isnan(score) else -score])
        individual.G = np.array([violated])
        individual.evaluated.update({"F", "G"})
        self._next += 1

    def _adopt(self, values: Sequence[Any]) -> None:
        self._suggest()
        self._generation[self._next].X = {a.name: v for a, v in zip(self.axes, values, strict=True)}


def _pymoo_variable(axis: Axis) -> Any:
    from pymoo.core.variable import Choice, Integer, Real

    if axis.kind == "choice":
        return Choice(options=list(range(int(axis.high) + 1)))
    if axis.kind == "integer":
        return Integer(bounds=(int(axis.low), int(axis.high)))
    return Real(bounds=(axis.low, axis.high))


class Nevergrad(Peer):
    """Nevergrad's NGOpt.

    Constraints by `register_cheap_constraint`; failed trials as bad as the worst so far. Conditions are unknown
    to it here.
    """

    def _begin(self) -> None:
        warnings.filterwarnings("ignore", module="nevergrad")
        import nevergrad

        space = nevergrad.p.Dict(**{axis.name: _nevergrad_parameter(axis) for axis in self.axes})
        space.random_state = np.random.RandomState(self.seed)
        if self.space.constraints:

            def holds(values: dict[str, Any]) -> bool:
                return self._feasible([values[axis.name] for axis in self.axes])

            space.register_cheap_constraint(holds)
        self._optimizer = nevergrad.optimizers.registry["NGOpt"](space, budget=self.budget, num_workers=1)

    def _suggest(self) -> Sequence[Any]:
        self._candidate = self._optimizer.ask()
        return [self._candidate.value[axis.name] for axis in self.axes]

    def _report(self, values: Sequence[Any], score: float) -> None:
        self._optimizer.tell(self._candidate, self._finite_loss(score))

    def _adopt(self, values: Sequence[Any]) -> None:
        value = {axis.name: value for axis, value in zip(self.axes, values, strict=True)}
        self._candidate = self._optimizer.parametrization.spawn_child(new_value=value)


def _nevergrad_parameter(axis: Axis) -> Any:
    import nevergrad

    if axis.kind == "choice":
        return nevergrad.p.Choice(list(range(int(axis.high) + 1)))
    scalar = nevergrad.p.Scalar(lower=axis.low, upper=axis.high)
    return scalar.set_integer_casting() if axis.kind == "integer" else scalar


class Sambo(BlockingPeer):
    """SAMBO's surrogate-based method "smbo".

    Failed trials are as bad as the worst so far; constraints are rejected likewise, since its own `constraints`
    hashes each of 80,000 candidates and takes tens of seconds a trial. Conditions are unknown to it.
    """

    def __init__(self, n_init: int | None = None) -> None:
        self.n_init = n_init

    def _minimize(self, function: Callable[[Sequence[Any]], float]) -> None:
        warnings.filterwarnings("ignore", module="sambo")
        warnings.filterwarnings("ignore", module="sklearn")
        import sambo

        sambo.minimize(
            lambda x: function(x.tolist()),
            bounds=[_sambo_bounds(axis) for axis in self.axes],
            max_iter=20 * self.budget,
            method="smbo",
            n_init=self.n_init or min(max(1, self.budget - 20), self._default_initial()),
            n_iter_no_change=20 * self.budget,
            rng=self.seed,
        )

    def _default_initial(self) -> int:
        d = len(self.axes)
        return int(40 * d * max(1, np.log2(d)))


def _sambo_bounds(axis: Axis) -> Any:
    if axis.kind == "real":
        return (float(axis.low), float(axis.high))
    return (int(axis.low), int(axis.high) + 1)


class Smac(Peer):
    """SMAC3's BlackBoxFacade (GP and EI).

    Conditions are given to ConfigSpace; constraints are rejected; a failed trial is CRASHED with the worst cost so
    far.
    """

    native_log = True

    def _begin(self) -> None:
        logging.getLogger("smac").setLevel(logging.ERROR)
        warnings.filterwarnings("ignore")
        from smac import BlackBoxFacade, Scenario

        self._folder = tempfile.TemporaryDirectory()
        scenario = Scenario(
            self._configuration_space(),
            deterministic=True,
            n_trials=20 * self.budget,
            seed=self.seed,
            output_directory=self._folder.name,
        )
        initial = BlackBoxFacade.get_initial_design(scenario, n_configs=max(2, min(10, self.budget // 4)))
        self._smac = BlackBoxFacade(
            scenario, lambda config, seed=0: 0.0, initial_design=initial, overwrite=True, logging_level=False
        )

    def _configuration_space(self) -> Any:
        from ConfigSpace import ConfigurationSpace, EqualsCondition, NotEqualsCondition

        space = ConfigurationSpace(seed=self.seed)
        parts = {axis.name: _smac_parameter(axis) for axis in self.axes}
        space.add(list(parts.values()))
        for name, parameter in self.space.parameters.items():
            match = re.fullmatch(r"(\w+) (==|!=) '(\w+)'", parameter.condition or "")
            if match:
                kind = EqualsCondition if match[2] == "==" else NotEqualsCondition
                index = list(self.space.parameters[match[1]].choices).index(match[3])
                space.add(kind(parts[name], parts[match[1]], index))
        return space

    def _suggest(self) -> Sequence[Any]:
        self._info = self._smac.ask()
        values = dict(self._info.config)
        defaults = zip(self.axes, self.space.default_values.tolist(), strict=True)
        return [values.get(axis.name, axis.encode(default)) for axis, default in defaults]

    def _report(self, values: Sequence[Any], score: float) -> None:
        from smac.runhistory.dataclasses import TrialValue
        from smac.runhistory.enumerations import StatusType

        status = StatusType.CRASHED if math.isnan(score) else StatusType.SUCCESS
        self._smac.tell(self._info, TrialValue(cost=self._finite_loss(score), status=status), save=False)

    def _adopt(self, values: Sequence[Any]) -> None:
        from ConfigSpace import Configuration
        from smac.runhistory.dataclasses import TrialInfo

        active = {a.name for a, v in zip(self.axes, self._point(values), strict=True) if not np.isnan(v)}
        chosen = {a.name: v for a, v in zip(self.axes, values, strict=True) if a.name in active}
        config = Configuration(self._smac.scenario.configspace, values=chosen)
        self._info = TrialInfo(config, seed=self._info.seed)

    def close(self) -> None:
        self._folder.cleanup()


def _smac_parameter(axis: Axis) -> Any:
    from ConfigSpace import (
        CategoricalHyperparameter,
        UniformFloatHyperparameter,
        UniformIntegerHyperparameter,
    )

    if axis.kind == "choice":
        return CategoricalHyperparameter(axis.name, list(range(int(axis.high) + 1)))
    if axis.kind == "integer":
        return UniformIntegerHyperparameter(axis.name, int(axis.low), int(axis.high), log=axis.log)
    return UniformFloatHyperparameter(axis.name, axis.low, axis.high, log=axis.log)


class Hebo(Peer):
    """HEBO (warped GP, MACE), whose random numbers are global: seeded when a run starts.

    Constraints are rejected and failed trials are as bad as the worst so far: what it is told as NaN it forgets.
    Conditions are unknown to it.
    """

    native_log = True

    def _begin(self) -> None:
        warnings.filterwarnings("ignore")
        import torch
        from hebo.design_space.design_space import DesignSpace
        from hebo.optimizers.hebo import HEBO

        np.random.seed(self.seed)  # noqa: NPY002  # what HEBO uses
        torch.manual_seed(self.seed)
        space = DesignSpace().parse([_hebo_parameter(axis) for axis in self.axes])
        self._hebo = HEBO(space, scramble_seed=self.seed)

    def _suggest(self) -> Sequence[Any]:
        self._frame = self._hebo.suggest(n_suggestions=1)
        return [self._frame[axis.name].iloc[0] for axis in self.axes]

    def _report(self, values: Sequence[Any], score: float) -> None:
        self._hebo.observe(self._frame, np.array([[self._finite_loss(score)]]))

    def _adopt(self, values: Sequence[Any]) -> None:
        import pandas as pd

        self._frame = pd.DataFrame([{a.name: v for a, v in zip(self.axes, values, strict=True)}])


def _hebo_parameter(axis: Axis) -> dict[str, Any]:
    if axis.kind == "choice":
        return {"name": axis.name, "type": "cat", "categories": list(range(int(axis.high) + 1))}
    if axis.kind == "integer":
        kind = "pow_int" if axis.log else "int"
        return {"name": axis.name, "type": kind, "lb": int(axis.low), "ub": int(axis.high)}
    return {"name": axis.name, "type": "pow" if axis.log else "num", "lb": axis.low, "ub": axis.high}


class CatCma(Peer):
    """cmaes' CatCMAwM, which its authors recommend for mixed spaces.

    Constraints are rejected, failed trials rank last. Conditions are unknown to it.
    """

    def _begin(self) -> None:
        from cmaes import CatCMAwM

        self._groups = {
            kind: [i for i, axis in enumerate(self.axes) if axis.kind == kind]
            for kind in ("real", "integer", "choice")
        }
        reals, wholes, choices = ([self.axes[i] for i in group] for group in self._groups.values())
        self._optimizer = CatCMAwM(
            x_space=[[axis.low, axis.high] for axis in reals] or None,
            z_space=[list(range(int(axis.low), int(axis.high) + 1)) for axis in wholes] or None,
            c_space=[int(axis.high) + 1 for axis in choices] or None,
            seed=self.seed,
        )
        self._told: list[Any] = []

    def _suggest(self) -> Sequence[Any]:
        self._solution = self._optimizer.ask()
        values: list[Any] = [None] * len(self.axes)
        for i, value in zip(
            self._groups["real"], self._solution.x if self._groups["real"] else (), strict=True
        ):
            values[i] = float(value)
        for i, value in zip(
            self._groups["integer"], self._solution.z if self._groups["integer"] else (), strict=True
        ):
            values[i] = int(value)
        for i, row in zip(
            self._groups["choice"], self._solution.c if self._groups["choice"] else (), strict=True
        ):
            values[i] = int(np.argmax(row))
        return values

    def _report(self, values: Sequence[Any], score: float) -> None:
        if math.isnan(score) and not self._feasible(values):
            return  # resampled: the distribution only learns from feasible points
        self._told.append((self._solution, 1e30 if math.isnan(score) else -score))
        if len(self._told) == self._optimizer.population_size:
            self._optimizer.tell(self._told)
            self._told = []


PEERS: dict[str, Callable[[], Peer]] = {
    "egobox": Egobox,
    "ax": Ax,
    # A trial that it is not told of leaves its model as it was, and it suggests the same point again.
    "optuna-gp": lambda: OptunaPeer(_gp, conditional=False, failed="worst", violated="worst"),
    "skopt": Skopt,
    "smac": Smac,
    "hebo": Hebo,
    "optuna-tpe": lambda: OptunaPeer(_tpe),
    "optuna-tpe-independent": lambda: OptunaPeer(_tpe_independent),
    "optuna-cma": lambda: OptunaPeer(_cma, conditional=False),
    "catcma": CatCma,
    "optuna-nsga2": lambda: OptunaPeer(_nsga2),
    "pymoo": Pymoo,
    "nevergrad": Nevergrad,
    "sambo": Sambo,
    "seed-ga": SeedGA,
}
PACKAGES = (
    "optuna",
    "cmaes",
    "torch",
    "ax-platform",
    "botorch",
    "egobox",
    "scikit-optimize",
    "smac",
    "HEBO",
    "pymoo",
    "nevergrad",
    "sambo",
)
