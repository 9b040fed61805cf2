"""The loop: budgets and stop reasons, failed trials, events, groups that do not matter, Ctrl-C."""

from __future__ import annotations

import os
import signal
import threading
import time
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from strategy_optimizer import ObjectiveFunction
from strategy_optimizer.backtest import METRICS, MetricsTable
from strategy_optimizer.errors import TaskError
from strategy_optimizer.records import Finished, Progress, Started
from strategy_optimizer.tasks import loop as loop_module
from strategy_optimizer.tasks import search_loop
from strategy_optimizer.tasks.search_loop import Pace

OPTIMIZERS = ("random", "grid", "ga")


def test_the_budget_of_trials_is_met_exactly(make_loop: Any) -> None:
    for optimizer in ("random", "ga"):
        loop = make_loop(optimizer, planned=333)
        assert loop.run() == "budget"
        assert len(loop.history) == 333
        assert loop.optimizer.n_told == 333


def test_the_history_holds_what_the_optimizer_was_told(make_loop: Any) -> None:
    loop = make_loop("ga")
    loop.run()
    np.testing.assert_array_equal(loop.history.points, loop.optimizer.log.points)
    np.testing.assert_array_equal(loop.history.scores, loop.optimizer.log.scores)
    assert loop.history[loop.history.best].parameters == loop.optimizer.best_params
    assert loop.history.best_score == loop.optimizer.best_score


def test_the_target_ends_the_search_after_a_whole_batch(make_loop: Any) -> None:
    loop = make_loop("random", planned=5000, target=0.9)
    assert loop.run() == "target"
    scores = loop.history.scores
    batch = loop.optimizer.batch_size
    assert len(scores) < 5000
    assert len(scores) % batch == 0
    assert scores.max() >= 0.9
    assert scores[:-batch].size == 0 or scores[:-batch].max() < 0.9


def test_patience_ends_the_search(make_loop: Any) -> None:
    loop = make_loop("random", planned=100_000, patience=400)
    assert loop.run() == "converged"
    best = int(np.nanargmax(loop.history.scores))
    assert len(loop.history) - best - 1 >= 400
    assert len(loop.history) - best - 1 < 400 + loop.optimizer.batch_size


def test_patience_counts_from_the_start_when_all_fail(make_loop: Any, evaluator: Any) -> None:
    evaluator.fail_above = -1.0
    loop = make_loop("random", planned=100_000, patience=300)
    assert loop.run() == "converged"
    assert len(loop.history) == 512


def test_seconds_end_the_search_and_keep_what_is_done(make_loop: Any, evaluator: Any) -> None:
    evaluator.before = lambda call: time.sleep(0.01)
    loop = make_loop("random", planned=100_000, evaluations=None, seconds=0.2)
    assert loop.run() == "deadline"
    assert 0 < len(loop.history) < 100_000
    assert loop.elapsed >= 0.2


def test_a_finite_space_is_exhausted(make_loop: Any, space: Any) -> None:
    loop = make_loop("grid", planned=200, evaluations=100_000)
    assert loop.run() == "exhausted"
    keys = space.keys(loop.history.points)
    assert len(set(keys.tolist())) == len(keys)


def test_cancel_from_another_thread(make_loop: Any, evaluator: Any) -> None:
    loop = make_loop("random", planned=10**6)
    evaluator.before = lambda call: threading.Thread(target=loop.cancel).start() if call == 5 else None
    assert loop.run() == "cancelled"
    assert 0 < len(loop.history) < 10**6


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_groups_do_not_change_the_search(
    optimizer: str, make_loop: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Evaluated one by one, by sevens, or whole batches: the same candidates in the same order."""
    histories = []
    for size in (1, 7, 10_000):
        monkeypatch.setattr(search_loop, "Pace", lambda size=size: FixedPace(size=size))
        loop = make_loop(optimizer, objective=ObjectiveFunction("sharpe_ratio", constraints=["trades >= 30"]))
        loop.run()
        histories.append(loop.history)
    for history in histories[1:]:
        np.testing.assert_array_equal(history.points, histories[0].points)
        np.testing.assert_array_equal(history.scores, histories[0].scores)
        assert history.best == histories[0].best


class FixedPace(Pace):
    def learn(self, n: int, elapsed: float) -> None:
        pass


def test_pace_aims_at_its_seconds_and_grows_slowly() -> None:
    pace = Pace(seconds=0.2, size=32)
    pace.learn(32, 32e-6)
    assert pace.size == 256
    pace.learn(256, 0.8)
    assert pace.size == 64
    pace.learn(64, 640.0)
    assert pace.size == 1
    pace.learn(1, 0.0)
    assert pace.size == 8


def test_failed_and_idle_trials_are_kept_and_never_win(make_loop: Any, evaluator: Any) -> None:
    evaluator.fail_above, evaluator.idle_below = 0.6, 0.4
    loop = make_loop("ga", planned=400)
    loop.run()
    history = loop.history
    failed = history.states == 1
    assert history.n_failed == failed.sum() > 0
    assert np.isnan(history.scores[failed]).all()
    assert set(history.failures()) == {"the strategy raised", "no_trades"}
    assert sum(history.failures().values()) == history.n_failed
    assert 0.4 <= history[history.best].parameters["x"] <= 0.6


def test_an_infeasible_trial_never_wins_over_a_feasible_one(make_loop: Any) -> None:
    objective = ObjectiveFunction("sharpe_ratio", constraints=["trades >= 80"])
    loop = make_loop("ga", objective=objective, planned=400)
    loop.run()
    history = loop.history
    assert history.n_infeasible > 0
    assert history.scores[~history.feasible].max() > history.best_score
    assert history[history.best].metrics["trades"] >= 80
    assert history.best_score == history.scores[history.feasible].max()
    assert list(history.violations()) == ["violates trades >= 80"]
    assert loop.optimizer.best_score == history.best_score


def test_no_winner_when_every_trial_fails(make_loop: Any, evaluator: Any) -> None:
    evaluator.fail_above = -1.0
    loop = make_loop("ga", planned=60)
    assert loop.run() == "budget"
    assert loop.history.best is None
    assert loop.history.n_failed == 60


def test_events(make_loop: Any) -> None:
    events: list[Any] = []
    loop = make_loop("random", planned=2000, sink=events.append)
    loop.run()
    assert isinstance(events[0], Started)
    assert events[0].optimizer == "random"
    assert isinstance(events[-1], Finished)
    assert events[-1].stop_reason == "budget"
    progress = [event for event in events if isinstance(event, Progress)]
    assert progress[-1].trials == 2000
    assert progress[-1].fraction == 1.0
    assert progress[-1].seconds_left == 0.0
    assert progress[-1].best_score == loop.history.best_score
    assert progress[-1].best_parameters == loop.history[loop.history.best].parameters


def test_progress_is_limited_to_ten_a_second(make_loop: Any, evaluator: Any, monkeypatch: Any) -> None:
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(loop_module, "time", SimpleNamespace(perf_counter=lambda: clock.now))

    def wait(call: int) -> None:
        clock.now += 0.005

    evaluator.before = wait
    times: list[float] = []
    loop = make_loop(
        "random",
        planned=10**6,
        evaluations=None,
        seconds=0.6,
        sink=lambda e: times.append(clock.now) if isinstance(e, Progress) else None,
    )
    loop.run()
    gaps = np.diff(times[:-1])  # the last one is always sent
    assert len(gaps) >= 4
    assert gaps.min() >= loop_module.PROGRESS_INTERVAL - 1e-9
    assert gaps.max() <= loop_module.PROGRESS_INTERVAL + 0.005 + 1e-9


def test_progress_with_a_time_budget_only(make_loop: Any, evaluator: Any) -> None:
    evaluator.before = lambda call: time.sleep(0.005)
    events: list[Any] = []
    loop = make_loop("random", planned=10**6, evaluations=None, seconds=0.3, sink=events.append)
    loop.run()
    progress = [event for event in events if isinstance(event, Progress)]
    assert all(0.0 <= event.fraction <= 1.0 for event in progress)
    assert all(event.evaluations is None for event in progress)


def test_an_evaluator_that_loses_rows_is_an_error(make_loop: Any, evaluator: Any) -> None:
    evaluator.evaluate = lambda points: MetricsTable(np.zeros((1, len(METRICS))), np.zeros((1, 4, 3)))
    with pytest.raises(TaskError, match="1 rows for 32 candidates"):
        make_loop("random").run()


# -- Ctrl-C ---------------------------------------------------------------------------------------------


def interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def test_ctrl_c_while_trials_run(make_loop: Any, evaluator: Any) -> None:
    evaluator.before = lambda call: interrupt() if call == 4 else None
    loop = make_loop("random", planned=10**6)
    assert loop.run() == "interrupted"
    assert len(loop.history) == sum(evaluator.calls)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_ctrl_c_elsewhere_waits_for_the_group(make_loop: Any) -> None:
    loop = make_loop("random", planned=10**6)
    tell = loop.optimizer.tell_array

    def tell_and_interrupt(*args: Any, **kwargs: Any) -> None:
        interrupt()
        tell(*args, **kwargs)

    loop.optimizer.tell_array = tell_and_interrupt
    assert loop.run() == "interrupted"
    assert len(loop.history) == loop.optimizer.n_told == 32


def test_ctrl_c_raised_by_the_evaluator(make_loop: Any, evaluator: Any) -> None:
    def stop(call: int) -> None:
        if call == 2:
            raise KeyboardInterrupt

    evaluator.before = stop
    loop = make_loop("random")
    assert loop.run() == "interrupted"
    assert len(loop.history) == sum(evaluator.calls)


def test_in_another_thread_signals_are_left_alone(make_loop: Any) -> None:
    reasons: list[str] = []
    thread = threading.Thread(target=lambda: reasons.append(make_loop("random").run()))
    thread.start()
    thread.join()
    assert reasons == ["budget"]


def test_a_handler_of_the_program_is_left_alone(make_loop: Any, evaluator: Any) -> None:
    calls: list[int] = []
    evaluator.before = lambda call: interrupt() if call == 1 else None
    previous = signal.signal(signal.SIGINT, lambda signum, frame: calls.append(signum))
    try:
        assert make_loop("random").run() == "budget"
    finally:
        signal.signal(signal.SIGINT, previous)
    assert calls == [signal.SIGINT]
