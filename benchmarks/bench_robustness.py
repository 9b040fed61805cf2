"""Time and memory of `examine_robustness`: everything about one candidate, on one core.

    .venv/bin/python benchmarks/bench_robustness.py [--output benchmarks/results/robustness.md]

Momentum with its default parameters on `nasdaq` (5,031 bars), 1,000 bootstrap replications, 100 replications of each
kind of perturbed data. Each row is a fresh process: the first call, with the compilation of the look-ahead check, and
the fastest of three later ones; then the parts of a later one.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from machine import machine_line, peak_megabytes, versions

RESULTS = Path(__file__).parent / "results" / "robustness.md"
STYLES = ("compiled", "vectorised")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--output", type=Path, default=RESULTS)
    parser.add_argument("--style", choices=STYLES, help="measure one style in this process")
    arguments = parser.parse_args()
    if arguments.style:
        _measure(arguments.style)
        return
    lines = ["# Robustness", "", machine_line(), versions(["numpy", "numba"]), ""]
    lines += ["| strategy | part | seconds |", "|---|---|---:|"]
    for style in STYLES:
        done = subprocess.run(
            [sys.executable, __file__, "--style", style], check=True, capture_output=True, text=True
        )
        lines += done.stdout.splitlines()
    text = "\n".join(lines) + "\n"
    print(text)
    arguments.output.write_text(text)


def _measure(style: str) -> None:
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    from strategy_optimizer import Costs, get_strategy, load_bars
    from strategy_optimizer.backtest import Rules
    from strategy_optimizer.strategies.momentum import VectorisedMomentum
    from strategy_optimizer.validation import check_lookahead
    from strategy_optimizer.validation import robustness as r

    strategy = get_strategy("momentum") if style == "compiled" else VectorisedMomentum
    bars, rules = load_bars("nasdaq"), Rules(Costs(commission=0.0005, slippage=0.0002))

    def row(part: str, work: Callable[[], object], repeats: int = 3) -> None:
        print(f"| momentum, {style} | {part} | {_fastest(work, repeats):.3f} |")

    def whole() -> r.Robustness:
        return r.examine_robustness(strategy, {}, bars, rules)

    row("everything, first call of the process", whole, 1)
    row(f"everything, later calls ({whole().trials} backtests)", whole)
    subject = r.Subject(strategy, {}, bars, rules)
    trades = subject.result.trades
    row("confidence bands", lambda: r.metric_bands(subject))
    row("parameters", lambda: r.parameter_perturbation(subject))
    row("costs and break-even", lambda: r.cost_perturbation(subject))
    row("delay", lambda: r.delay_perturbation(subject))
    for kind in ("noise", "resampling", "dropped_bars"):
        row(f"data: {kind}", lambda kind=kind: r.data_perturbation(subject, kind))
    row("permuted trades", lambda: r.reshuffled_trades(trades, rules.cash))
    row("bootstrapped trades", lambda: r.reshuffled_trades(trades, rules.cash, method="bootstrap"))
    row("look-ahead check", lambda: check_lookahead(strategy, {}, bars))
    print(f"| momentum, {style} | peak memory, MB | {peak_megabytes():.0f} |")


def _fastest(work: Callable[[], object], repeats: int) -> float:
    found = []
    for _ in range(repeats):
        begin = time.perf_counter()
        work()
        found.append(time.perf_counter() - begin)
    return min(found)


if __name__ == "__main__":
    main()
