"""Stop a search at any group of trials, in any way: going on gives what the uninterrupted search gives."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from strategy_optimizer import ObjectiveFunction, ParameterSpace, create_optimizer
from strategy_optimizer.backtest import METRICS, MetricsTable
from strategy_optimizer.tasks import Budget, Checkpoint, SearchLoop

TRIALS = 200


class StoppingEvaluator:
    """Raises KeyboardInterrupt at a given call; everything else depends on the point alone."""

    def __init__(self, space: ParameterSpace, stop_at: int) -> None:
        self.space = space
        self.calls_left = stop_at

    def evaluate(self, points: NDArray[np.float64], /) -> MetricsTable:
        if self.calls_left == 0:
            raise KeyboardInterrupt
        self.calls_left -= 1
        unit = np.nan_to_num(self.space.to_unit(points), nan=0.5)
        values = np.ones((len(points), len(METRICS)))
        values[:, METRICS.index("sharpe_ratio")] = np.sin(9 * unit).sum(axis=1)
        values[unit[:, 0] > 0.9] = np.nan
        return MetricsTable(values, np.ones((len(points), 2, 3)))


def make_space() -> ParameterSpace:
    return (
        ParameterSpace("stopped")
        .add_parameter("x", "continuous", (0.0, 1.0))
        .add_parameter("n", "discrete", (1, 40))
        .add_parameter("on", "categorical", [True, False])
        .add_parameter("y", "continuous", (0.1, 10.0), log=True, condition="on == True")
    )


def search(
    optimizer: str, seed: int, group: int, stop_at: int = -1, folder: Path | None = None, resume: bool = False
) -> SearchLoop:
    space = make_space()
    saved = None if folder is None else Checkpoint(folder, {}, resume=resume)
    loop = SearchLoop(
        create_optimizer(optimizer, space, budget=TRIALS, seed=seed),
        StoppingEvaluator(space, stop_at),
        ObjectiveFunction("sharpe_ratio"),
        Budget(evaluations=TRIALS),
        checkpoint=saved,
        n_blocks=2,
    )
    loop._pace.size, loop._pace.seconds = group, 0.0  # the first group, then one by one
    loop.run()
    if saved is not None:
        saved.close()
    return loop


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from(["random", "grid", "ga"]),
    st.integers(0, 2**32),
    st.integers(1, 60),
    st.lists(st.integers(0, 70), max_size=3),
)
def test_stopping_changes_nothing(optimizer: str, seed: int, group: int, stops: list[int]) -> None:
    whole = search(optimizer, seed, 1000).history
    with tempfile.TemporaryDirectory() as name:
        for i, stop_at in enumerate(stops):
            search(optimizer, seed, group, stop_at, Path(name), resume=i > 0)
        again = search(optimizer, seed, group, -1, Path(name), resume=bool(stops)).history
    np.testing.assert_array_equal(again.points, whole.points)
    np.testing.assert_array_equal(again.scores, whole.scores)
    assert again.best == whole.best
    assert again.reasons == whole.reasons
