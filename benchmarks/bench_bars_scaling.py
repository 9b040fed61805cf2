"""Time and memory of a sweep over a million bars, and what the first and the second start cost.

    .venv/bin/python benchmarks/bench_bars_scaling.py [--bars 1000000] [--sets 1000] [--output FILE.md]

Momentum strategy, synthetic one-minute bars, stop-loss, take-profit, costs, next-open fills, every metric. Each
case is a fresh process: bars are made, one candidate is evaluated (compilation or its cache; not counted), then
the sweep is timed. Memory is the peak of the whole process. The starts are whole processes by the clock: import,
load `sp500`, evaluate ten candidates; cold with an empty kernel cache, warm with a filled one.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from machine import machine_line, versions

SWEEP = """
import sys, time
sys.path.insert(0, {here!r})
import numpy as np
from machine import peak_megabytes
from strategy_optimizer import Costs, get_strategy
from strategy_optimizer.backtest import PopulationEvaluator, Rules
from strategy_optimizer.market import synthetic_market

bars = synthetic_market({n_bars}, bar="1m", seed=1)
strategy = get_strategy("momentum")
# Thresholds and levels that one-minute bars reach: a few thousand trades a set.
unit = np.random.default_rng(0).random(({n_sets}, 5))
points = np.array([10, 0.0, 0.1, 0.003, 0.003]) + unit * np.array([90, 0.004, 0.9, 0.02, 0.02])
points[:, 0] = np.floor(points[:, 0])
evaluator = PopulationEvaluator(strategy, bars, Rules(Costs(commission=0.0005, slippage=0.0002)))
evaluator.evaluate(points[:1])  # its arrays may leave the bounds of the space
before = peak_megabytes()
begin, cpu = time.perf_counter(), time.process_time()
table = evaluator.evaluate(points)
print(time.perf_counter() - begin, time.process_time() - cpu, before, peak_megabytes(), table["trades"].mean())
"""
START = """
from strategy_optimizer import evaluate_population, get_strategy, load_bars
candidates = [{"lookback_period": n} for n in range(10, 20)]
assert len(evaluate_population(get_strategy("momentum"), candidates, load_bars("sp500"))) == 10
"""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bars", type=int, default=1_000_000)
    parser.add_argument("--sets", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    machine = machine_line()
    sizes = (arguments.bars // 10, arguments.bars // 2, arguments.bars)
    sweeps = {size: _sweep(size, arguments) for size in sizes}
    text = _report(arguments, machine, sweeps, _starts(arguments.repeats))
    print(text)
    if arguments.output:
        arguments.output.write_text(text)


def _sweep(n_bars: int, arguments: argparse.Namespace) -> list[float]:
    """Return wall seconds, CPU seconds, MB before and at the peak, trades a set: the fastest of the repeats."""
    here = str(Path(__file__).parent)
    code = SWEEP.format(here=here, n_bars=n_bars, n_sets=arguments.sets)
    return min(_python(code) for _ in range(arguments.repeats))


def _python(code: str) -> list[float]:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    return [float(word) for word in done.stdout.split()]


def _starts(repeats: int) -> dict[str, float]:
    """Return the seconds of whole processes: import alone, cold and warm."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "STRATEGY_OPTIMIZER_CACHE": folder}
        seconds = {"cold (compiles)": _process_seconds(START, environment)}
        warm = [_process_seconds(START, environment) for _ in range(repeats)]
        imports = [_process_seconds("import strategy_optimizer", environment) for _ in range(repeats)]
    bare = statistics.median(_process_seconds("pass", environment) for _ in range(repeats))
    return seconds | {
        "warm (from the cache)": min(warm),
        "`import strategy_optimizer` alone": min(imports),
        "a bare interpreter": bare,
    }


def _process_seconds(code: str, environment: dict[str, str]) -> float:
    import time

    begin = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)
    return time.perf_counter() - begin


def _report(
    arguments: argparse.Namespace, machine: str, sweeps: dict[int, list[float]], starts: dict[str, float]
) -> str:
    command = f"python benchmarks/bench_bars_scaling.py --bars {arguments.bars} --sets {arguments.sets}"
    lines = [
        "# A million bars",
        "",
        f"Momentum strategy, synthetic one-minute bars, {arguments.sets:,} parameter sets, stop-loss, take-profit,",
        "costs, next-open fills, every metric; compilation is not counted. Memory is the peak of the whole process:",
        "before the sweep (import, making the bars, one candidate) and after it.",
        "",
        f"    {command}",
        "",
        f"Machine: {machine}",
        f"Versions: {versions(('strategy-optimizer', 'numba', 'numpy'))}",
        "",
        "| bars | seconds | backtests/s | CPU ns a bar | peak MB before | peak MB | trades a set |",
        "|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for n_bars, (seconds, cpu, before, peak, trades) in sweeps.items():
        nanoseconds = 1e9 * cpu / arguments.sets / n_bars
        lines.append(
            f"| {n_bars:,} | {seconds:.2f} | {arguments.sets / seconds:,.0f} | {nanoseconds:.2f} | "
            f"{before:.0f} | {peak:.0f} | {trades:,.0f} |"
        )
    few, half, many = sweeps.values()
    lines += [
        "",
        f"Twice the bars (the last two lines) take {many[1] / half[1]:.2f} times the processor time, ten times the",
        f"bars {many[1] / few[1]:.1f} times: a candidate's signals read the closes of all bars, which fit into the",
        "second-level cache for the fewest only.",
        f"Peak memory {many[3]:.0f} MB: the target is below 400 MB.",
        "",
        "| start: import, load `sp500`, ten candidates | seconds |",
        "|---|---:|",
        *(f"| {name} | {seconds:.2f} |" for name, seconds in starts.items()),
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
