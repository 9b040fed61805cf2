"""Make optimizers by name, choose one when asked to, and bring saved ones back."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from strategy_optimizer.errors import OptimizerSettingError, OptimizerStateError, nearest_name
from strategy_optimizer.optimizer import checks
from strategy_optimizer.optimizer.auto import AutoOptimizer
from strategy_optimizer.optimizer.base import STATE_FORMAT, Optimizer
from strategy_optimizer.optimizer.bo import BOOptimizer
from strategy_optimizer.optimizer.ensemble import EnsembleOptimizer
from strategy_optimizer.optimizer.ga import GAOptimizer
from strategy_optimizer.optimizer.grid import GridOptimizer
from strategy_optimizer.optimizer.hybrid import HybridOptimizer
from strategy_optimizer.optimizer.nsga2 import NSGA2Optimizer
from strategy_optimizer.optimizer.random import RandomOptimizer
from strategy_optimizer.space import ParameterSpace

OPTIMIZERS: dict[str, type[Optimizer]] = {
    optimizer.name: optimizer
    for optimizer in (
        AutoOptimizer,
        RandomOptimizer,
        GridOptimizer,
        GAOptimizer,
        BOOptimizer,
        HybridOptimizer,
        EnsembleOptimizer,
        NSGA2Optimizer,
    )
}
_COMMON = ("budget", "seed", "directions", "repeats")
_BY_BUDGET: dict[type[Optimizer], tuple[str, ...]] = {
    GAOptimizer: ("population_size", "generations", "mutation_rate"),
    NSGA2Optimizer: ("population_size", "generations"),
}
DEFAULT_BUDGET = 200


def create_optimizer(
    name: str,
    space: ParameterSpace,
    *,
    budget: int | None = None,
    seed: int = 0,
    directions: str | Sequence[str] | None = None,
    **settings: Any,
) -> Optimizer:
    """Return the optimizer called `name` for `space`.

    Parameters
    ----------
    name : str
        ``"random"``, ``"grid"``, ``"ga"``, ``"bo"``, ``"hybrid"``, ``"ensemble"``, ``"nsga2"``, or ``"auto"``
        which enumerates a finite space that fits the budget and otherwise chooses by what a trial costs, see
        :class:`AutoOptimizer`; ``optimizer.reason`` says why.
    space : ParameterSpace
        Where to search.
    budget : int, optional
        Planned trials. Default: population_size x generations when both are given, or n_calls, else 200.
    seed : int
        The same seed and the same told scores give the same candidates.
    directions : None, str or sequence of str
        ``"maximize"`` (default) or ``"minimize"``; several for a Pareto search (auto, bo, nsga2,
        random, grid).
    **settings
        The optimizer's own settings, see its class.

    Raises
    ------
    OptimizerSettingError
        Unknown name or setting (with the nearest known one), or a value out of range.

    Examples
    --------
    >>> space = ParameterSpace("small").add_parameter("n", "discrete", (1, 9))
    >>> create_optimizer("auto", space, budget=50).reason
    'auto chose grid: the space has 9 points at most, which fits the budget of 50 trials'
    """
    checks.as_space(space)
    if budget is None:
        budget = implied_budget(settings) or DEFAULT_BUDGET
    checks.as_count(budget, "budget")
    reason = None
    if name == "auto":
        name, reason = _choose(space, budget)
        if name != AutoOptimizer.name:  # which has no use for what a trial costs
            checks.as_seconds(settings.pop("trial_seconds", None), "trial_seconds")
            checks.as_count(settings.pop("parallel", 1), "parallel")
    optimizer_class = _lookup(name)
    _check_settings(optimizer_class, settings)
    optimizer = _build(optimizer_class, space, budget=budget, seed=seed, directions=directions, **settings)
    optimizer.reason = reason or optimizer.reason
    return optimizer


def restore_optimizer(
    space: ParameterSpace, state: Mapping[str, Any], history: tuple[Any, ...] | None = None
) -> Optimizer:
    """Return the optimizer whose :meth:`~Optimizer.state` this is; it continues with the same candidates.

    Parameters
    ----------
    space : ParameterSpace
        The space the state was written for.
    state : mapping
        What ``state()`` returned, also after a trip through JSON.
    history : tuple of array-like, optional
        ``(points, scores)``, or ``(points, scores, constraints, seconds, std_errors)`` with None for what was
        not told, of all trials told before the state was written, raw scores in the order of telling; needed
        when it was written with ``history=False``.

    Raises
    ------
    OptimizerStateError
        The state is of another space, optimizer or version, or the history is not the one it was written
        with.
    """
    _check_state(space, state)
    try:
        common = state["common"]
        arguments = {name: common[name] for name in _COMMON} | dict(state["settings"])
        optimizer = _build(OPTIMIZERS[state["optimizer"]], space, **arguments)
        optimizer.restore(state, history)
    except (KeyError, TypeError, ValueError) as error:
        raise OptimizerStateError(
            f"the state is damaged or was written by another version: {error!r}"
        ) from error
    return optimizer


def _build(optimizer_class: type[Optimizer], space: ParameterSpace, **arguments: Any) -> Optimizer:
    # The classes keep the seed's defaults; made by name, the algorithm chooses by budget what is not given.
    arguments = dict.fromkeys(_BY_BUDGET.get(optimizer_class, ())) | arguments
    return optimizer_class(space, **arguments)


def implied_budget(settings: Mapping[str, Any]) -> int | None:
    """Return the trials that an optimizer's settings plan: a population times generations, or `n_calls`."""
    size, generations = settings.get("population_size"), settings.get("generations")
    if size is not None and generations is not None:
        return checks.as_count(size, "population_size") * checks.as_count(generations, "generations")
    n_calls = settings.get("n_calls")
    return None if n_calls is None else checks.as_count(n_calls, "n_calls")


def _choose(space: ParameterSpace, budget: int) -> tuple[str, str | None]:
    size = space.cardinality
    if size is not None and size <= budget:
        return (
            "grid",
            f"auto chose grid: the space has {size} points at most, which fits the budget of {budget} trials",
        )
    return "auto", None


def _lookup(name: str) -> type[Optimizer]:
    if name not in OPTIMIZERS:
        raise OptimizerSettingError(
            f"unknown optimizer {name!r}; expected one of {', '.join(OPTIMIZERS)}"
            f"{nearest_name(str(name), OPTIMIZERS)}"
        )
    return OPTIMIZERS[name]


def _check_settings(optimizer_class: type[Optimizer], settings: Mapping[str, Any]) -> None:
    known = list(inspect.signature(optimizer_class).parameters)[1:]
    for setting in settings:
        if setting not in known:
            own = ", ".join(name for name in known if name not in _COMMON or name == "repeats")
            raise OptimizerSettingError(
                f"unknown setting {setting!r} of optimizer {optimizer_class.name!r}; it has {own}"
                f"{nearest_name(setting, known)}"
            )


def _check_state(space: ParameterSpace, state: Mapping[str, Any]) -> None:
    if not isinstance(state, Mapping) or "optimizer" not in state:
        raise OptimizerStateError(
            "this is not an optimizer's state; expected the mapping that state() returned"
        )
    if state.get("format") != STATE_FORMAT:
        raise OptimizerStateError(
            f"the state has format {state.get('format')!r}, this version reads {STATE_FORMAT}; "
            "start the search anew"
        )
    if state["optimizer"] not in OPTIMIZERS:
        raise OptimizerStateError(
            f"the state belongs to an optimizer {state['optimizer']!r} which this version does not have; "
            f"it has {', '.join(OPTIMIZERS)}"
        )
    if state.get("space") != space.digest:
        raise OptimizerStateError(
            f"the state belongs to another parameter space (digest {str(state.get('space'))[:12]}, this one "
            f"has {space.digest[:12]}); restore it with the space it was written for"
        )
