"""How long a suggestion takes after n trials: `bo` and `hybrid` beside Optuna's GPSampler, one thread, mixed types.

    .venv-search/bin/python benchmarks/search/suggestion_time.py > benchmarks/search/results/suggestion_time.md

The trials are those of a random search on the moving-average cross over the S&P 500, eight parameters. Each suggestion
is told before the next one is asked for, so that fits of the hyperparameters are in the mean as often as in a search;
the median leaves most of them out.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from landscapes import landscapes
from run import ENVIRONMENT

from peers import PEERS
from strategy_optimizer import create_optimizer

SIZES = (100, 300, 1000)
TARGETS_MS = {100: 10, 300: 25, 1000: 60}
LANDSCAPE = "ma_cross-sp500-sharpe"
PACKAGES = ("strategy-optimizer", "numpy", "scipy", "optuna", "torch")
OURS, REPEATS, PEER_REPEATS = ("bo", "hybrid"), 30, 3


def main() -> None:
    if ENVIRONMENT.items() - os.environ.items():  # libraries read it when they are imported
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **ENVIRONMENT})
    sys.path.append(str(Path(__file__).parents[1]))
    from machine import machine_line, versions

    landscape = landscapes([LANDSCAPE])[0]
    points = landscape.space.sample(max(SIZES) + REPEATS, np.random.default_rng(0))
    scores = landscape.evaluate(points)
    times = {(name, n): _ours(name, landscape.space, points, scores, n) for n in SIZES for name in OURS}
    times |= {("optuna-gp", n): _gp_sampler(landscape.space, points, scores, n) for n in SIZES}
    print("# The time of a suggestion\n")
    print(f"{landscape.space.n_dims} parameters of `{LANDSCAPE}`, one thread, ms: median (mean).\n")
    print("    .venv-search/bin/python benchmarks/search/suggestion_time.py\n")
    print(f"Machine: {machine_line()}\n\nVersions: {versions(PACKAGES)}\n")
    print("| trials before | bo | hybrid | target | optuna-gp | optuna-gp / bo |")
    print("|---:|---:|---:|---:|---:|---:|")
    for n in SIZES:
        medians = {name: statistics.median(times[name, n]) for name in (*OURS, "optuna-gp")}
        cells = [
            f"{medians[name]:,.1f} ({statistics.mean(times[name, n]):,.1f})" for name in (*OURS, "optuna-gp")
        ]
        print(
            f"| {n:,} | {cells[0]} | {cells[1]} | {TARGETS_MS[n]} | {cells[2]} "
            f"| {medians['optuna-gp'] / medians['bo']:,.0f} |"
        )


def _ours(name: str, space: Any, points: np.ndarray, scores: np.ndarray, n: int) -> list[float]:
    """Return milliseconds of suggestions after n told trials."""
    optimizer = create_optimizer(name, space, budget=2 * max(SIZES), seed=1)
    optimizer.tell_array(points[:n], scores[:n])
    optimizer.ask_array(20)  # the first design is not what is measured
    found = []
    for i in range(REPEATS):
        start = time.perf_counter()
        asked = optimizer.ask_array(1)
        found.append(1e3 * (time.perf_counter() - start))
        optimizer.tell_array(asked, scores[n + i : n + i + 1])
    return found


def _gp_sampler(space: Any, points: np.ndarray, scores: np.ndarray, n: int) -> list[float]:
    peer = PEERS["optuna-gp"]()
    peer.start(space, n + PEER_REPEATS, 1)
    for point, score in zip(points[:n], scores[:n], strict=True):
        dense = np.where(np.isnan(point), space.default_values, point)
        values = [axis.encode(v) for axis, v in zip(peer.axes, dense.tolist(), strict=True)]
        peer._adopt(values)
        peer._report(values, float(score))
    found = []
    for i in range(PEER_REPEATS):
        start = time.perf_counter()
        params = peer.ask()
        found.append(1e3 * (time.perf_counter() - start))
        peer.tell(params, float(scores[n + i]))
    return found


if __name__ == "__main__":
    main()
