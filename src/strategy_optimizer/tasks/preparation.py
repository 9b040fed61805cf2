"""Makes a task from what people have at hand: names, files, frames, numbers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

from strategy_optimizer.backtest import Costs, Rules
from strategy_optimizer.backtest.strategy import AnyStrategy, strategy_class
from strategy_optimizer.errors import SpaceError
from strategy_optimizer.json_files import read_json_file
from strategy_optimizer.market import load_bars
from strategy_optimizer.objective import ObjectiveLike, OutcomeConstraint, parse_objective
from strategy_optimizer.optimizer.factory import implied_budget
from strategy_optimizer.plain import plain_settings
from strategy_optimizer.records import Sink
from strategy_optimizer.space import ParameterSpace
from strategy_optimizer.strategies import get_strategy
from strategy_optimizer.tasks.budget import DEFAULT_EVALUATIONS, Budget
from strategy_optimizer.tasks.optimization_task import (
    PLANNED_WITHOUT_LIMIT,
    OptimizationTask,
    TaskSettings,
)
from strategy_optimizer.tasks.search_task import CheckpointPlace
from strategy_optimizer.tasks.strategy_binding import StrategyClass
from strategy_optimizer.tasks.warm_start import earlier_points, n_taken_over

DEFAULT_COSTS = Costs(commission=0.0005, slippage=0.0002)
"""What a trade costs when nothing is said: also that of the command line."""


def make_task(
    strategy: str | AnyStrategy,
    data: Any = None,
    optimizer: str = "auto",
    *,
    space: ParameterSpace | Mapping[str, Any] | str | Path | None = None,
    constraints: Iterable[Any] = (),
    objective: ObjectiveLike = "sharpe_ratio",
    outcome_constraints: Iterable[str | OutcomeConstraint] = (),
    reference: Mapping[str, float] | str | None = None,
    evaluations: int | None = None,
    seconds: float | None = None,
    target: float | None = None,
    patience: int | Literal["auto"] | None = None,
    seed: int = 0,
    costs: Costs | None = None,
    fill: str = "next_open",
    cash: float = 100_000.0,
    reentry: str = "while_true",
    holdout: float = 0.25,
    validate: bool = True,
    ledger: bool = True,
    warm_start: str | Path | Iterable[Mapping[str, Any]] | None = None,
    checkpoint: CheckpointPlace | None = None,
    resume: bool = False,
    workers: int | None = None,
    progress: Sink | None = None,
    **optimizer_settings: Any,
) -> OptimizationTask:
    """Prepare a search for the best parameters of a strategy.

    Parameters
    ----------
    strategy : str, strategy class or instance
        As for `get_strategy`: a built-in name, ``file.py``, ``package.module:Class``.
    data : str, path, frame, dict or Bars
        As for `load_bars`.
    optimizer : str
        ``"auto"``, ``"bo"``, ``"hybrid"``, ``"ensemble"``, ``"ga"``, ``"nsga2"``, ``"random"`` or ``"grid"``, see
        `create_optimizer`.
    space : ParameterSpace, mapping or path of a JSON file, optional
        Other bounds for the strategy's parameters. Those it leaves out keep their default. By default the
        space that the strategy declares.
    constraints : iterable of str or callable
        More constraints between parameters, such as ``"fast < slow"``.
    objective : str, list of str, mapping, path or ObjectiveFunction
        As for `parse_objective`: what to make large. A list of metrics, such as ``["sharpe_ratio",
        "max_drawdown"]``, searches for the trade-offs between them, ``result.pareto_front``.
    outcome_constraints : iterable of str
        What the winner's metrics must satisfy, such as ``"trades >= 30"``.
    reference : mapping of str to float, or str, optional
        Of several objectives: a wanted value of each. The closest point of the front is the winner; by
        default the knee is.
    evaluations : int, optional
        Trials. Default: population_size x generations when both are given, or n_calls; no limit when
        `seconds` is given; else 2,000.
    seconds, target, patience
        As for `Budget`.
    seed : int
        The same seed and inputs give the same result, whatever the number of workers.
    costs : Costs, optional
        Default: 5 basis points commission and 2 of slippage. ``Costs()`` is none.
    fill, cash, reentry
        As in `Rules`.
    holdout : float
        Share of the bars, the last ones, that the search never sees. The result shows the winner's
        numbers there.
    validate : bool
        Whether the result is to have a verdict, from all trials and the held-out bars.
    ledger : bool
        Whether earlier searches on the same data count against the winner, and this one against later ones. The
        trial ledger lies in the user's data folder; ``strategy-optimizer ledger`` shows it.
    warm_start : path, or iterable of mappings, optional
        Trials that an earlier search exported, or parameters: the best 20 of them, at most a tenth of the trials, are
        tried first. They are scored anew on these bars; nothing of the earlier scores is believed.
    checkpoint : str, Path or callable, optional
        Folder that the search is saved in, so that a killed one can be resumed. A callable gets the search's identity
        and returns another kind of checkpoint, see `SearchCheckpoint`.
    resume : bool
        Continue the search in the folder `checkpoint`.
    workers : int, optional
        Threads; all cores by default.
    progress : callable, optional
        Receives the events of `strategy_optimizer.records`.
    **optimizer_settings
        The optimizer's own, such as ``population_size=100``.

    Raises
    ------
    StrategyOptimizerError
        One of its kinds, naming what cannot be used.
    """
    chosen = _strategy(strategy)
    goal = parse_objective(objective, outcome_constraints, reference)
    planned = planned_evaluations(evaluations, seconds, optimizer_settings, DEFAULT_EVALUATIONS)
    budget = Budget(planned, seconds, target, patience)
    searched = search_space(chosen, space, constraints)
    settings = TaskSettings(
        optimizer=optimizer,
        optimizer_settings=plain_settings(optimizer_settings),
        budget=budget,
        seed=seed,
        rules=Rules(DEFAULT_COSTS if costs is None else costs, cash, fill, reentry),
        holdout=holdout,
        validate=validate,
        ledger=ledger,
        workers=workers,
        checkpoint=checkpoint,
        resume=resume,
        start_points=start_points(warm_start, searched, budget.evaluations or PLANNED_WITHOUT_LIMIT),
    )
    return OptimizationTask(chosen, load_bars(data), searched, goal, settings, sink=progress)


def search_space(
    strategy: StrategyClass,
    space: ParameterSpace | Mapping[str, Any] | str | Path | None = None,
    constraints: Iterable[Any] = (),
) -> ParameterSpace:
    """Return what to search: the strategy's space, or the one given in the strategy's columns.

    Parameters
    ----------
    strategy : strategy class
    space : ParameterSpace, mapping or path of a JSON file, optional
        Parameters that it leaves out keep only their default.
    constraints : iterable of str or callable
        Added to those of the strategy and of the space.
    """
    own = strategy.space()
    more = [constraints] if isinstance(constraints, str) else list(constraints)
    if space is None:
        return own.with_constraints(*more) if more else own
    if isinstance(space, ParameterSpace):
        return own.override(dict(space.parameters), [*_added(own, space), *more])
    return own.override(space_document(space), more)


def _added(own: ParameterSpace, space: ParameterSpace) -> list[Any]:
    """Return the constraints of `space` that the strategy does not have already."""
    return [constraint for constraint in space.constraints if constraint not in own.constraints]


def space_document(given: Mapping[str, Any] | str | Path) -> Mapping[str, Any]:
    """Return a document of parameters: as it is given, or what the JSON file at that path holds."""
    if not isinstance(given, (str, Path)):
        return given
    path = Path(given)
    data = read_json_file(path, "parameter file", SpaceError)
    if not isinstance(data, Mapping):
        raise SpaceError(f"the parameter file {path} holds {type(data).__name__}; expected an object")
    return data


def _strategy(strategy: str | AnyStrategy) -> StrategyClass:
    return get_strategy(strategy) if isinstance(strategy, str) else strategy_class(strategy)


def start_points(
    warm_start: str | Path | Iterable[Mapping[str, Any]] | None, space: ParameterSpace, planned: int
) -> tuple[Mapping[str, Any], ...]:
    """Return the points of an earlier search that are tried first, of so many trials planned."""
    return () if warm_start is None else earlier_points(warm_start, space, n_taken_over(planned))


def planned_evaluations(
    given: int | None, seconds: float | None, settings: Mapping[str, Any], default: int
) -> int | None:
    """Return the trials to make: as given, as the settings plan, none where time limits, or the default."""
    planned = implied_budget(settings) if given is None else given
    return default if planned is None and seconds is None else planned
