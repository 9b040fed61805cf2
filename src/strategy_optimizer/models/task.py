"""The task file: strategy, parameters, objective and budget."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, StrictBool, field_validator

from strategy_optimizer.backtest import Costs
from strategy_optimizer.errors import BacktestError
from strategy_optimizer.models.base import Model, Real, Value, Whole
from strategy_optimizer.objective import DEFAULT_OBJECTIVE, Objective, OutcomeConstraint, parse_objective
from strategy_optimizer.space import ParameterSpace

OptimizationType = Literal["ga", "bo", "hybrid", "nsga2", "ensemble", "auto", "random", "grid"]


class ParameterModel(Model):
    """One parameter: ``bounds`` for numbers, ``choices`` (or ``bounds``) for categories."""

    type: Literal["continuous", "discrete", "categorical"]
    bounds: list[Value] | None = None
    choices: list[Value] | None = None
    default: Value | None = None
    step: int | float | None = None
    log: StrictBool = False
    condition: str | None = None


class ObjectiveModel(Model):
    """Weights over metrics, a single metric, or several for a Pareto search; with outcome constraints.

    Examples
    --------
    >>> model = ObjectiveModel(metrics=["sharpe_ratio", "exposure:minimize"], constraints=["trades >= 30"])
    >>> str(model.to_objective())
    'maximize sharpe_ratio, minimize exposure'
    """

    type: Literal["multi_objective", "weighted", "metric", "pareto"] = "multi_objective"
    weights: dict[str, float] | None = None
    metric: str | None = None
    metrics: tuple[str, ...] | None = None
    reference: dict[str, float] | None = None
    constraints: tuple[str, ...] = ()

    def to_objective(self) -> Objective:
        """Return the objective, the Sharpe ratio where nothing is said; ObjectiveError names what is wrong with it."""
        return parse_objective(self.document() or DEFAULT_OBJECTIVE)

    def document(self) -> dict[str, Any]:
        """Return what was said, as `parse_objective` reads it; empty where nothing was."""
        return self.model_dump(exclude_unset=True)

    def named(self) -> tuple[str, ...]:
        """Return the metrics that it names, whatever engine may give them.

        >>> ObjectiveModel(metrics=["SQN", "exposure:minimize"], constraints=["trades >= 30"]).named()
        ('SQN', 'exposure', 'trades')
        """
        several = [name.rpartition(":")[0] or name for name in self.metrics or ()]
        bounded = [OutcomeConstraint.parse(text).metric for text in self.constraints]
        single = [] if self.metric is None else [self.metric]
        return tuple(
            dict.fromkeys([*(self.weights or {}), *single, *several, *(self.reference or {}), *bounded])
        )


class OptimizationConfigModel(Model):
    """How much is tried: ``budget``, else population_size x generations (ga, nsga2) or n_calls (others).

    Where only the other of the two is given, it counts. ``trial_time``, ``trial_memory``, ``lookahead`` and ``prune``
    are for trials that an engine runs.
    """

    population_size: Whole | None = Field(default=None, ge=2)
    generations: Whole | None = Field(default=None, ge=1)
    n_calls: Whole | None = Field(default=None, ge=1)
    parallel_workers: Whole | None = Field(default=None, ge=1)
    budget: Whole | None = Field(default=None, ge=1)
    seconds: Real | None = Field(default=None, gt=0)
    target: Real | None = None
    patience: Annotated[Whole, Field(ge=1)] | Literal["auto"] | None = None
    seed: Whole = Field(default=0, ge=0)
    holdout: Real = Field(default=0.25, ge=0, le=0.9)
    trial_time: Real | None = Field(
        default=None, gt=0, description="of an engine: seconds that one trial may take; it has failed then"
    )
    trial_memory: Whole | None = Field(
        default=None, ge=1, description="of an engine: megabytes that one trial may take; it has failed then"
    )
    lookahead: Annotated[Whole, Field(ge=1)] | Literal["free"] | None = Field(
        default=None,
        description="of an engine: trials in flight that do not know each other (8), the same trials on any number of "
        "workers; free keeps more workers busy",
    )
    prune: Annotated[Real, Field(gt=0, lt=0.5)] | Literal["off"] | None = Field(
        default=None,
        description="of an engine with folds: the chance to end above the best trial, below which a trial is stopped "
        "after some of them (0.01); off runs all folds",
    )

    def evaluations(self, optimization_type: str) -> int | None:
        """Return the planned trials, or None when the file does not say."""
        if self.budget is not None:
            return self.budget
        product = (self.population_size or 0) * (self.generations or 0) or None
        if optimization_type in ("ga", "nsga2"):
            return product or self.n_calls
        return self.n_calls or product


class TaskModel(Model):
    """A task. ``status``, ``progress`` and ``created_at`` are taken as they stand in old files, and ignored.

    Examples
    --------
    >>> task = TaskModel.from_json('''{"task_id": "opt_1", "strategy_name": "momentum",
    ...     "optimization_type": "ga",
    ...     "parameter_space": {"lookback_period": {"type": "discrete", "bounds": [10, 100]}},
    ...     "objective_function": {"type": "multi_objective", "weights": {"sharpe_ratio": 1.0}},
    ...     "optimization_config": {"population_size": 50, "generations": 100}}''')
    >>> task.to_space().names, task.evaluations
    (('lookback_period',), 5000)
    """

    task_id: str | None = None
    strategy_name: str
    optimization_type: OptimizationType = "auto"
    parameter_space: dict[str, ParameterModel] = Field(default_factory=dict)
    constraints: tuple[str, ...] = ()
    objective_function: ObjectiveModel = ObjectiveModel()
    optimization_config: OptimizationConfigModel = OptimizationConfigModel()
    data: str | None = None
    costs: dict[str, float] | None = None
    status: Any = None
    progress: Any = None
    created_at: Any = None

    @field_validator("costs")
    @classmethod
    def _known_costs(cls, costs: dict[str, float] | None) -> dict[str, float] | None:
        try:
            Costs(**(costs or {}))
        except (TypeError, BacktestError) as error:
            raise ValueError(str(error)) from error
        return costs

    @property
    def evaluations(self) -> int | None:
        """The planned trials, or None when the file does not say."""
        return self.optimization_config.evaluations(self.optimization_type)

    def to_space(self) -> ParameterSpace:
        """Return the parameter space of the file; SpaceError names the parameter that is wrong."""
        return ParameterSpace.from_json(
            self.parameter_space_json(), name=self.strategy_name, constraints=self.constraints
        )

    def parameter_space_json(self) -> dict[str, Any]:
        """Return the parameters as the file has them."""
        return {
            name: parameter.model_dump(exclude_unset=True) for name, parameter in self.parameter_space.items()
        }
