"""All of the analysis of one search, as one value."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from strategy_optimizer.analysis.before_after import BeforeAfter, compare_before_after
from strategy_optimizer.analysis.convergence import Course, analyse_course
from strategy_optimizer.analysis.importance import Importance, analyse_importance
from strategy_optimizer.analysis.insights import Insight, find_failures, find_insights
from strategy_optimizer.analysis.prediction import Prediction, Predictor
from strategy_optimizer.analysis.surfaces import Surface, profile, surface
from strategy_optimizer.analysis.target import Target, main_targets
from strategy_optimizer.errors import TaskError
from strategy_optimizer.plain import plain_fields
from strategy_optimizer.tasks import Convergence, Result, TrialHistory
from strategy_optimizer.tasks.convergence import analyse_convergence
from strategy_optimizer.validation.statistics import NotEnough


@dataclass(frozen=True)
class TrialAnalysis:
    """What trials say, also those of a search that still runs.

    Attributes
    ----------
    task_id : str
    convergence : Course
    importance : dict
        By ``score``, or by each of several objectives.
    insights : tuple of Insight
    profiles : tuple of Surface or NotEnough
        The first target along each parameter, the most important first.
    surface : Surface or NotEnough or None
        The first target over the two most important parameters; None of a space with one.
    predictions : tuple of Prediction
        Of the parameters that were asked about.
    """

    task_id: str
    convergence: Course
    importance: Mapping[str, Importance]
    insights: tuple[Insight, ...]
    profiles: tuple[Surface | NotEnough, ...]
    surface: Surface | NotEnough | None
    predictions: tuple[Prediction, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values; what there is too little for is ``{"not_enough": text}``."""
        return plain_fields(self)


@dataclass(frozen=True)
class Analysis(TrialAnalysis):
    """What a search that has ended says; see `TrialAnalysis`.

    Attributes
    ----------
    before_after : BeforeAfter
        The winner beside the strategy's default parameters.
    """

    before_after: BeforeAfter


def analyse(result: Result, at: Sequence[Mapping[str, Any]] = (), *, seed: int = 0) -> Analysis:
    """Return what the trials of a search say.

    Parameters
    ----------
    result : Result
        From `optimize`, or read from a file with `strategy_optimizer.models.read_result`.
    at : sequence of mappings
        Parameters to predict; inside the space that was searched.
    seed : int
        Draws samples and resamplings.

    Raises
    ------
    SpaceError
        Parameters to predict do not lie in the space.

    Examples
    --------
    >>> from strategy_optimizer import optimize
    >>> result = optimize("momentum", "nasdaq", evaluations=150, validate=False)
    >>> found = analyse(result, [result.default_parameters | {"lookback_period": 60}])
    >>> found.importance["score"].parameters[0].name
    'lookback_period'
    """
    found = analyse_trials(result.task_id, result.history, at, measures=result.convergence, seed=seed)
    return Analysis(**vars(found), before_after=compare_before_after(result))


def analyse_trials(
    task_id: str,
    history: TrialHistory,
    at: Sequence[Mapping[str, Any]] = (),
    *,
    measures: Convergence | None = None,
    seed: int = 0,
) -> TrialAnalysis:
    """Return what trials say, of a search that may still run.

    Parameters
    ----------
    task_id : str
    history : TrialHistory
    at : sequence of mappings
        Parameters to predict; inside the space that was searched.
    measures : Convergence, optional
        As the result has them; without one the improvement over the defaults is not known.
    seed : int
        Draws samples and resamplings.

    Raises
    ------
    TaskError
        No trial may win so far.
    SpaceError
        Parameters to predict do not lie in the space.
    """
    if history.best is None:
        raise TaskError(
            f"none of the {len(history):,} trials of {task_id} may win so far, so there is nothing to analyse yet"
        )
    predictor = Predictor(history, seed=seed)
    predictions = tuple(predictor.predict(params) for params in at)  # a mistake is found before the work
    targets = [predictor.target(name) for name in main_targets(history)]
    importance = {target.name: analyse_importance(target, seed=seed) for target in targets}
    insights = [*find_failures(history)]
    insights += [each for target in targets for each in find_insights(target, importance[target.name])]
    main, *_ = targets
    names = [each.name for each in importance[main.name].parameters]
    return TrialAnalysis(
        task_id=task_id,
        convergence=analyse_course(history, measures or analyse_convergence(history, math.nan), target=main),
        importance=importance,
        insights=tuple(insights),
        profiles=tuple(profile(main, name) for name in names),
        surface=_first_pair(main, names),
        predictions=predictions,
    )


def _first_pair(target: Target, names: Sequence[str]) -> Surface | NotEnough | None:
    return surface(target, names[0], names[1]) if len(names) > 1 else None
