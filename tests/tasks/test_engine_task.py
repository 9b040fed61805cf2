"""A whole search on another engine: real worker processes, a second run of the winner, the cache on disk."""

from __future__ import annotations

import math
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from strategy_optimizer import optimize
from strategy_optimizer.engines import CallableEngine
from strategy_optimizer.errors import (
    DataError,
    EngineError,
    ObjectiveError,
    ReproductionError,
    SpaceError,
    TaskError,
    UnsendableError,
)
from strategy_optimizer.models import ResultModel
from strategy_optimizer.tasks.engine_preparation import make_engine_task
from strategy_optimizer.tasks.executors import Limits

SPACE = {
    "x": {"type": "continuous", "bounds": [0.0, 1.0]},
    "n": {"type": "discrete", "bounds": [1, 40], "default": 5},
}
GIGABYTE = 2**30
IN_PROCESS = {"space": SPACE, "executor": "serial", "cache": False}


def hill(parameters):
    return {
        "sharpe_ratio": 1.0 - (parameters["x"] - 0.3) ** 2 - ((parameters["n"] - 20) / 40) ** 2,
        "trades": parameters["n"] * 10,
        "SQN": parameters["x"],
    }


def test_worker_processes_and_this_process_find_the_same(tmp_path):
    here = optimize(hill, evaluations=40, seed=2, **IN_PROCESS)
    there = optimize(hill, space=SPACE, evaluations=40, seed=2, workers=2, cache=False)
    np.testing.assert_array_equal(here.history.points, there.history.points)
    assert here.best_parameters == there.best_parameters
    assert there.reproduced
    assert "in a fresh process: all 3 metrics agree" in there.reproduced_by
    assert there.execution["executor"] == "processes"
    assert there.counts.trials == 40
    there.export(tmp_path / "trials.csv")
    header = (tmp_path / "trials.csv").read_text().splitlines()[0].split(",")
    assert header[-3:] == ["sharpe_ratio", "trades", "SQN"]
    model = ResultModel.from_json(there.to_json())
    assert model.best_parameters == there.best_parameters


@pytest.mark.parametrize(
    ("settings", "ceiling"),
    [
        ({}, 4 * GIGABYTE),
        ({"memory": GIGABYTE}, GIGABYTE),
        ({"limits": Limits(memory=GIGABYTE)}, 4 * GIGABYTE),
        ({"limits": Limits(memory=6 * GIGABYTE)}, 6 * GIGABYTE),
        ({"limits": Limits(memory=6 * GIGABYTE), "memory": GIGABYTE}, GIGABYTE),
        ({"limits": Limits(memory=None)}, None),
    ],
)
def test_a_task_has_a_ceiling_for_the_memory_of_all_its_trials(settings, ceiling):
    task = make_engine_task(hill, space=SPACE, workers=50, **settings)
    assert task.settings.ceiling == ceiling
    with task._executor(task.engine) as executor:
        assert executor._room.ceiling == ceiling


def test_a_function_that_cannot_be_sent_is_called_by_its_own_name():
    lock = threading.Lock()

    def locked(parameters):
        with lock:
            return hill(parameters)

    with pytest.raises(
        UnsendableError, match=r"the function '.*locked' cannot be sent .* 'lock' is a _thread.lock"
    ):
        optimize(locked, space=SPACE, evaluations=4, cache=False)


@pytest.mark.parametrize(
    "other", [{"lookahead": 3}, {"lookahead": None}, {"prune": False}, {"prune": 0.01}, {"seed": 1}]
)
def test_a_search_with_another_trajectory_is_another_one(other):
    task, another = (make_engine_task([hill, hill], space=SPACE, **settings) for settings in ({}, other))
    objective = task._make_objective(("sharpe_ratio", "trades"))
    assert task.identity(objective) != another.identity(objective)
    assert task.task_id(objective) != another.task_id(objective)


def test_a_ceiling_that_is_none():
    with pytest.raises(TaskError, match=r"memory is '4G'; expected a whole number from 1 up"):
        make_engine_task(hill, space=SPACE, memory="4G")


def test_any_metric_of_the_engine_can_be_searched_and_required():
    result = optimize(
        hill, objective="SQN", outcome_constraints=["trades <= 100"], evaluations=40, **IN_PROCESS
    )
    assert result.best_parameters["n"] <= 10
    assert result.best_score > 0.9
    front = optimize(hill, objective=["sharpe_ratio", "SQN"], evaluations=60, **IN_PROCESS).pareto_front
    assert len(front) > 1


def test_a_number_is_a_score_and_the_only_metric_is_the_objective():
    result = optimize(lambda p: -abs(p["n"] - 7), evaluations=40, **IN_PROCESS)
    assert result.best_parameters["n"] == 7
    assert list(result.best.in_sample) == ["score", "composite_score"]


def test_returns_become_block_sums():
    returns = np.random.default_rng(0).normal(0.001, 0.01, 165)

    def backtest(parameters):
        return {"score": parameters["x"], "returns": returns * parameters["x"]}

    result = optimize(backtest, evaluations=10, **IN_PROCESS)
    blocks, x = result.history.blocks, result.history.points[:, 0]
    assert blocks.shape == (10, 16, 3)
    np.testing.assert_allclose(blocks[:, :, 0].sum(axis=1), 165)
    np.testing.assert_allclose(blocks[:, :, 1].sum(axis=1), x * returns.sum())
    np.testing.assert_allclose(blocks[:, :, 2].sum(axis=1), x**2 * (returns**2).sum())


def test_the_part_held_out_is_run_for_the_winner_and_the_defaults_only():
    seen = []

    def held_out(parameters):
        seen.append(parameters)
        return {**hill(parameters), "sharpe_ratio": -1.0}

    result = optimize(CallableEngine(hill, held_out=held_out), evaluations=20, **IN_PROCESS)
    assert result.best.held_out["composite_score"] == -1.0
    assert seen == [result.best_parameters, result.default_parameters]
    assert result.default_parameters["n"] == 5


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"space": None}, SpaceError, "declares no parameters; give space="),
        ({"objective": "sharp_ratio"}, ObjectiveError, "did you mean 'sharpe_ratio'"),
        ({"outcome_constraints": ["trade >= 1"]}, ObjectiveError, "did you mean 'trades'"),
        ({"executor": "threads"}, TaskError, "expected one of 'processes', 'serial', 'ray'"),
        ({"ray_address": "auto"}, TaskError, "but the executor is 'serial'; expected 'ray'"),
        ({"lookahead": 0}, TaskError, "lookahead"),
        ({"resume": True}, TaskError, "resume needs the checkpoint's folder"),
        ({"data": "nasdaq"}, TaskError, "holds its data"),
        ({"prune": 0.01}, TaskError, "prune is 0.01, but .* has no folds.*; give folds and a function of"),
        ({"prune": 3}, TaskError, "prune is 3; expected True .*, False, or the chance"),
        ({"prune": "off"}, TaskError, "prune is 'off'; expected True"),
        ({"folds": 8}, EngineError, "cannot be called with one dict of parameters and a fold"),
        ({"folds": "8"}, EngineError, "folds is '8'; expected a whole number from 2 up"),
    ],
)
def test_what_cannot_work_is_said_before_the_first_trial(arguments, error, message):
    runs = []

    def counted(parameters):
        runs.append(parameters)
        return hill(parameters)

    with pytest.raises(error, match=message):
        optimize(counted, evaluations=20, **{**IN_PROCESS, **arguments})
    assert len(runs) <= 1


@pytest.mark.parametrize("given", [{"prune": 0.01}, {"folds": 8}, {"executor": "ray"}, {"lookahead": 1}])
def test_what_only_engines_have_is_no_setting_of_the_optimizer(given):
    (name,) = given
    with pytest.raises(TaskError, match=f"^{name}: for engines and functions only"):
        optimize("momentum", "nasdaq", evaluations=20, **given)


def test_a_function_of_folds_is_called_by_its_name_and_asks_for_their_number():
    def on_fold(parameters, fold):
        return parameters["x"] - fold

    task = make_engine_task(on_fold, folds=3, space=SPACE)
    assert task.engine.label.endswith("on_fold, 3 folds")
    with pytest.raises(EngineError, match="say how many folds there are: folds=8, or --folds 8"):
        optimize(on_fold, **IN_PROCESS)


@pytest.mark.parametrize(
    "others", [{}, {"objective": "total_return", "outcome_constraints": ["sharpe_ratio >= 1"]}]
)
def test_data_without_timestamps_are_said_before_the_first_trial(others):
    runs = []

    def timeless(parameters):
        runs.append(parameters)
        by_the_year = dict.fromkeys(("annual_return", "sharpe_ratio", "turnover"), math.nan)
        return {"total_return": parameters["x"], "trades": 5, **by_the_year}

    expected = (
        r"^sharpe_ratio of .*timeless cannot be known: the data have no timestamps.*; give them an index of"
    )
    with pytest.raises(DataError, match=expected + r" dates.*another objective \(total_return, trades\)"):
        optimize(timeless, evaluations=20, **IN_PROCESS, **others)
    assert len(runs) == 1
    assert optimize(timeless, objective="total_return", evaluations=20, **IN_PROCESS).best_score > 0.5


def test_an_engine_that_fails_at_once_is_not_searched():
    def broken(parameters):
        raise FileNotFoundError("prices.csv")

    with pytest.raises(TaskError, match=r"tried first.*raised: FileNotFoundError: prices.csv"):
        optimize(broken, evaluations=20, **IN_PROCESS)
    with pytest.raises(EngineError, match="cannot be called"):
        optimize(lambda x, n: 1.0, evaluations=20, **IN_PROCESS)
    with pytest.raises(TaskError, match=r"EngineError: the backtest returned 'good' .*'trades': 40}$"):
        optimize(lambda p: "good", evaluations=20, **IN_PROCESS)
    with pytest.raises(
        ObjectiveError, match=r"gives profit, risk, but no sharpe_ratio.*give one of them: objective='p"
    ):
        optimize(lambda p: {"profit": 1.0, "risk": 2.0}, evaluations=20, **IN_PROCESS)


def test_a_winner_that_is_luck_cannot_be_reproduced():
    rng = random.Random(1)
    with pytest.raises(ReproductionError, match=r"gives other numbers.*Do not use these parameters"):
        optimize(lambda p: rng.random(), evaluations=10, **IN_PROCESS)


def test_trials_that_crash_hang_or_eat_memory_fail_and_the_search_goes_on():
    def dangerous(parameters):
        if parameters["n"] == 1:
            os._exit(3)
        if parameters["n"] == 2:
            while True:
                time.sleep(0.1)
        if parameters["n"] == 3:
            hoard = []
            while True:
                hoard.append(bytearray(2**24))
        return hill(parameters)

    space = {
        "x": SPACE["x"] | {"bounds": [0.0, 0.001]},
        "n": {"type": "discrete", "bounds": [1, 6], "default": 5},
    }
    limits = Limits(seconds=2, memory=400 * 2**20)
    result = optimize(
        dangerous,
        optimizer="random",
        space=space,
        evaluations=14,
        workers=2,
        limits=limits,
        cache=False,
        lookahead=None,
    )
    history = result.history
    n = history.points[:, 1]
    assert {1, 2, 3} <= set(n.astype(int).tolist())
    for value, reason in ((1, "crashed"), (2, "time_limit"), (3, "memory_limit")):
        assert all(history[i].reason.startswith(reason) for i in np.flatnonzero(n == value)), reason
    assert (history.states[n > 3] == 0).all()
    assert result.best_parameters["n"] == 6


def test_what_another_task_has_computed_is_not_computed_again(tmp_path, monkeypatch):
    monkeypatch.setenv("STRATEGY_OPTIMIZER_CACHE", str(tmp_path))

    def slow(parameters):
        time.sleep(0.01)
        return hill(parameters)

    def slow_again(parameters):  # other code: another engine
        time.sleep(0.011)
        return hill(parameters)

    arguments = {"space": SPACE, "executor": "serial", "evaluations": 15, "seed": 3}
    first = optimize(slow, **arguments)
    second = optimize(slow, **arguments)
    other = optimize(slow_again, **arguments)
    assert first.execution["cached_trials"] <= 1
    assert second.execution["cached_trials"] == 16
    assert other.execution["cached_trials"] <= 1
    np.testing.assert_array_equal(first.history.points, second.history.points)
    np.testing.assert_array_equal(first.history.seconds, second.history.seconds)


SCRIPT = """
import sys, time
from strategy_optimizer import optimize

def backtest(p):
    time.sleep(0.004)
    return {"score": -(p["x"] - 0.3) ** 2 - ((p["n"] - 20) / 40) ** 2}

space = {"x": {"type": "continuous", "bounds": [0, 1]}, "n": {"type": "discrete", "bounds": [1, 40]}}
folder, resume = sys.argv[1], sys.argv[2] == "resume"
result = optimize(
    backtest, optimizer="ga", space=space, evaluations=300, workers=2, cache=False, checkpoint=folder, resume=resume
)
print(len(result.history), result.history.points.tobytes().hex()[-64:], result.best_trial)
"""


def test_a_search_killed_with_all_its_workers_goes_on_to_the_same_end(tmp_path):
    script = tmp_path / "search.py"
    script.write_text(SCRIPT)

    def start(folder: str, how: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, str(script), str(tmp_path / folder), how], stdout=subprocess.PIPE, text=True
        )

    whole, _ = start("whole", "new").communicate(timeout=300)
    state = tmp_path / "killed" / "state.json"
    killed = start("killed", "new")
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and (not state.exists() or '"trials":0' in state.read_text()):
        time.sleep(0.05)
    killed.send_signal(signal.SIGKILL)
    killed.communicate(timeout=60)
    resumed, _ = start("killed", "resume").communicate(timeout=300)
    assert whole
    assert resumed == whole
    assert not _left_over(script)


def _left_over(script: Path) -> list[str]:
    """Processes of the search that are still there, some seconds after its end."""
    for _ in range(50):
        found = []
        for entry in Path("/proc").iterdir() if Path("/proc/self").exists() else []:
            try:
                if str(script).encode() in (entry / "cmdline").read_bytes():
                    found.append(entry.name)
            except OSError:
                continue
        if not found:
            return []
        time.sleep(0.1)
    return found


def test_a_metric_that_a_trial_does_not_give_is_named():
    result = optimize(
        lambda p: {"score": p["x"], "n": 1} if p["n"] > 10 or p["n"] == 5 else {"n": 1},
        objective="score",
        optimizer="random",
        evaluations=50,
        **IN_PROCESS,
    )
    assert 0 < result.counts.failed < 50
    assert set(result.counts.failures) == {"gave no metric 'score', only n"}


@pytest.mark.parametrize("executor", ["serial", "processes"])
def test_what_raises_at_once_is_named_with_its_place(executor):
    def breaks(parameters):
        return {"score": parameters["y"]}

    with pytest.raises(TaskError, match=r"raised: KeyError: 'y' \(test_engine_task.py:\d+, in breaks\)$"):
        optimize(breaks, **IN_PROCESS | {"executor": executor}, evaluations=3)


def test_nan_is_a_failed_trial_with_a_reason():
    result = optimize(
        lambda p: {"score": p["x"] if p["n"] > 10 else math.nan},
        optimizer="random",
        evaluations=50,
        **IN_PROCESS,
    )
    assert result.counts.failed == int((result.history.points[:, 1] <= 10).sum())
    assert set(result.counts.failures) == {"score is not a number"}
