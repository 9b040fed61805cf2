"""Makes a search on another engine from what people have at hand: a function, an engine, names, numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from inspect import isclass
from pathlib import Path
from typing import Any, Literal

from strategy_optimizer.engines import CallableEngine, Engine, FoldedEngine
from strategy_optimizer.errors import EngineError, ObjectiveError, SpaceError
from strategy_optimizer.objective import Objective, ObjectiveLike, OutcomeConstraint, parse_objective
from strategy_optimizer.plain import plain_settings
from strategy_optimizer.records import Sink
from strategy_optimizer.space import ParameterSpace
from strategy_optimizer.tasks.budget import DEFAULT_ENGINE_EVALUATIONS, Budget
from strategy_optimizer.tasks.engine_task import (
    PLANNED_WITHOUT_LIMIT,
    EngineSettings,
    EngineTask,
    ExecutorName,
)
from strategy_optimizer.tasks.engine_trial import listed
from strategy_optimizer.tasks.executor_loop import DEFAULT_LOOKAHEAD
from strategy_optimizer.tasks.executors import Limits
from strategy_optimizer.tasks.preparation import (
    planned_evaluations,
    space_document,
    start_points,
)
from strategy_optimizer.tasks.search_task import CheckpointPlace


def make_engine_task(
    engine: Engine | Callable[..., Any] | Sequence[Any],
    optimizer: str = "auto",
    *,
    folds: int | None = None,
    prune: bool | float = True,
    space: ParameterSpace | Mapping[str, Any] | str | Path | None = None,
    constraints: Iterable[Any] = (),
    objective: ObjectiveLike | None = None,
    outcome_constraints: Iterable[str | OutcomeConstraint] = (),
    reference: Mapping[str, float] | str | None = None,
    evaluations: int | None = None,
    seconds: float | None = None,
    target: float | None = None,
    patience: int | Literal["auto"] | None = None,
    seed: int = 0,
    holdout: float = 0.25,
    executor: ExecutorName = "processes",
    workers: int | None = None,
    ray_address: str | None = None,
    ray_share: int = 1,
    ray_patience: float = 60.0,
    limits: Limits | None = None,
    memory: int | None = None,
    lookahead: int | None = DEFAULT_LOOKAHEAD,
    cache: bool | Path = True,
    warm_start: str | Path | Iterable[Mapping[str, Any]] | None = None,
    checkpoint: CheckpointPlace | None = None,
    resume: bool = False,
    validate: bool = True,
    ledger: bool = True,
    progress: Sink | None = None,
    **optimizer_settings: Any,
) -> EngineTask:
    """Prepare a search for the best parameters of what an engine, or any function, runs.

    Parameters
    ----------
    engine : Engine or callable
        One of `strategy_optimizer.engines`, or a function (also ``async``) that takes a dict of parameters and
        returns a dict of metrics, or one number. A list of them is one strategy on several parts of the data, whose
        metrics are put together: see `FoldedEngine`.
    folds : int, optional
        The function takes ``(parameters, fold)`` with folds from 0 to `folds` - 1.
    prune : bool or float
        Whether a trial is stopped after some folds when it cannot catch up with the best one; or the chance of
        catching up below which it is stopped (True: 0.01). See docs/pruning.md.
    optimizer : str
        As for `create_optimizer`. ``"auto"`` thinks the more about each trial, the longer it takes.
    space : ParameterSpace, mapping or path of a JSON file, optional
        What to search. By default what the engine declares.
    constraints : iterable of str or callable
        More constraints between parameters, such as ``"fast < slow"``.
    objective : str, list of str, mapping, path or ObjectiveFunction, optional
        As for `parse_objective`, over the metrics that the engine gives. By default ``sharpe_ratio``, or the only
        metric there is.
    outcome_constraints, reference
        As for `optimize` with a strategy.
    evaluations : int, optional
        Trials; 200 when neither this nor `seconds` is given.
    seconds, target, patience
        As for `Budget`.
    seed : int
        With a lookahead the same seed gives the same candidates, whatever the number of workers.
    holdout : float
        Share of the data that the search never sees, where the engine can divide them.
    executor : {"processes", "serial", "ray"}
        Where trials run: worker processes, which survive whatever a trial does; this process, one after the other;
        a Ray cluster.
    workers : int, optional
        Trials at once; by default all cores.
    ray_address : str, optional
        The cluster to join; without it Ray is started here.
    ray_share : int
        How many searches share the cluster, where `workers` does not say how many cores this one has.
    ray_patience : float
        Seconds to wait for a free core.
    limits : Limits, optional
        What one trial may use; by default 4 GB of memory and any time.
    memory : int, optional
        Bytes for all worker processes together: near it fewer trials run at once. By default 4 GB, or what one trial
        may use where that is more.
    lookahead : int or None
        How many trials may be in flight without knowing of each other (default 8). None runs free: whatever has
        ended is known at once, which keeps more than eight workers busy, and the order of ending enters the search.
    cache : bool or Path
        Whether trials of earlier searches are taken from the cache on disk where nothing that they depend on has
        changed; or the file of another cache.
    warm_start : path, or iterable of mappings, optional
        As for `optimize` with a strategy.
    checkpoint : str, Path or callable, optional
        Folder that the search is saved in, so that a killed one can be resumed; or as for `optimize` with a strategy.
    resume : bool
        Continue the search in `checkpoint`.
    validate : bool
        Whether to judge the result. The verdict needs the returns that the engine gives, and costs few runs of it.
    ledger : bool
        Whether to count earlier searches on the same data in the verdict, and to record this one for later ones.
    progress : callable, optional
        Receives the events of `strategy_optimizer.records`.
    **optimizer_settings
        The optimizer's own, such as ``population_size=100``.

    Raises
    ------
    StrategyOptimizerError
        One of its kinds, naming what cannot be used.
    """
    chosen = _engine(engine, folds)
    searched = engine_space(chosen, space, constraints)
    given = planned_evaluations(evaluations, seconds, optimizer_settings, DEFAULT_ENGINE_EVALUATIONS)
    budget = Budget(given, seconds, target, patience)
    settings = EngineSettings(
        optimizer=optimizer,
        optimizer_settings=plain_settings(optimizer_settings),
        budget=budget,
        seed=seed,
        holdout=holdout,
        executor=executor,
        workers=workers,
        ray_address=ray_address,
        ray_share=ray_share,
        ray_patience=ray_patience,
        limits=limits or Limits(),
        memory=memory,
        lookahead=lookahead,
        cache=cache,
        prune=prune,
        checkpoint=checkpoint,
        resume=resume,
        validate=validate,
        ledger=ledger,
        start_points=start_points(warm_start, searched, budget.evaluations or PLANNED_WITHOUT_LIMIT),
    )
    goal = partial(_objective, objective, list(outcome_constraints), reference)
    return EngineTask(chosen, searched, goal, settings, sink=progress)


def is_engine_like(strategy: object) -> bool:
    """Return whether it is an engine, a function, or a list of those, and no strategy of our own."""
    if isinstance(strategy, (list, tuple)):
        return bool(strategy) and all(map(is_engine_like, strategy))
    return isinstance(strategy, Engine) or (callable(strategy) and not isclass(strategy))


def _engine(given: Any, folds: int | None) -> Engine:
    """Return the engine of what was given: one, a function, several, or a function of the fold too."""
    if folds is not None:
        if isinstance(given, (Engine, list, tuple)):
            raise EngineError(
                f"folds is {folds}, which is for a function of (parameters, fold); give a list of engines instead"
            )
        return FoldedEngine.of_function(given, folds)
    if isinstance(given, (list, tuple)):
        return FoldedEngine([_engine(fold, None) for fold in given])
    return given if isinstance(given, Engine) else CallableEngine(given)


def engine_space(
    engine: Engine,
    space: ParameterSpace | Mapping[str, Any] | str | Path | None,
    constraints: Iterable[Any] = (),
) -> ParameterSpace:
    """Return what to search: the space that is given, else the one that the engine declares."""
    more = [constraints] if isinstance(constraints, str) else list(constraints)
    searched = _given_space(engine, space)
    return searched.with_constraints(*more) if more else searched


def _given_space(
    engine: Engine, space: ParameterSpace | Mapping[str, Any] | str | Path | None
) -> ParameterSpace:
    if isinstance(space, ParameterSpace):
        return space
    if space is not None:
        return ParameterSpace.from_json(space_document(space))
    declared = engine.space()
    if declared is None:
        raise SpaceError(
            f"{engine.label} declares no parameters; give space=, such as "
            "{'days': {'type': 'discrete', 'bounds': [5, 100]}}"
        )
    return declared


def _objective(
    wanted: ObjectiveLike | None,
    constraints: list[str | OutcomeConstraint],
    reference: Mapping[str, float] | str | None,
    names: tuple[str, ...],
) -> Objective:
    """Return the objective over the metrics that the engine gives."""
    if isinstance(wanted, Objective):
        raise EngineError(
            f"the objective is {wanted!r}, made for our own metrics; give its name, weights or JSON form, which is "
            f"read with the engine's metrics ({', '.join(names)})"
        )
    if wanted is None and "sharpe_ratio" not in names and len(names) > 1:
        raise ObjectiveError(
            f"the engine gives {listed(names)}, but no sharpe_ratio, which is searched when nothing is said; give one "
            f"of them: objective={names[0]!r}, or --objective {names[0]}"
        )
    if wanted is None:
        wanted = "sharpe_ratio" if "sharpe_ratio" in names else names[0]
    return parse_objective(wanted, constraints, reference, names)
