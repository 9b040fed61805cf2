"""A search without bars: an evaluator that computes metrics from the point in a few microseconds."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from strategy_optimizer import ObjectiveFunction, ParameterSpace, create_optimizer
from strategy_optimizer.backtest import METRICS, MetricsTable
from strategy_optimizer.objective import Objective
from strategy_optimizer.tasks import Budget, SearchLoop

FloatArray = NDArray[np.float64]
N_BLOCKS = 4


class FakeEvaluator:
    """A smooth peak at the middle of the space; x above `fail_above` fails, `idle_below` makes no trade."""

    def __init__(self, space: ParameterSpace, fail_above: float = 2.0, idle_below: float = -1.0) -> None:
        self.space = space
        self.fail_above = fail_above
        self.idle_below = idle_below
        self.calls: list[int] = []
        self.before: Callable[[int], None] = lambda call: None

    def evaluate(self, points: FloatArray, /) -> MetricsTable:
        self.before(len(self.calls))
        self.calls.append(len(points))
        unit = np.nan_to_num(self.space.to_unit(points), nan=0.5)
        values = np.tile(np.linspace(0.1, 1.0, len(METRICS)), (len(points), 1))
        values[:, METRICS.index("sharpe_ratio")] = 1.0 - ((unit - 0.5) ** 2).sum(axis=1)
        values[:, METRICS.index("trades")] = np.where(
            unit[:, 0] < self.idle_below, 0, np.round(100 * unit[:, 0])
        )
        blocks = np.repeat(unit.sum(axis=1), N_BLOCKS * 3).reshape(-1, N_BLOCKS, 3)
        blocks[:, :, 0] = [7, 8, 7, 8]
        failed = np.flatnonzero(unit[:, 0] > self.fail_above).tolist()
        values[failed] = np.nan
        return MetricsTable(values, blocks, dict.fromkeys(failed, "the strategy raised"))


@pytest.fixture
def space() -> ParameterSpace:
    return (
        ParameterSpace("fake")
        .add_parameter("x", "continuous", (0.0, 1.0))
        .add_parameter("n", "discrete", (1, 50))
        .add_parameter("kind", "categorical", ["a", "b", "c"])
        .add_parameter("trail", "continuous", (0.01, 0.2), condition="kind == 'c'")
    )


@pytest.fixture
def evaluator(space: ParameterSpace) -> FakeEvaluator:
    return FakeEvaluator(space)


MakeLoop = Callable[..., SearchLoop]


@pytest.fixture
def make_loop(space: ParameterSpace, evaluator: FakeEvaluator) -> MakeLoop:
    """Return a function that makes a search loop over the fake evaluator."""

    def make(
        optimizer: str = "random",
        *,
        objective: Objective | None = None,
        seed: int = 0,
        checkpoint: object = None,
        sink: object = None,
        planned: int = 300,
        **budget: object,
    ) -> SearchLoop:
        goal = objective or ObjectiveFunction("sharpe_ratio")
        return SearchLoop(
            create_optimizer(optimizer, space, budget=planned, seed=seed, directions=goal.directions),
            evaluator,
            goal,
            Budget(**({"evaluations": planned} | budget)),  # type: ignore[arg-type]
            checkpoint=checkpoint,  # type: ignore[arg-type]
            sink=sink,  # type: ignore[arg-type]
            n_blocks=N_BLOCKS,
        )

    return make
