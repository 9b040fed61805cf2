"""Analyses, predictions and comparisons as JSON; the fields are those of `strategy_optimizer.analysis`."""

from __future__ import annotations

from typing import Any, TypeAlias

from pydantic import ConfigDict, Field

from strategy_optimizer.models.base import Model, Number, Value
from strategy_optimizer.models.result import ConvergenceModel
from strategy_optimizer.records import TrialState

Interval: TypeAlias = tuple[Number, Number]
Grid: TypeAlias = list[list[Number]]


class NotEnoughModel(Model):
    """There is no number, for want of something that is named."""

    not_enough: str


class EstimateModel(Model):
    """A number, and its band of 90 %."""

    value: Number
    lower: Number
    upper: Number


class ParameterImportanceModel(Model):
    """See `strategy_optimizer.analysis.importance.ParameterImportance`."""

    name: str
    active: Number
    total: EstimateModel | NotEnoughModel
    first: EstimateModel | NotEnoughModel
    permutation: EstimateModel | NotEnoughModel
    ped_anova: EstimateModel | NotEnoughModel
    pawn: EstimateModel | NotEnoughModel
    delta: EstimateModel | NotEnoughModel
    pawn_chance: Number
    delta_chance: Number


class ImportanceModel(Model):
    """How much each parameter matters, the most important first."""

    of: str
    parameters: list[ParameterImportanceModel]
    trials: int
    explained: Number | NotEnoughModel
    crowding: Number
    caution: str


class InsightModel(Model):
    """A sentence on a search, and the numbers that it is made of."""

    kind: str
    text: str
    parameter: str | None
    numbers: dict[str, Any]


class TrialMarkModel(Model):
    """A measured trial on a surface."""

    number: int
    x: Value
    y: Value | None
    value: Number


class SurfaceModel(Model):
    """A predicted score or metric over one parameter or two; rows of the grids are values of ``y``."""

    of: str
    x: str
    y: str | None
    x_values: list[Value]
    y_values: list[Value]
    at_best: Grid
    at_best_deviation: Grid
    averaged: Grid
    averaged_deviation: Grid
    good_trials: int
    trials: list[TrialMarkModel]
    explained: Number


class RegretModel(Model):
    """What a model of the trials believes is still to be found."""

    best: Number
    expected: Number
    bound: Number
    trials: int
    explained: Number


class AuthorShareModel(Model):
    """What one algorithm of a search contributed."""

    trials: int
    improvements: int
    best: Number


class CourseModel(Model):
    """How a search went; with several objectives ``best_so_far`` is the hypervolume."""

    measures: ConvergenceModel
    trials: list[int]
    best_so_far: list[Number]
    reference: dict[str, Number]
    authors: dict[str, AuthorShareModel]
    regret: RegretModel | NotEnoughModel


class MetricPredictionModel(Model):
    """What a metric is likely to be: a middle, and intervals that hold 50 % and 90 %."""

    value: Number
    half: Interval
    most: Interval
    explained: Number = Field(description="share of the trials' variation that the model foresees")


class MeasuredModel(Model):
    """The trial of these very parameters."""

    number: int
    parameters: dict[str, Value]
    metrics: dict[str, Number]
    score: Number
    state: TrialState
    feasible: bool
    seconds: Number
    reason: str
    author: str | None


class PredictionModel(Model):
    """What parameters are likely to measure on the bars that were searched."""

    parameters: dict[str, Value]
    metrics: dict[str, MetricPredictionModel | NotEnoughModel]
    failure: Number | NotEnoughModel = Field(description="the chance that the trial fails")
    measured: MeasuredModel | None = Field(
        description="the trial of these parameters, when there is one: then the predictions are its numbers"
    )
    trials: int = Field(description="that the predictions rest on")


class ChangeModel(Model):
    """One metric before and after."""

    metric: str
    before: Number
    after: Number
    difference: Number
    better: bool | None
    interval: Interval | None


class BeforeAfterModel(Model):
    """The winner beside the default parameters."""

    what: str
    before: dict[str, Value]
    after: dict[str, Value]
    in_sample: list[ChangeModel]
    held_out: list[ChangeModel]
    predicted: bool


class AnalysisOut(Model):
    """What the trials of a task say, as ``strategy-optimizer analyse --json`` prints it."""

    task_id: str
    convergence: CourseModel
    importance: dict[str, ImportanceModel] = Field(description="of `score`, or of each of several objectives")
    insights: list[InsightModel]
    profiles: list[SurfaceModel | NotEnoughModel] = Field(
        description="along each parameter, the most important first"
    )
    surface: SurfaceModel | NotEnoughModel | None = Field(
        description="over the two most important parameters"
    )
    predictions: list[PredictionModel]
    before_after: BeforeAfterModel | None = Field(
        default=None, description="absent while the task has no result"
    )


class PredictionIn(Model):
    """What is to be predicted."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"parameters": {"lookback_period": 60}, "metrics": ["score", "sharpe_ratio", "max_drawdown"]}
            ]
        }
    )

    parameters: dict[str, Value] = Field(
        max_length=200, description="those that are left out are those of the best trial"
    )
    metrics: list[str] | None = Field(
        default=None,
        min_length=1,
        max_length=40,
        description="metrics or `score`; what the search was for, and the usual ones, when left out",
    )


class PredictionOut(PredictionModel):
    """A prediction, and the task that it is made from."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "task_id": "opt_4f1c2a90b7d3e865",
                    "parameters": {"lookback_period": 60, "threshold": 0.021},
                    "metrics": {
                        "score": {
                            "value": 0.69,
                            "half": [0.67, 0.7],
                            "most": [0.62, 0.73],
                            "explained": 0.94,
                        }
                    },
                    "failure": 0.0,
                    "measured": None,
                    "trials": 997,
                }
            ]
        }
    )

    task_id: str


class CompareIn(Model):
    """Which tasks are compared."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"tasks": ["opt_4f1c2a90b7d3e865"]}]})

    tasks: list[str] = Field(min_length=1, max_length=100, description="ids of tasks that have results")


class TaskRowModel(Model):
    """One task in a table of several."""

    task_id: str
    strategy: str
    data: str
    objective: str
    optimizer: str
    seed: int
    trials: int
    seconds: Number
    score: Number
    held_out_score: Number
    sharpe_ratio: Number
    held_out_sharpe_ratio: Number
    parameters: dict[str, Value]
    verdict: str | None


class OptimizerRowModel(Model):
    """What one optimizer reached over several seeds."""

    name: str
    seeds: list[int]
    mean: Number
    spread: Number
    lowest: Number
    highest: Number
    held_out_mean: Number
    trials: Number
    seconds: Number


class PairTestModel(Model):
    """Two optimizers on the same seeds; a winner is named only with a p-value below 5 %."""

    first: str
    second: str
    seeds: int
    difference: Number
    p_value: Number | NotEnoughModel
    winner: str | None


class OptimizerComparisonModel(Model):
    """Several optimizers on one problem, the best mean first, and every pair tested."""

    rows: list[OptimizerRowModel]
    pairs: list[PairTestModel]


class CompareOut(Model):
    """Tasks beside each other; ``optimizers`` when all of them are searches of one problem with one objective."""

    tasks: list[TaskRowModel]
    optimizers: OptimizerComparisonModel | None
    why_not: str | None = Field(description="why optimizers are not compared")
