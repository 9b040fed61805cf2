"""A thousand workers on a virtual clock: how busy an adaptive search keeps them.

    .venv/bin/python benchmarks/bench_many_workers.py [--workers 1000] [--trials 2000] [--output FILE.md]

Trials take 60 s in the mean, from 20 to 180 s (log-normal, seeded), and cost nothing here: the clock jumps to the
next end. What the loop and the optimizer really take, suggestions included, passes on the clock too, and workers
wait for it.
The search runs free (lookahead None): asked one by one, each time a worker is free, with all that has ended known.
"""

from __future__ import annotations

import argparse
import heapq
import time
from pathlib import Path
from typing import Any

import numpy as np

from machine import machine_line, versions
from strategy_optimizer import ObjectiveFunction, ParameterSpace, create_optimizer
from strategy_optimizer.records import Usage
from strategy_optimizer.tasks import Budget, ExecutorLoop
from strategy_optimizer.tasks.engine_trial import TrialValue
from strategy_optimizer.tasks.executors import Executor, Outcome

OPTIMIZERS = ("random", "ga", "bo", "auto")
HEAD = """# A thousand workers

{workers:,} workers on a virtual clock, {trials:,} trials of 60 s in the mean (20 to 180 s), eight mixed parameters,
free-running, asked one by one. What the loop and the optimizer take in truth passes on the clock as well.
*Busy while asking*: share of all workers' time in a trial, from the start until the last trial was handed out (after
that there is nothing left to give); *busy in all* until the last trial ended. *Pending*: most trials in flight when one
was asked for.

    python benchmarks/bench_many_workers.py --workers {workers} --trials {trials}

Machine: {machine}
Versions: {versions}

| {columns} |
|---|---:|---:|---:|---:|---:|---:|---:|
"""
COLUMNS = (
    "optimizer",
    "busy while asking",
    "busy in all",
    "suggestion, mean ms",
    "slowest hundred, ms",
    "pending",
    "clock, s",
    "thinking, s",
)


class ClockedExecutor(Executor):
    """Runs trials at once; they end when their time has passed on a clock that the search's own time moves too."""

    def __init__(self, function: Any, workers: int, seconds: np.ndarray) -> None:
        self.capacity = workers
        self.clock = 0.0
        self.asked_until = 0.0
        self.most_pending = 0
        self.think_times: list[float] = []
        self._function = function
        self._seconds = seconds
        self._running: list[tuple[float, int, Outcome]] = []
        self._intervals: list[tuple[float, float]] = []
        self._left = time.perf_counter()

    def submit(self, number: int, argument: Any) -> None:
        self._pass()
        self.most_pending = max(self.most_pending, len(self._running))
        self.asked_until = self.clock
        seconds = float(self._seconds[number])
        outcome = Outcome(number, self._function(argument), seconds=seconds)
        heapq.heappush(self._running, (self.clock + seconds, number, outcome))
        self._intervals.append((self.clock, self.clock + seconds))
        self._left = time.perf_counter()

    def wait(self, timeout: float | None = None) -> list[Outcome]:
        self._pass()
        if self._running:
            self.clock = max(self.clock, self._running[0][0])
        ended = []
        while self._running and self._running[0][0] <= self.clock:
            ended.append(heapq.heappop(self._running)[2])
        self._left = time.perf_counter()
        return ended

    def _pass(self) -> None:
        """Let the time that the search has taken since the last call pass."""
        elapsed = time.perf_counter() - self._left
        self.think_times.append(elapsed)
        self.clock += elapsed

    def busy(self, until: float) -> float:
        """Return the share of all workers' time in trials, from the start to `until`."""
        used = sum(max(0.0, min(end, until) - begin) for begin, end in self._intervals)
        return used / (self.capacity * until)

    @property
    def in_flight(self) -> int:
        return len(self._running)

    def usage(self) -> Usage:
        return Usage(self.capacity, len(self._running))

    def close(self) -> None:
        self._running.clear()


def make_space() -> ParameterSpace:
    space = ParameterSpace("bench")
    for i in range(4):
        space.add_parameter(f"x{i}", "continuous", (0.0, 1.0))
    for i in range(2):
        space.add_parameter(f"n{i}", "discrete", (1, 200))
    space.add_parameter("kind", "categorical", ["a", "b", "c"])
    space.add_parameter("trail", "continuous", (0.01, 0.2), condition="kind == 'c'")
    return space


def trial(parameters: dict[str, Any]) -> TrialValue:
    score = -sum((parameters[f"x{i}"] - 0.3) ** 2 for i in range(4))
    score -= sum((parameters[f"n{i}"] / 200 - 0.6) ** 2 for i in range(2))
    return TrialValue({"score": score + 0.1 * (parameters["kind"] == "b")})


def row(name: str, workers: int, trials: int) -> str:
    seconds = np.clip(np.random.default_rng(0).lognormal(np.log(54), 0.45, trials), 20, 180)
    seconds *= 60 / seconds.mean()
    executor = ClockedExecutor(trial, workers, seconds)
    optimizer = create_optimizer(name, make_space(), budget=trials, seed=1)
    objective = ObjectiveFunction("score", names=("score",))
    loop = ExecutorLoop(optimizer, executor, objective, Budget(evaluations=trials), lookahead=None)
    executor._left = time.perf_counter()
    loop.run()
    thinking = np.array(executor.think_times)
    asks = 1e3 * thinking.sum() / trials
    return (
        f"| {name} | {executor.busy(executor.asked_until):.1%} | {executor.busy(executor.clock):.1%} | {asks:.2f} | "
        f"{1e3 * np.sort(thinking)[-100:].mean():.1f} | {executor.most_pending:,} | {executor.clock:.0f} | "
        f"{thinking.sum():.1f} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--workers", type=int, default=1000)
    parser.add_argument("--trials", type=int, default=2000)
    parser.add_argument("--optimizers", nargs="*", default=list(OPTIMIZERS))
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    head = HEAD.format(
        workers=arguments.workers,
        trials=arguments.trials,
        machine=machine_line(),
        columns=" | ".join(COLUMNS),
        versions=versions(("strategy-optimizer", "numpy", "scipy")),
    )
    rows = []
    for name in arguments.optimizers:
        rows.append(row(name, arguments.workers, arguments.trials))
        print(rows[-1], flush=True)
    text = head + "\n".join(rows) + "\n"
    if arguments.output:
        arguments.output.write_text(text)
    else:
        print(text)


if __name__ == "__main__":
    main()
