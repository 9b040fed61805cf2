"""What every executor must do: each implementation's test class inherits this."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import pytest

from strategy_optimizer.errors import ExecutorError
from strategy_optimizer.tasks.executors import Executor, Outcome

PATIENCE = 120.0
"""Seconds after which a test gives up; the machine may be busy with other things."""


def finish(executor: Executor) -> dict[int, Outcome]:
    """Wait for everything in flight; an outcome that is delivered twice fails the test."""
    found: dict[int, Outcome] = {}
    deadline = time.monotonic() + PATIENCE
    while executor.in_flight:
        for outcome in executor.wait(timeout=1.0):
            assert outcome.number not in found, f"delivered twice: {outcome}"
            found[outcome.number] = outcome
        assert time.monotonic() < deadline, f"{executor.in_flight} runs have no outcome; there are {found}"
    return found


def run_all(executor: Executor, arguments: list[Any]) -> dict[int, Outcome]:
    """Run the function on all arguments, as many at once as the executor likes."""
    found: dict[int, Outcome] = {}
    waiting = list(enumerate(arguments))[::-1]
    deadline = time.monotonic() + PATIENCE
    while waiting or executor.in_flight:
        while waiting and executor.in_flight < executor.capacity:
            executor.submit(*waiting.pop())
        for outcome in executor.wait(timeout=1.0):
            assert outcome.number not in found, f"delivered twice: {outcome}"
            found[outcome.number] = outcome
        assert time.monotonic() < deadline
    return found


class Unreadable:
    """Can be pickled and not read again."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _refuse, ()


class Leaving:
    """Ends whoever reads it."""

    def __reduce__(self) -> tuple[Any, ...]:
        return sys.exit, ("leaving",)


def _refuse() -> None:
    raise RuntimeError("this cannot be read")


class UntoldError(Exception):
    """Its text cannot be made."""

    def __str__(self) -> str:
        sys.exit("not even this")


class ExecutorContract(ABC):
    """Give `create`; the tests follow."""

    @abstractmethod
    def create(self, function: Callable[[Any], Any]) -> Executor:
        """Return the executor that is tested."""

    def test_every_run_has_one_outcome(self) -> None:
        with self.create(lambda parameters: parameters["x"] ** 2) as executor:
            found = run_all(executor, [{"x": x} for x in range(50)])
        assert {number: outcome.value for number, outcome in found.items()} == {x: x**2 for x in range(50)}
        assert all(outcome.failure is None and outcome.reason == "" for outcome in found.values())
        assert all(outcome.worker and outcome.seconds >= 0.0 for outcome in found.values())

    def test_numbers_are_the_callers(self) -> None:
        with self.create(lambda parameters: parameters) as executor:
            for number in (7, 3, 10**12):
                executor.submit(number, str(number))
            assert {number: outcome.value for number, outcome in finish(executor).items()} == {
                7: "7",
                3: "3",
                10**12: str(10**12),
            }

    def test_what_the_function_raises_is_an_outcome(self) -> None:
        def function(parameters: int) -> float:
            if parameters == 1:
                raise KeyError("fast")
            if parameters == 2:
                raise ValueError("too\n  many lines")
            if parameters == 3:
                sys.exit("enough")
            if parameters == 5:
                raise asyncio.CancelledError("no more")  # a BaseException, like the next
            if parameters == 6:
                raise GeneratorExit
            if parameters == 7:
                raise UntoldError
            return 1 / parameters

        with self.create(function) as executor:
            found = run_all(executor, list(range(8)))
        assert [found[number].reason for number in range(8)] == [
            "raised: ZeroDivisionError: division by zero",
            "raised: KeyError: 'fast'",
            "raised: ValueError: too many lines",
            "raised: SystemExit: enough",
            "",
            "raised: CancelledError: no more",
            "raised: GeneratorExit",
            "raised: UntoldError: (its text cannot be made)",
        ]
        assert found[4].value == 0.25
        assert found[1].value is None
        assert 'raise KeyError("fast")' in found[1].details

    def test_async_functions_are_run_to_their_end(self) -> None:
        async def function(parameters: float) -> float:
            await asyncio.sleep(0.001)
            return 1 / parameters

        with self.create(function) as executor:
            found = run_all(executor, [0.0, 2.0])
        assert found[0].reason.startswith("raised: ZeroDivisionError")
        assert found[1].value == 0.5

    def test_without_runs_waiting_returns_at_once(self) -> None:
        with self.create(lambda parameters: parameters) as executor:
            assert executor.wait() == []
            executor.submit(0, 1)
            assert executor.in_flight == 1
            finish(executor)
            assert executor.in_flight == 0
            assert executor.wait() == []

    def test_a_number_may_come_again_when_its_outcome_was_taken(self) -> None:
        with self.create(lambda parameters: parameters) as executor:
            for value in range(3):
                executor.submit(0, value)
                assert finish(executor)[0].value == value

    def test_large_values_travel(self) -> None:
        with self.create(lambda parameters: parameters * 2) as executor:
            found = run_all(executor, [b"x" * 3_000_000, b"y" * 5_000_000])
        assert [len(found[number].value) for number in range(2)] == [6_000_000, 10_000_000]

    def test_usage_knows_the_workers(self) -> None:
        def function(parameters: float) -> None:
            end = time.process_time() + parameters
            while time.process_time() < end:
                pass

        with self.create(function) as executor:
            run_all(executor, [0.3, 0.3])
            time.sleep(1.2)
            usage = executor.usage()
        assert 1 <= usage.workers <= executor.workers <= executor.capacity
        assert usage.busy == 0
        assert usage.cpu_seconds >= 0.5

    def test_it_can_be_closed_twice_and_in_mid_run(self) -> None:
        executor = self.create(lambda parameters: parameters)
        executor.submit(0, 1)
        executor.close()
        executor.close()
        assert executor.in_flight == 0
        assert executor.wait() == []
        with pytest.raises(ExecutorError, match="closed"):
            executor.submit(1, 1)


class SendingExecutorContract(ExecutorContract):
    """The same for an executor whose values come from other processes."""

    def test_a_value_that_cannot_be_sent_back_is_a_failure(self) -> None:
        def function(parameters: int) -> Any:
            return [threading.Lock(), Unreadable(), 5, Leaving()][parameters]

        with self.create(function) as executor:
            found = run_all(executor, [0, 1, 2, 3])
        assert found[0].failure == "unreadable"
        assert "cannot pickle '_thread.lock' object" in found[0].message
        assert found[1].failure == "unreadable"
        assert "this cannot be read" in found[1].message
        assert found[3].failure == "unreadable"
        assert "SystemExit: leaving" in found[3].message
        assert found[2].value == 5
