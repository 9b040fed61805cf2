"""Tasks on engines: their trials run in processes of the task, and the task is like any other."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import psutil
import pytest

from engine_worlds import Engines
from processes_left import gone_within, processes_with
from strategy_optimizer.engines.registry import get_engine
from strategy_optimizer.errors import (
    DataError,
    ObjectiveError,
    SpaceError,
    StrategyError,
    StrategyOptimizerError,
    TaskError,
)
from strategy_optimizer.models import ResultModel
from strategy_optimizer.models.analysis import AnalysisOut, PredictionOut
from strategy_optimizer.reading import analysing
from strategy_optimizer.storage import TaskRecord
from strategy_optimizer.tasks import TrialHistory, make_engine_task


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engines]:
    """A store with one worker of two slots, which may give its engines one secret and keeps another."""
    world = Engines(tmp_path_factory.mktemp("engines"))
    world.start(
        "--slots",
        "2",
        STRATEGY_OPTIMIZER_ENGINE_VARIABLES="ENGINE_SECRET, OTHER",
        ENGINE_SECRET="for engines",
        CANARY_PASSWORD="canary-secret",
    )
    try:
        yield world
    finally:
        world.close()


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Engines]:
    world = Engines(tmp_path)
    try:
        yield world
    finally:
        world.close()


def searches(task: TaskRecord) -> bool:
    return task.trials >= 20


def test_an_engine_is_run_to_its_verdict_and_finds_what_the_library_finds(world: Engines) -> None:
    task_id = world.submit("hill", 80, optimization_type="ga", config={"seed": 3})
    task = world.wait(task_id)
    assert (task.state, task.stop_reason, task.error, task.trials) == ("completed", "budget", None, 80)
    assert (task.progress or {})["usage"]["workers"] >= 1
    record = world.store.tasks.result(task_id)
    assert record is not None
    result = ResultModel.model_validate(dict(record.document))
    assert result.validation is not None
    assert result.validation.held_out is not None
    assert result.reproduced_by is not None
    assert result.reproduced_by.startswith("the hill in a fresh process: all 2 metrics agree")
    assert result.execution is not None
    assert (result.execution["executor"], result.execution["workers"]) == ("processes", 2)
    assert list(world.folder.glob("cache/trials-*.sqlite"))
    offered = get_engine(str(world.strategies / "hill.py"))
    mine = make_engine_task(
        offered.engine,
        "ga",
        space=offered.space(),
        evaluations=80,
        seed=3,
        executor="serial",
        ledger=False,
        cache=False,
    )
    mine.run()
    found = world.trials(task_id)
    for name in ("points", "scores", "metrics", "blocks"):
        np.testing.assert_array_equal(getattr(found, name), getattr(mine.history, name), err_msg=name)


def test_its_trials_are_analysed_by_the_metrics_of_the_engine(world: Engines) -> None:
    task_id = world.submit("hill", 60, optimization_type="random")
    assert world.wait(task_id).state == "completed"
    model = AnalysisOut.model_validate(analysing.analysis(world.store, task_id, 60))
    assert model.task_id == task_id
    said = analysing.prediction(world.store, task_id, "now", 60, {"x": 9}, ["sharpe_ratio", "trades"])
    assert PredictionOut.model_validate(said).metrics.keys() == {"sharpe_ratio", "trades"}
    with pytest.raises(ObjectiveError, match=r"no metric 'calmar_ratio'.*known: sharpe_ratio, trades"):
        analysing.prediction(world.store, task_id, "now", 60, {"x": 9}, ["calmar_ratio"])
    for refused in (
        lambda: analysing.comparison(world.store, [task_id, task_id]),
        lambda: analysing.report(world.store, task_id, 60, False, str(world.folder)),
    ):
        with pytest.raises(TaskError, match="is one on an engine with its own data"):
            refused()


def test_what_trials_do_is_their_failure_and_the_task_goes_on(world: Engines) -> None:
    config = {"trial_time": 3.0, "trial_memory": 150}
    objective = {"metric": "score"}
    task_id = world.submit("wild", 10, optimization_type="grid", config=config, objective_function=objective)
    task = world.wait(task_id)
    assert (task.state, task.error, task.losses, task.attempts) == ("completed", None, 0, 1)
    found = {trial.parameters["how"]: trial.reason for trial in world.trials(task_id)}
    assert {how: reason.partition(":")[0] for how, reason in found.items()} == {
        "behave": "",
        "raise": "raised",
        "crash": "crashed",
        "exit": "crashed",
        "hang": "time_limit",
        "hold": "time_limit",
        "eat": "memory_limit",
        "fork": found["fork"].partition(":")[0],
        "text": "raised",
        "secret": "raised",
    }
    assert found["fork"].startswith(("process_limit", "memory_limit"))  # whichever is met first
    assert found["secret"] == "raised: ValueError: for engines None"
    assert "canary-secret" not in world.log
    assert "the metric 'score' is 'high'" in found["text"]


def test_a_task_says_when_trials_of_folds_are_stopped(world: Engines) -> None:
    tasks = {
        prune: world.submit(
            "folded", 40, optimization_type="random", config=config, objective_function={"metric": "score"}
        )
        for prune, config in (("usual", {}), ("0.2", {"prune": 0.2}), ("off", {"prune": "off"}))
    }
    saved = {}
    for prune, task_id in tasks.items():
        task = world.wait(task_id)
        assert (task.state, task.error) == ("completed", None), world.log
        result = world.store.tasks.result(task_id)
        assert result is not None
        document = result.document
        saved[prune] = document["execution"].get("folds_saved", 0)
        assert (document["counts"]["pruned"] > 0) is (saved[prune] > 0)
    assert saved["0.2"] > saved["usual"] > saved["off"] == 0
    nothing_to_stop = world.wait(world.submit("hill", 5, config={"prune": 0.01}))
    assert nothing_to_stop.state == "failed"
    assert (nothing_to_stop.error or "").startswith("prune is 0.01, but the hill has no folds")


def test_a_task_is_cancelled_while_its_trials_do_not_end(world: Engines) -> None:
    task_id = world.submit("endless", 9)
    world.wait_until(lambda: processes_with("65432"))
    world.store.tasks.cancel(task_id)
    task = world.wait(task_id)
    assert (task.state, task.stop_reason, task.losses) == ("cancelled", "cancelled", 0)
    assert gone_within(60, "65432")


def test_a_paused_task_continues_with_the_same_trials(world: Engines) -> None:
    paused, whole = (
        world.submit("hill", 90, optimization_type="bo", config={"seed": seed}) for seed in (4, 4)
    )
    world.wait(paused, searches)
    world.store.tasks.pause(paused)
    assert world.wait(paused, lambda task: task.state != "running").state == "paused"
    world.store.tasks.resume(paused)
    assert [world.wait(each).state for each in (paused, whole)] == ["completed", "completed"]
    assert_same(world.trials(paused), world.trials(whole))


def test_a_missing_package_is_one_clear_error(world: Engines) -> None:
    task = world.wait(world.submit("lacking", 5))
    assert (task.state, task.attempts) == ("failed", 1)
    assert task.error == "backtesting.py is not installed; pip install 'strategy-optimizer[backtesting]'"


def test_a_metric_that_the_engine_does_not_give_fails_the_task(world: Engines) -> None:
    task = world.wait(world.submit("hill", 5, objective_function={"metric": "SQN"}))
    assert task.state == "failed"
    assert task.error == "there is no metric 'SQN' (known: sharpe_ratio, trades)"


def test_more_memory_for_a_trial_than_there_is_is_refused(world: Engines) -> None:
    task = world.wait(world.submit("hill", 5, config={"trial_memory": 10_000}))
    assert task.state == "failed"
    assert "trial_memory is 10,000 MB, but a task of this worker has" in (task.error or "")


def test_a_task_begins_with_the_best_points_of_another(world: Engines) -> None:
    first = world.submit("hill", 40, optimization_type="random")
    assert world.wait(first).state == "completed"
    second = world.submit("hill", 40, optimization_type="random", config={"seed": 2}, warm_start=first)
    assert world.wait(second).state == "completed"
    best = max(world.trials(first), key=lambda trial: trial.score)
    assert best.parameters in [trial.parameters for trial in list(world.trials(second))[:5]]


@contextmanager
def http_engine(key: str) -> Iterator[str]:
    """Serve the example of docs/engines/http.md, which answers those who have the key."""
    command = [
        sys.executable,
        str(Path(__file__).parents[2] / "examples" / "http_engine_server.py"),
        "--port",
        "0",
    ]
    environment = {**os.environ, "STRATEGY_OPTIMIZER_ENGINE_KEY": key}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield server.stdout.readline().strip()
        finally:
            server.kill()


def test_an_http_engine_gets_its_key_from_the_worker(alone: Engines) -> None:
    with http_engine("the-key-of-the-engine") as url:
        text = f"from strategy_optimizer.engines import HttpEngine\n\nengine = HttpEngine({url!r})\n"
        (alone.strategies / "remote.py").write_text(text)
        alone.start(STRATEGY_OPTIMIZER_ENGINE_KEY="the-key-of-the-engine")
        alone.wait_until(lambda: (found := alone.store.strategies.find("remote")) and found.newest)
        task = alone.wait(alone.submit("remote", 12, optimization_type="random"))
        assert (task.state, task.error, task.trials) == ("completed", None, 12)
        assert not [trial.reason for trial in alone.trials(task.id) if trial.reason]
    assert "the-key" not in alone.log
    assert "the-key" not in str(alone.store.tasks.result(task.id))


def test_a_killed_child_and_a_killed_worker_cost_nothing(alone: Engines) -> None:
    alone.start()
    task_id = alone.submit("hill", 120, optimization_type="ga", config={"seed": 9})
    task = alone.wait(task_id, searches)
    child = alone.child_of(task)
    workers = child.children(recursive=True)
    child.kill()
    again = alone.wait(task_id, lambda now: now.token > task.token)
    assert (again.attempts, again.losses) == (2, 1)
    assert again.trials >= task.trials
    again = alone.wait(task_id, lambda now: now.trials > task.trials + 20)
    workers += alone.child_of(again).children(recursive=True)
    alone.workers[0].kill()  # the worker itself
    alone.workers.pop().wait()
    alone.start()
    assert alone.wait(task_id).state == "completed"
    assert len(psutil.wait_procs(workers, timeout=60)[1]) == 0
    other = alone.submit("hill", 120, optimization_type="ga", config={"seed": 9})
    assert alone.wait(other).state == "completed"
    assert_same(alone.trials(task_id), alone.trials(other))


@pytest.mark.parametrize(
    ("others", "error", "words"),
    [
        (
            {"data": "nasdaq"},
            DataError,
            "is an engine, which has its own data; leave data out (found 'nasdaq')",
        ),
        ({"costs": {"commission": 0.1}}, TaskError, "which has its own costs; leave costs out"),
        ({"constraints": ["x < z"]}, SpaceError, "z"),
        ({"parameter_space": {"z": {"type": "discrete", "bounds": [1, 2]}}}, SpaceError, "'z'"),
        ({"objective_function": {"metric": "a", "weights": {"b": 1.0}}}, StrategyOptimizerError, "both"),
    ],
)
def test_what_does_not_fit_an_engine_is_refused(
    world: Engines, others: dict[str, object], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=re.escape(words)):
        world.submit("hill", 5, **others)


def test_what_is_for_engines_is_refused_elsewhere(world: Engines) -> None:
    config = {"trial_time": 5, "lookahead": "free", "prune": "off"}
    with pytest.raises(
        TaskError, match="trial_time, lookahead, prune: this is for engines, and the strategy 'momentum'"
    ):
        world.submit("momentum", 5, config=config)


def test_files_that_offer_no_engine_say_why(world: Engines) -> None:
    found = {record.name: record for record in world.store.strategies.all()}
    assert "_helper" not in found
    hill = found["hill"]
    assert hill.newest is not None
    assert world.store.strategies.version("hill", hill.newest).details["style"] == "engine"
    assert "it declares no parameters; say in its file what may be tried: space =" in (
        found["without_space"].problem or ""
    )
    assert "it has a space and the functions first, second; say which is the backtest" in (
        found["several"].problem or ""
    )
    with pytest.raises(StrategyError, match="cannot be used"):
        world.submit("several", 5)


def assert_same(one: TrialHistory, other: TrialHistory) -> None:
    assert len(one) == len(other)
    for name in ("points", "scores", "metrics", "blocks", "states"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)


def test_a_file_goes_to_other_machines_with_what_it_imports(world: Engines) -> None:
    """They have no copy of the version: nothing is imported there but what is installed."""
    code = (
        "import pickle, sys; from strategy_optimizer.catalogue.versions import load_version; from pathlib import Path\n"
        "from strategy_optimizer.workers.engine_inputs import send_code\n"
        "from strategy_optimizer.tasks.engine_trial import EngineTrial\n"
        "from strategy_optimizer.tasks.executors.sending import function_parts\n"
        "engine = load_version('hill', sys.argv[1], Path(sys.argv[2])).engine\n"
        "send_code(Path(sys.argv[2]))\n"
        "sys.stdout.buffer.write(pickle.dumps([bytes(part) for part in function_parts(EngineTrial(engine, 16))]))\n"
    )
    version = world.store.strategies.get("hill").newest
    sent = subprocess.run(
        [sys.executable, "-c", code, str(version), str(world.folder)], capture_output=True, check=True
    ).stdout
    elsewhere = (
        "import pickle, sys; parts = pickle.load(sys.stdin.buffer)\n"
        "trial = pickle.loads(parts[0], buffers=parts[1:])\n"
        "print(trial({'x': 7, 'y': 3}).metrics['trades'], '_helper' in sys.modules)\n"
    )
    found = subprocess.run(
        [sys.executable, "-c", elsewhere], input=sent, capture_output=True, check=True
    ).stdout
    assert found.decode().split() == ["50.0", "False"]
