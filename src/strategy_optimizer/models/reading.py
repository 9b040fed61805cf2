"""Reads a result that was written as JSON back into the result that it was."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from strategy_optimizer.backtest.metrics import METRICS
from strategy_optimizer.errors import RepeatedKeyError, StrategyOptimizerError, TaskError
from strategy_optimizer.models.result import (
    ComparisonModel,
    RecommendationModel,
    ResultModel,
    TrialModel,
    VerdictModel,
)
from strategy_optimizer.objective import parse_objective
from strategy_optimizer.records import Trial
from strategy_optimizer.space import ParameterSpace
from strategy_optimizer.tasks import (
    Convergence,
    Counts,
    DataInfo,
    FrontPoint,
    Performance,
    Result,
    TrialHistory,
    history_of,
    read_history,
)
from strategy_optimizer.tasks.trial_reading import as_number

SCORE = "composite_score"
PYTHON = "Python: "  # how a result names a constraint that is Python code
_MAKE_ONE = "write one with: strategy-optimizer optimize STRATEGY --json > result.json"


@dataclass(frozen=True)
class ReadValidation:
    """What a file says of a result's validation: the verdict, and all of it as it stands there."""

    verdict: VerdictModel
    recommendation: RecommendationModel | None
    written: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return self.written


def read_result(path: str | Path, trials: str | Path | None = None, *, complete: bool = True) -> Result:
    """Return the result in a JSON file, with its history.

    Parameters
    ----------
    path : str or Path
        What ``optimize --json`` or `Result.to_json` wrote.
    trials : str or Path, optional
        What ``--export`` wrote of the same search. Needed where the file does not hold all trials, which it does up to
        10,000 of them.
    complete : bool
        Whether a file without all its trials is refused; else the history holds those that it has.

    Raises
    ------
    TaskError
        It cannot be read, is no such result, or lacks its trials.

    Notes
    -----
    The history has no block sums, and the statistics of ``validation`` are plain values. A constraint in Python is
    only named in the file, and so is not in the space.
    """
    path = Path(path)
    model = _model(path)
    try:
        space, objective = _space(model), parse_objective(_without_text(model.objective or {}))
    except StrategyOptimizerError as error:
        raise TaskError(f"{path} is no result of a search: {error}") from error
    history = (
        history_of(space, objective, map(_trial, model.optimization_history))
        if trials is None
        else read_history(trials, space, objective)
    )
    if complete:
        _check_complete(history, model, path, trials)
    return _result(model, history)


def result_of(document: Mapping[str, Any], history: TrialHistory | None = None) -> Result:
    """Return the result of a JSON document, with its trials.

    Parameters
    ----------
    document : mapping
        What `Result.to_dict` gave.
    history : TrialHistory, optional
        Its trials; without it there are none.

    Raises
    ------
    TaskError
        It is no such result.
    """
    try:
        model = ResultModel.model_validate(dict(document))
    except ValidationError as error:
        raise TaskError(f"the stored result cannot be read: {error.errors()[0]['msg']}") from error
    _check_fields(model, f"the result of {model.task_id}")
    if history is None:
        history = history_of(_space(model), parse_objective(_without_text(model.objective or {})), ())
    return _result(model, history)


def _model(path: Path) -> ResultModel:
    try:
        model = ResultModel.from_json(path.read_bytes())
    except OSError as error:
        raise TaskError(f"the result {path} cannot be read: {error.strerror or error}") from error
    except RepeatedKeyError as error:
        raise TaskError(f"the result {path} is not clear: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise TaskError(
            f"{path} is no result: {place + ': ' if place else ''}{first['msg']}; {_MAKE_ONE}"
        ) from error
    _check_fields(model, str(path))
    return model


def _check_fields(model: ResultModel, name: str) -> None:
    for field in ("space", "objective", "counts", "data", "best", "defaults", "buy_and_hold", "optimizer"):
        if getattr(model, field) is None:
            raise TaskError(f"{name} has no field '{field}', so there is too little to analyse; {_MAKE_ONE}")


def _space(model: ResultModel) -> ParameterSpace:
    document = dict(model.space or {})
    document["constraints"] = [c for c in document.get("constraints", ()) if not str(c).startswith(PYTHON)]
    return ParameterSpace.from_json(document, name=model.strategy_name or "space")


def _without_text(objective: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in objective.items() if name != "text"}


def _check_complete(history: TrialHistory, model: ResultModel, path: Path, trials: str | Path | None) -> None:
    """Refuse a part of the trials: the improvements alone would say nothing true of the others."""
    wanted = model.counts.trials if model.counts is not None else 0
    if len(history) == wanted:
        return
    if trials is not None:
        raise TaskError(
            f"{trials} has {len(history):,} trials and {path} {wanted:,}: they are not of one search"
        )
    raise TaskError(
        f"{path} holds {len(history):,} of {wanted:,} trials, the improvements alone; name a file with all of them, "
        "which --export writes: --trials FILE.parquet"
    )


def _trial(entry: TrialModel) -> Trial:
    metrics = _numbers(entry.performance)
    score = metrics.pop(SCORE)
    return Trial(
        number=entry.iteration,
        parameters=dict(entry.parameters),
        metrics={name: metrics.get(name, math.nan) for name in METRICS},
        score=score,
        state=entry.state,
        feasible=entry.state == "completed" and not entry.reason,  # the reason is the constraint it violates
        seconds=as_number(entry.seconds),
        reason=entry.reason,
        author=entry.author,
    )


def _numbers(performance: Any) -> dict[str, float]:
    """Return the metrics of a model, NaN where there is none."""
    return {name: as_number(value) for name, value in performance.model_dump().items()}


def _performance(model: ComparisonModel | None) -> Performance:
    assert model is not None
    return Performance(
        _numbers(model.in_sample), None if model.held_out is None else _numbers(model.held_out)
    )


def _result(model: ResultModel, history: TrialHistory) -> Result:
    """Return the result with a history in place of its embedded trials."""
    assert model.counts is not None
    assert model.data is not None
    made: dict[str, Any] = {
        "best": _performance(model.best),
        "defaults": _performance(model.defaults),
        "buy_and_hold": _performance(model.buy_and_hold),
        "convergence": _convergence(model),
        "counts": Counts(**model.counts.model_dump()),
        "data": DataInfo(**model.data.model_dump()),
        "history": history,
        "pareto_front": tuple(
            FrontPoint(
                point.trial,
                dict(point.parameters),
                {name: as_number(value) for name, value in point.objectives.items()},
                _performance(point.performance),
            )
            for point in model.pareto_front or ()
        ),
        "best_score": as_number(model.best_score),
        "validation": None
        if model.validation is None
        else ReadValidation(
            model.validation.verdict,
            model.validation.recommendation,
            model.validation.model_dump(mode="json", exclude_unset=True),
        ),
    }
    plain = {field.name: getattr(model, field.name) for field in fields(Result) if field.name not in made}
    return Result(**plain, **made)


def _convergence(model: ResultModel) -> Convergence:
    found = model.convergence_analysis
    if found is None:
        raise TaskError(f"the result has no field 'convergence_analysis'; {_MAKE_ONE}")
    return Convergence(
        found.convergence_iteration, as_number(found.final_improvement), as_number(found.exploration_ratio)
    )
