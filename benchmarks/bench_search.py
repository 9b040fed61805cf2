"""A whole search: 100,000 trials of the momentum strategy by the genetic algorithm, and the start of the program.

python benchmarks/bench_search.py
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from machine import machine_line, peak_megabytes

TRIALS = 100_000


def search() -> list[str]:
    """Run the search in this process, once small to compile and once in full."""
    import numpy as np

    from strategy_optimizer import (
        Costs,
        create_optimizer,
        evaluate_population,
        get_strategy,
        load_bars,
        optimize,
    )

    strategy, bars = get_strategy("momentum"), load_bars("sp500")
    optimize(strategy, bars, "ga", evaluations=500, seed=1, validate=False)
    before = peak_megabytes()
    start, cpu = time.perf_counter(), time.process_time()
    result = optimize(strategy, bars, "ga", evaluations=TRIALS, seed=0, holdout=0.0, validate=False)
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    grown = peak_megabytes() - before

    optimizer = create_optimizer("ga", strategy.space(), budget=TRIALS, seed=0)
    own = asked = 0.0
    while asked < TRIALS:
        tick = time.process_time()
        points = optimizer.ask_array(optimizer.batch_size)
        own += time.process_time() - tick
        scores = np.nan_to_num(
            evaluate_population(strategy, points, bars, costs=Costs(0.0005))["sharpe_ratio"]
        )
        tick = time.process_time()
        optimizer.tell_array(points, scores)
        own += time.process_time() - tick
        asked += len(points)
    return [
        f"| {TRIALS:,} trials, seconds | {seconds:.2f} | 5 |",
        f"| the same, processor seconds | {cpu:.2f} | |",
        f"| optimizer, processor microseconds a trial | {own / asked * 1e6:.1f} | 10 |",
        f"| memory above the bars, MB | {grown:.0f} | 100 |",
        f"| best Sharpe ratio in sample | {result.best_performance['composite_score']:.4f} | |",
    ]


def starts() -> list[str]:
    """Time the command line in processes of their own, the second start counted."""
    program = str(Path(sys.executable).with_name("strategy-optimizer"))
    calls = {
        "`import strategy_optimizer`": ([sys.executable, "-c", "import strategy_optimizer"], "0.3"),
        "`strategy-optimizer --help`": ([program, "--help"], ""),
        "`optimize momentum --data sp500 --evaluations 2000`, second start": (
            [program, "optimize", "momentum", "--data", "sp500", "--evaluations", "2000"],
            "3",
        ),
    }
    lines = []
    with tempfile.TemporaryDirectory() as folder:
        for name, (call, target) in calls.items():
            seconds = []
            for _ in range(4):
                tick = time.perf_counter()
                subprocess.run(call, check=True, capture_output=True, cwd=folder)
                seconds.append(time.perf_counter() - tick)
            lines.append(f"| {name}, seconds | {min(seconds[1:]):.2f} | {target} |")
    return lines


def main() -> None:
    print("# A whole search\n")
    print(
        "Genetic algorithm, momentum strategy, S&P 500 daily (5,031 bars), stops, costs, 17 metrics, two cores. The\n"
        "search alone: what its validation takes stands in statistics.md.\n"
    )
    print("    python benchmarks/bench_search.py\n")
    print(machine_line(), "\n")
    print("| figure | measured | at most |\n|---|---:|---:|")
    for line in [*search(), *starts()]:
        print(line)


if __name__ == "__main__":
    main()
