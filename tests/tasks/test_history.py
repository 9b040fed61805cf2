"""The columnar history: pages, best trial, tallies, memory."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from strategy_optimizer import ObjectiveFunction
from strategy_optimizer.backtest import METRICS, MetricsTable
from strategy_optimizer.errors import TaskError
from strategy_optimizer.tasks import TrialHistory
from strategy_optimizer.tasks.history import PAGE_ROWS


def fill(history: TrialHistory, scores: list[float], *, constraints: tuple[str, ...] = ()) -> None:
    points = history.space.sample(len(scores), 0)
    values = np.ones((len(scores), len(METRICS)))
    values[:, METRICS.index("sharpe_ratio")] = scores
    values[:, METRICS.index("trades")] = np.arange(len(scores)) + 1
    blocks = np.arange(len(scores) * history.n_blocks * 3, dtype=float).reshape(-1, history.n_blocks, 3)
    blocks[:, :, 0] = [5, 6]
    table = MetricsTable(values, blocks)
    history.append(
        points, table, ObjectiveFunction("sharpe_ratio", constraints=constraints).score_table(table), 0.5
    )


@pytest.mark.parametrize("group", [1, 1000, PAGE_ROWS, 3 * PAGE_ROWS + 7])
def test_any_grouping_gives_the_same_columns(group: int, space: Any) -> None:
    n = 3 * PAGE_ROWS + 7 if group > 1 else 50
    points = space.sample(n, 1)
    values = np.random.default_rng(0).random((n, len(METRICS)))
    blocks = np.random.default_rng(1).random((n, 2, 3))
    blocks[:, :, 0] = 9
    history = TrialHistory(space, 2)
    for first in range(0, n, group):
        rows = slice(first, first + group)
        table = MetricsTable(values[rows], blocks[rows])
        history.append(points[rows], table, ObjectiveFunction("skew").score_table(table), 0.1)
    assert len(history) == n
    np.testing.assert_array_equal(history.points, points)
    np.testing.assert_array_equal(history.metrics, values)
    np.testing.assert_array_equal(history.blocks, blocks)
    np.testing.assert_array_equal(history.block_returns, blocks[:, :, 1])
    np.testing.assert_array_equal(history.scores, values[:, METRICS.index("skew")])
    assert history.best == int(np.argmax(history.scores))
    np.testing.assert_array_equal(history.column("scores", 5, 40), history.scores[5:40])


def test_the_first_of_equals_is_the_best(space: Any) -> None:
    history = TrialHistory(space, 2)
    fill(history, [0.5, 0.9, 0.9])
    fill(history, [0.9, 0.1])
    assert history.best == 1
    fill(history, [0.95])
    assert history.best == 5
    assert history.improvements() == [0, 1, 5]


def test_an_empty_history(space: Any) -> None:
    history = TrialHistory(space, 2)
    assert len(history) == 0
    assert history.points.shape == (0, 4)
    assert history.blocks.shape == (0, 2, 3)
    assert history.block_returns.shape == (0, 2)
    assert history.reasons == []
    assert history.improvements() == []
    assert dict(history.failures()) == {}
    assert history.best is None


def test_trials_one_by_one(space: Any) -> None:
    history = TrialHistory(space, 2)
    fill(history, [0.5, math.nan, 0.7], constraints=("trades >= 2",))
    first, failed, last = history
    assert (first.number, first.state, first.feasible, first.reason) == (
        1,
        "completed",
        False,
        "violates trades >= 2",
    )
    assert (failed.state, failed.feasible, failed.reason) == ("failed", False, "sharpe_ratio is not a number")
    assert math.isnan(failed.score)
    assert (last.number, last.score, last.feasible, last.reason, last.seconds) == (3, 0.7, True, "", 0.5)
    assert last.parameters == space.to_dicts(history.points[2:])[0]
    assert last.metrics["trades"] == 3.0
    assert history[-1] == last
    with pytest.raises(TaskError, match="no trial 3; the history has 3"):
        history[3]


def test_tallies_are_sorted_and_separate_failures_from_violations(space: Any) -> None:
    history = TrialHistory(space, 2)
    fill(history, [math.nan, 0.1, math.inf, math.inf, 0.3], constraints=("trades >= 3",))
    assert list(history.failures().items()) == [
        ("sharpe_ratio is infinite", 2),
        ("sharpe_ratio is not a number", 1),
    ]
    assert dict(history.violations()) == {"violates trades >= 3": 1}
    assert (history.n_failed, history.n_infeasible) == (3, 1)


def test_the_block_counts_come_from_a_trial_that_completed(space: Any) -> None:
    history = TrialHistory(space, 2)
    values, blocks = np.full((2, len(METRICS)), np.nan), np.zeros((2, 2, 3))
    values[1], blocks[1, :, 0] = 1.0, [7, 8]
    table = MetricsTable(values, blocks, {0: "raised"})
    history.append(space.sample(2, 0), table, ObjectiveFunction("skew").score_table(table), 0.1)
    np.testing.assert_array_equal(history.blocks[:, :, 0], [[7, 8], [7, 8]])


def test_long_reasons_are_cut(space: Any) -> None:
    history = TrialHistory(space, 2)
    table = MetricsTable(np.full((1, len(METRICS)), np.nan), np.zeros((1, 2, 3)), {0: "x" * 10_000})
    history.append(space.sample(1, 0), table, ObjectiveFunction("skew").score_table(table), 0.1)
    assert history.reasons[0] == "x" * 500 + "..."


def test_a_hundred_thousand_trials_stay_below_sixty_megabytes(space: Any) -> None:
    history = TrialHistory(space, 16)
    table = MetricsTable(np.ones((2000, len(METRICS))), np.ones((2000, 16, 3)))
    scores = ObjectiveFunction("skew").score_table(table)
    points = space.sample(2000, 0)
    for _ in range(50):
        history.append(points, table, scores, 0.1)
    used = sum(column.nbytes for page in history._pages for column in vars(page).values())
    assert len(history) == 100_000
    assert used < 60e6
