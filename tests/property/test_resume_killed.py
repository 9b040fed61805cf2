"""Kill -9 at twenty seeded moments; each resumed search equals the uninterrupted one.

Run as a script this file is the process that gets killed: ``python test_resume_killed.py FOLDER OPTIMIZER``.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from strategy_optimizer import ObjectiveFunction, ParameterSpace, create_optimizer
from strategy_optimizer.backtest import METRICS, MetricsTable
from strategy_optimizer.tasks import Budget, Checkpoint, SearchLoop, TrialHistory, checkpoint

IDENTITY = {"test": "kill"}
TRIALS = 3000
N_KILLS = 20
LONGEST = 0.6
"""Seconds; the search takes longer."""


def make_space() -> ParameterSpace:
    return (
        ParameterSpace("killed", constraints=())
        .add_parameter("x", "continuous", (0.0, 1.0))
        .add_parameter("n", "discrete", (1, 500))
        .add_parameter("kind", "categorical", ["a", "b", "c"])
        .add_parameter("trail", "continuous", (0.01, 0.2), condition="kind == 'c'")
        .add_constraint("n > 100 * x")
    )


class SlowEvaluator:
    """Metrics from the point, and a pause, so that there is a moment to be killed in."""

    def __init__(self, space: ParameterSpace, pause: float) -> None:
        self.space = space
        self.pause = pause

    def evaluate(self, points: NDArray[np.float64], /) -> MetricsTable:
        time.sleep(self.pause * len(points))
        unit = np.nan_to_num(self.space.to_unit(points), nan=0.5)
        values = np.ones((len(points), len(METRICS)))
        values[:, METRICS.index("sharpe_ratio")] = 1.0 - ((unit - 0.37) ** 2).sum(axis=1)
        values[:, METRICS.index("trades")] = np.round(60 * unit[:, 1])
        blocks = np.repeat(unit.sum(axis=1), 12).reshape(-1, 4, 3)
        blocks[:, :, 0] = 9
        return MetricsTable(values, blocks)


def search(folder: Path | None, optimizer: str, *, resume: bool = False, pause: float = 0.0) -> TrialHistory:
    space = make_space()
    saved = None if folder is None else Checkpoint(folder, IDENTITY, resume=resume)
    loop = SearchLoop(
        create_optimizer(optimizer, space, budget=TRIALS, seed=5),
        SlowEvaluator(space, pause),
        ObjectiveFunction("sharpe_ratio", constraints=["trades >= 10"]),
        Budget(evaluations=TRIALS),
        checkpoint=saved,
        n_blocks=4,
    )
    loop.run()
    if saved is not None:
        saved.close()
    return loop.history


@cache
def uninterrupted(optimizer: str) -> TrialHistory:
    return search(None, optimizer)


def start_and_kill(folder: Path, optimizer: str, after: float) -> None:
    """Start the search in a process of its own and kill it `after` seconds of searching."""
    process = subprocess.Popen(
        [sys.executable, __file__, str(folder), optimizer], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    time.sleep(after)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    process.stdout.close()


def has_begun(folder: Path) -> bool:
    """Whether there is anything to resume: within its first milliseconds a search has not even a lock."""
    return (folder / "lock").exists()


MOMENTS = [round(moment, 3) for moment in np.random.default_rng(2024).uniform(0.0, LONGEST, N_KILLS)]


@pytest.mark.parametrize(("number", "after"), list(enumerate(MOMENTS)))
def test_a_killed_search_resumes_to_the_same_result(number: int, after: float, tmp_path: Path) -> None:
    optimizer = ("ga", "random")[number % 2]
    start_and_kill(tmp_path, optimizer, after)
    resumed, whole = search(tmp_path, optimizer, resume=has_begun(tmp_path)), uninterrupted(optimizer)
    assert len(resumed) == TRIALS
    for column in ("points", "scores", "metrics", "feasible", "states", "blocks"):
        np.testing.assert_array_equal(getattr(resumed, column), getattr(whole, column), err_msg=column)
    assert (resumed.best, resumed.best_score) == (whole.best, whole.best_score)


def test_killed_again_and_again(tmp_path: Path) -> None:
    moments = random.Random(11)
    for _ in range(3):
        tmp_path.mkdir(exist_ok=True)
        start_and_kill(tmp_path, "ga", moments.uniform(0.1, 0.3))
    resumed, whole = search(tmp_path, "ga", resume=True), uninterrupted("ga")
    np.testing.assert_array_equal(resumed.points, whole.points)
    np.testing.assert_array_equal(resumed.scores, whole.scores)


if __name__ == "__main__":
    checkpoint.INTERVAL = 0.02  # many saves to be killed in
    print("ready", flush=True)  # noqa: T201
    search(Path(sys.argv[1]), sys.argv[2], resume=has_begun(Path(sys.argv[1])), pause=3e-4)
