"""Backtests a second of this engine beside vectorbt, RaptorBT and backtesting.py: the same work, one run.

    .venv-peers/bin/python benchmarks/bench_engine.py [--sets 1000] [--repeats 5] [--output FILE.md]

Momentum strategy on daily S&P 500 bars, stop-loss, take-profit, commission and slippage, close fills. Each
engine has a process of its own; the runs are interleaved (one of each, then again), and the best of the
repeats counts: on a machine that others use too it is the one least disturbed; the median stands beside it.
The first run, with compilation or the load from its cache, is reported apart. Memory is the peak of the
whole process.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import statistics
import sys
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from machine import machine_line, versions
from peers_engines import ENGINES, Job, serve

BARS = {"sp500": 5031}
PACKAGES = ("strategy-optimizer", "numba", "numpy", "vectorbt", "vectorbt-rust", "raptorbt", "backtesting")
TARGETS = {"RaptorBT, signals included": 30, "vectorbt, Rust engine": 200, "backtesting.py": 5000}
# Sets for each of --sets: more for the fast, so that a run is long enough to time, few for the slow.
SETS = {
    "backtesting.py": 0.03,
    "ours": 10,
    "ours, one thread": 5,
    "ours, next-open fills": 10,
    "ours, vectorised style": 3,
}
COLUMNS = (
    "engine",
    "sets",
    "backtests/s",
    "ours is",
    "ns a bar and core",
    "CPU ns a bar",
    "first run, s",
    "peak MB",
    "trades a set",
)
HEAD = """# Engines side by side

Momentum strategy, S&P 500 daily (5,031 bars), stop-loss, take-profit, commission 0.0005, slippage 0.0002,
close fills. Ours computes 17 metrics and 48 block sums of each set; vectorbt four metrics (total return, Sharpe
ratio, drawdown, win rate); RaptorBT and backtesting.py what they always compute. Best of the interleaved repeats
by the clock, the median in brackets; ratios are to the first row. "CPU ns a bar" is the processor time of the
process, which other users of the machine disturb less; "ns a bar and core" is the clock's, both cores counted
whoever had them. The peers' signals are made with NumPy, the rise over each lookback once. RaptorBT trades less
because after a stop it waits for an exit signal; vectorbt because it opens nothing on the bar of a stop;
backtesting.py counts the closed trades of fewer sets. Trades are compared one by one in tests/peers.

    {command}

Machine: {machine}, at the end {load:.2f}
"""


@dataclass
class Runner:
    """An engine's process and what it reported."""

    job: Job
    process: BaseProcess
    pipe: Connection
    start: dict[str, float]
    seconds: list[float] = field(default_factory=list)
    cpu_seconds: list[float] = field(default_factory=list)
    megabytes: float = 0.0

    @property
    def rate(self) -> float:
        """Backtests a second in the best run."""
        return self.job.n_sets / min(self.seconds)

    @property
    def cpu_nanoseconds(self) -> float:
        """Processor time a bar in the best run."""
        return 1e9 * min(self.cpu_seconds) / self.job.n_sets / BARS[self.job.data]

    @property
    def median_rate(self) -> float:
        return self.job.n_sets / statistics.median(self.seconds)


def main() -> None:
    arguments = _arguments()
    machine = machine_line()
    runners = [_start(name, arguments) for name in ENGINES if name in arguments.engines]
    runners = [runner for runner in runners if runner is not None]
    for _ in range(arguments.repeats):
        for runner in runners:
            runner.pipe.send("run")
            seconds, cpu_seconds = _receive(runner.pipe)
            runner.seconds.append(seconds)
            runner.cpu_seconds.append(cpu_seconds)
    for runner in runners:
        runner.pipe.send("stop")
        runner.megabytes = _receive(runner.pipe)
        runner.process.join()
    text = _report(runners, arguments, machine)
    print(text)
    if arguments.output:
        arguments.output.write_text(text)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sets", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--engines", nargs="*", default=list(ENGINES), choices=list(ENGINES))
    parser.add_argument("--output", type=Path)
    return parser.parse_args()


def _start(name: str, arguments: argparse.Namespace) -> Runner | None:
    job = Job(name, "sp500", max(1, int(arguments.sets * SETS.get(name, 1))))
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=serve, args=(job, there), daemon=True)
    process.start()
    try:
        return Runner(job, process, here, _receive(here))
    except (RuntimeError, ImportError) as error:
        print(f"left out: {name}: {error}", file=sys.stderr)
        return None


def _receive(pipe: Connection) -> Any:
    answer = pipe.recv()
    if isinstance(answer, Exception):
        raise answer
    return answer


def _report(runners: list[Runner], arguments: argparse.Namespace, machine: str) -> str:
    rates = {runner.job.engine: runner.rate for runner in runners}
    cores, load = len(os.sched_getaffinity(0)), os.getloadavg()[0]
    lines = [
        HEAD.format(command=_command(arguments), machine=machine, load=load),
        f"Versions: {versions(PACKAGES)}\n",
        f"| {' | '.join(COLUMNS)} |",
        "|---|" + "---:|" * (len(COLUMNS) - 1),
    ]
    lines += [_row(runner, rates["ours"], cores) for runner in runners]
    lines += ["", "## Targets", "", "| target | measured | |", "|---|---:|---|"]
    for name, target in TARGETS.items():
        if name in rates:
            lines.append(_verdict(f"at least {target:,} x {name}", rates["ours"] / rates[name], target))
    if "ours, vectorised style" in rates:
        ratio = rates["ours"] / rates["ours, vectorised style"]
        met = "met" if ratio <= 6 else "missed"
        lines.append(f"| vectorised style within 6 x of the compiled one | {ratio:.1f} x | {met} |")
    for runner in runners:
        if runner.job.engine in ("ours", "ours, one thread"):
            nanoseconds = runner.cpu_nanoseconds
            met = "met" if nanoseconds < 3 else "missed"
            lines.append(f"| below 3 ns of CPU a bar, {runner.job.engine} | {nanoseconds:.2f} ns | {met} |")
    return "\n".join(lines) + "\n"


def _command(arguments: argparse.Namespace) -> str:
    return f"python benchmarks/bench_engine.py --sets {arguments.sets} --repeats {arguments.repeats}"


def _row(runner: Runner, ours: float, cores: int) -> str:
    ratio = ours / runner.rate
    times = f"{ratio:,.1f} x" if ratio < 100 else f"{ratio:,.0f} x"
    nanoseconds = 1e9 * cores / runner.rate / BARS["sp500"]
    cells = (
        runner.job.engine,
        f"{runner.job.n_sets:,}",
        f"{runner.rate:,.0f} ({runner.median_rate:,.0f})",
        times,
        f"{nanoseconds:,.2f}",
        f"{runner.cpu_nanoseconds:,.2f}",
        f"{runner.start['first']:.2f}",
        f"{runner.megabytes:,.0f}",
        f"{runner.start['trades']:.1f}",
    )
    return f"| {' | '.join(cells)} |"


def _verdict(what: str, ratio: float, target: float) -> str:
    return f"| {what} | {ratio:,.0f} x | {'met' if ratio >= target else 'missed'} |"


if __name__ == "__main__":
    main()
