"""The loop over an executor: what a search knows does not depend on who ran its trials, or when they ended."""

from __future__ import annotations

from contextlib import closing

import numpy as np
import pytest

from strategy_optimizer import ObjectiveFunction, ParameterSpace, create_optimizer
from strategy_optimizer.errors import TaskError
from strategy_optimizer.optimizer import Optimizer
from strategy_optimizer.tasks import Budget, Checkpoint, ExecutorLoop, export_trials, replay
from strategy_optimizer.tasks.engine_trial import TrialValue
from strategy_optimizer.tasks.executor_loop import Asked
from strategy_optimizer.tasks.executors import Outcome, SerialExecutor
from strategy_optimizer.tasks.trial_cache import TaskCache, TrialKeys
from virtual_executor import VirtualExecutor

NAMES = ("score", "effort")
OBJECTIVE = ObjectiveFunction("score", constraints=["effort <= 40"], names=NAMES)
TRIALS = 60


def make_space() -> ParameterSpace:
    return (
        ParameterSpace("loop")
        .add_parameter("x", "continuous", (0.0, 1.0))
        .add_parameter("n", "discrete", (1, 50))
        .add_parameter("kind", "categorical", ["a", "b"])
        .add_parameter("trail", "continuous", (0.01, 0.2), condition="kind == 'b'")
        .add_constraint("n > 10 * x")
    )


def trial(parameters) -> TrialValue:
    if parameters["n"] == 13:
        raise ValueError("unlucky")
    score = 1.0 - (parameters["x"] - 0.3) ** 2 - ((parameters["n"] - 20) / 50) ** 2
    return TrialValue({"score": score, "effort": float(parameters["n"])}, np.full((4, 3), score))


def uneven(number: int) -> float:
    """Seconds of a trial: some take fifty times as long as others."""
    return float(np.random.default_rng(number).choice([0.02, 0.1, 1.0]))


def optimizer(name: str = "ga", seed: int = 1, budget: int = TRIALS) -> Optimizer:
    return create_optimizer(name, make_space(), budget=budget, seed=seed)


def loop_of(name="ga", workers=2, lookahead=8, budget=TRIALS, function=trial, **options) -> ExecutorLoop:
    executor = VirtualExecutor(function, workers, uneven)
    return ExecutorLoop(
        optimizer(name, budget=budget),
        executor,
        OBJECTIVE,
        options.pop("budget_of", Budget(evaluations=budget)),
        lookahead=lookahead,
        n_blocks=4,
        **options,
    )


def columns(loop: ExecutorLoop) -> dict[str, np.ndarray]:
    names = ("points", "metrics", "sums", "scores", "states", "feasible", "asked", "known", "seconds")
    return {name: loop.history.column(name) for name in names}


def assert_same_history(a: ExecutorLoop, b: ExecutorLoop) -> None:
    for name, column in columns(a).items():
        np.testing.assert_array_equal(column, columns(b)[name], err_msg=name)


@pytest.mark.parametrize("name", ["random", "ga", "bo", "hybrid", "ensemble", "auto"])
def test_in_order_the_search_is_the_same_for_1_2_and_8_workers(name: str) -> None:
    loops = [loop_of(name, workers) for workers in (1, 2, 8)]
    for loop in loops:
        assert loop.run() == "budget"
        assert len(loop.history) == TRIALS
    for loop in loops[1:]:
        assert_same_history(loops[0], loop)
    asked, known = loops[0].history.column("asked"), loops[0].history.column("known")
    np.testing.assert_array_equal(asked, np.arange(TRIALS))
    np.testing.assert_array_equal(known, np.maximum(0, np.arange(TRIALS) - 7))


def test_more_workers_take_less_time_until_the_lookahead_is_used_up() -> None:
    clocks = {}
    for workers in (1, 2, 8, 16):
        loop = loop_of(workers=workers)
        loop.run()
        clocks[workers] = loop.executor.clock
    assert clocks[1] > 1.6 * clocks[2] > 2 * clocks[8]
    assert clocks[8] == clocks[16]


@pytest.mark.parametrize("name", ["random", "ga", "bo", "hybrid", "auto"])
@pytest.mark.parametrize("workers", [1, 7])
def test_the_log_of_a_free_search_replays_exactly(name: str, workers: int) -> None:
    loop = loop_of(name, workers, lookahead=None)
    loop.run()
    history = loop.history
    assert sorted(history.column("asked").tolist()) == list(range(TRIALS))
    if workers > 1:
        assert (np.diff(history.column("asked")) < 0).any()  # trials did overtake each other
    by_asking = np.argsort(history.column("asked"))
    np.testing.assert_array_equal(replay(optimizer(name), history, OBJECTIVE), history.points[by_asking])
    other = replay(optimizer(name, seed=2), history, OBJECTIVE) if name == "random" else None
    assert other is None or (other != history.points[by_asking]).any()


def test_one_worker_without_lookahead_is_ask_and_tell() -> None:
    loop = loop_of("ga", 1, lookahead=1)
    loop.run()
    plain = optimizer("ga")
    for point, score, effort, seconds in zip(
        loop.history.points,
        loop.history.scores,
        loop.history.metrics[:, 1],
        loop.history.seconds,
        strict=True,
    ):
        np.testing.assert_array_equal(plain.ask_array(1)[0], point)
        margin = [[(40 - effort) / 40]] if np.isfinite(effort) else [[np.nan]]
        plain.tell_array(point[None], [score], constraints=margin, seconds=[seconds])


class Stopping:
    """A function that stops the loop after so many runs."""

    def __init__(self, after: int) -> None:
        self.after = after
        self.loop: ExecutorLoop | None = None

    def __call__(self, parameters) -> TrialValue:
        self.after -= 1
        if self.after == 0:
            self.loop.cancel()
        return trial(parameters)


@pytest.mark.parametrize("after", [1, 9, 30, 59])
@pytest.mark.parametrize("name", ["ga", "bo"])
def test_a_search_that_was_stopped_goes_on_as_if_it_had_not(tmp_path, name: str, after: int) -> None:
    whole = loop_of(name)
    whole.run()
    with closing(Checkpoint(tmp_path / "c", {"test": 1})) as checkpoint:
        stopping = Stopping(after)
        stopped = stopping.loop = loop_of(name, function=stopping, checkpoint=checkpoint)
        assert stopped.run() == "cancelled"
    with closing(Checkpoint(tmp_path / "c", {"test": 1}, resume=True)) as checkpoint:
        resumed = loop_of(name, workers=3, checkpoint=checkpoint)
        assert resumed.run() == "budget"
    assert_same_history(whole, resumed)


def test_what_had_ended_when_the_search_stopped_is_in_its_history_and_not_run_again(tmp_path) -> None:
    stopping = Stopping(20)
    with closing(Checkpoint(tmp_path / "c", {"test": 1})) as checkpoint:
        stopped = stopping.loop = loop_of(workers=8, function=stopping, checkpoint=checkpoint)
        stopped.run()
    told = stopped.optimizer.n_told
    assert len(stopped.history) > told
    runs = []

    def counted(parameters):
        runs.append(parameters)
        return trial(parameters)

    with closing(Checkpoint(tmp_path / "c", {"test": 1}, resume=True)) as checkpoint:
        resumed = loop_of(workers=8, function=counted, checkpoint=checkpoint)
        resumed.run()
    assert len(runs) == TRIALS - len(stopped.history)


@pytest.mark.parametrize("name", ["random", "ga", "ensemble", "auto"])
def test_a_trial_that_the_optimizer_never_knew_may_win_and_is_nobodys(tmp_path, name: str) -> None:
    stopping, events = Stopping(20), []

    def ever_better(parameters) -> TrialValue:
        stopping(parameters)
        return TrialValue({"score": 100.0 - stopping.after, "effort": 1.0}, np.full((4, 3), 0.1))

    stopped = stopping.loop = loop_of(name, workers=8, function=ever_better, sink=events.append)
    assert stopped.run() == "cancelled"
    history, told = stopped.history, stopped.optimizer.n_told
    assert history.best >= told
    assert events[-2].best_parameters == history[history.best].parameters
    assert [trial.author for trial in history] == [
        *stopped.optimizer.authors,
        *[None] * (len(history) - told),
    ]
    export_trials(history, tmp_path / "trials.csv")
    assert len((tmp_path / "trials.csv").read_text().splitlines()) == 1 + len(history)


def test_failures_and_violations_are_noted_with_their_reasons() -> None:
    loop = loop_of("random", budget=200)
    loop.run()
    history = loop.history
    unlucky = history.points[:, 1] == 13
    assert unlucky.any()
    assert history.n_failed == unlucky.sum()
    assert set(history.failures()) == {"raised: unlucky"}
    assert set(history.violations()) == {"violates effort <= 40"}
    assert history[history.best].parameters["n"] != 13


def test_nothing_is_run_twice_within_a_task_nor_in_the_next() -> None:
    cache, runs = TaskCache(), []
    keys = TrialKeys(code="c", data="d", space=make_space())

    def counted(parameters):
        runs.append(parameters)
        return trial(parameters)

    first = loop_of(function=counted, cache=cache, keys=keys)
    first.run()
    made = len(runs)
    again = loop_of(function=counted, cache=cache, keys=keys)
    again.run()
    assert made == TRIALS
    assert first.history.n_failed
    assert len(runs) == made  # what raised would raise again
    assert_same_history(first, again)


def test_a_run_that_died_is_run_again_within_a_task() -> None:
    cache, keys = TaskCache(), TrialKeys(code="c", data="d", space=make_space())
    loop = loop_of(cache=cache, keys=keys)
    loop._asked[3] = Asked(loop.optimizer.ask_array(1)[0], 0)
    for failure in ("time_limit", "memory_limit", "crashed", "unreadable"):
        loop._note(Outcome(3, None, failure, "it did"))
        assert len(cache.memory) == 0
        assert loop._ended[3].reason == f"{failure}: it did"
    loop._note(Outcome(3, None, "raised", "it did"))
    assert len(cache.memory) == 1


@pytest.mark.parametrize("workers", [1, 5])
def test_sums_over_another_number_of_returns_are_not_known(workers: int) -> None:
    def uneven_returns(parameters) -> TrialValue:
        value = trial(parameters)
        if parameters["n"] > 40:
            return TrialValue(value.metrics)
        sums = np.full((4, 3), 2.0)
        sums[:, 0] = 10.0 if parameters["n"] > 20 else 9.0
        return TrialValue(value.metrics, sums)

    loop = loop_of("random", workers, function=uneven_returns)
    loop.run()
    history = loop.history
    n = history.points[:, loop.optimizer.space.names.index("n")]
    first = next(i for i in range(len(n)) if n[i] <= 40 and n[i] != 13)
    same = (n <= 40) & (n != 13) & ((n > 20) == (n[first] > 20))
    np.testing.assert_array_equal(np.isfinite(history.column("sums")).all(axis=(1, 2)), same)
    np.testing.assert_array_equal(history.block_counts, np.full(4, 10.0 if n[first] > 20 else 9.0))
    assert 0 < same.sum() < len(n)


def test_a_finite_space_is_exhausted() -> None:
    space = ParameterSpace("small").add_parameter("n", "discrete", (1, 5))
    executor = VirtualExecutor(lambda p: TrialValue({"score": 1.0, "effort": 1.0}), 3, uneven)
    loop = ExecutorLoop(
        create_optimizer("ga", space, budget=50), executor, OBJECTIVE, Budget(evaluations=50), n_blocks=4
    )
    assert loop.run() == "exhausted"
    assert sorted(loop.history.points[:, 0].tolist()) == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("workers", [1, 5])
def test_the_target_ends_the_search_where_it_was_reached(workers: int) -> None:
    loop = loop_of("random", workers, budget=200, budget_of=Budget(evaluations=200, target=0.9))
    assert loop.run() == "target"
    told = loop.optimizer.n_told
    scores = np.where(loop.history.feasible, loop.history.scores, -np.inf)[:told]
    assert scores[-8:].max() >= 0.9
    assert (scores[:-8] < 0.9).all()


def test_the_deadline_ends_it(monkeypatch) -> None:
    loop = ExecutorLoop(
        optimizer(), SerialExecutor(trial), OBJECTIVE, Budget(evaluations=10**6, seconds=0.3), n_blocks=4
    )
    assert loop.run() == "deadline"
    assert len(loop.history) > 0


def test_lookahead_is_checked() -> None:
    with pytest.raises(TaskError, match="lookahead is 0"):
        loop_of(lookahead=0)
