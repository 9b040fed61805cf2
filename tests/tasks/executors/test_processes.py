from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from contracts.executor import SendingExecutorContract, finish, run_all
from strategy_optimizer.tasks.executors import Executor, Limits, ProcessExecutor
from strategy_optimizer.tasks.executors.worker_process import WorkerProcess


class TestProcessExecutor(SendingExecutorContract):
    def create(self, function: Callable[[Any], Any]) -> Executor:
        return ProcessExecutor(function, workers=2)


def test_a_run_at_hand_is_taken_back_from_behind_a_slow_one(mark: str, tmp_path: Path) -> None:
    def function(parameters: tuple[str, float]) -> str:
        name, seconds = parameters
        time.sleep(seconds)
        with (tmp_path / name).open("a") as file:
            file.write("x")
        return name

    with ProcessExecutor(function, workers=2) as executor:
        run_all(executor, [(f"warm {number}", 0.0) for number in range(20)])
        assert executor.capacity == 4
        executor.submit(100, ("slow", 8.0))
        for number in range(4):
            executor.submit(number, (f"fast {number}", 0.001))
        order = [outcome.value for outcome in finish_in_order(executor)]
        # The same number again, for another run, while a skipped copy of the old one may still be on its way.
        executor.submit(3, ("again", 0.0))
        assert finish(executor)[3].value == "again"
    assert order[-1] == "slow"
    assert sorted(order[:-1]) == [f"fast {number}" for number in range(4)]
    assert {file.name: file.read_text() for file in tmp_path.iterdir()} == {
        file.name: "x" for file in tmp_path.iterdir()
    }


@pytest.mark.parametrize("first", [(2.0, 0.5), (0.5, 2.0)])
def test_what_was_skipped_here_goes_on_elsewhere(mark: str, first: tuple[float, float]) -> None:
    def function(seconds: float) -> float:
        time.sleep(seconds)
        return seconds

    with ProcessExecutor(function, workers=2) as executor:
        run_all(executor, [0.0] * 20)
        # The third waits behind the slower one, is taken back when the other ends, and still runs when that one ends.
        for number, seconds in enumerate([*first, 4.0]):
            executor.submit(number, seconds)
        assert [finish(executor)[2].value, executor.in_flight] == [4.0, 0]


def finish_in_order(executor: Executor) -> list[Any]:
    outcomes = []
    while executor.in_flight:
        outcomes += executor.wait(60.0)
    return outcomes


def test_what_is_at_hand_survives_the_run_before_it(mark: str) -> None:
    def function(parameters: float) -> float:
        time.sleep(parameters)
        return parameters

    with ProcessExecutor(function, workers=1, limits=Limits(seconds=1.0)) as executor:
        run_all(executor, [0.0] * 10)
        executor.submit(0, 60.0)
        executor.submit(1, 0.01)
        found = finish(executor)
    assert found[0].failure == "time_limit"
    assert found[1].value == 0.01


def test_a_wait_without_time_returns_at_once(mark: str) -> None:
    with ProcessExecutor(lambda x: time.sleep(60), workers=2) as executor:
        executor.submit(0, 0)
        assert [executor.wait(0.0) for _ in range(100)] == [[]] * 100


def test_an_outcome_that_arrives_twice_counts_once(mark: str, monkeypatch: pytest.MonkeyPatch) -> None:
    receive = WorkerProcess.receive

    def stuttering(worker: WorkerProcess) -> tuple[list[Any], bool]:
        said, is_open = receive(worker)
        return [frame for frame in said for _ in range(2)], is_open

    monkeypatch.setattr(WorkerProcess, "receive", stuttering)
    with ProcessExecutor(lambda number: 2 * number, workers=2) as executor:
        for number in range(40):
            executor.submit(number, number)
        outcomes = finish_in_order(executor)
    assert sorted((outcome.number, outcome.value) for outcome in outcomes) == [(n, 2 * n) for n in range(40)]
