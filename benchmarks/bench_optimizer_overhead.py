"""What an optimizer itself costs per trial on the array path: ask_array + tell_array, duplicates included.

Run: .venv/bin/python benchmarks/bench_optimizer_overhead.py
Processor time (not wall time), so that other work on the machine does not count; memory is the growth of the
traced heap. The objective is a cheap formula, timed apart.
"""

from __future__ import annotations

import json
import platform
import time
import tracemalloc

import numpy as np

from strategy_optimizer.optimizer import create_optimizer
from strategy_optimizer.space import ParameterSpace


def mixed_space(n_dims: int, constrained: bool) -> ParameterSpace:
    space = ParameterSpace("overhead")
    space.add_parameter("fast", "discrete", (2, 400))
    space.add_parameter("slow", "discrete", (5, 1000), log=True)
    space.add_parameter("threshold", "continuous", (0.001, 0.1), log=True)
    space.add_parameter("size", "continuous", (0.1, 1.0), step=0.01)
    space.add_parameter("kind", "categorical", ["sma", "ema", "wma"])
    for index in range(n_dims - 5):
        space.add_parameter(f"x{index}", "continuous", (0.0, 1.0))
    if constrained:
        space.add_constraint("fast < slow")
    return space


def score(points: np.ndarray) -> np.ndarray:
    unit = points / np.array([400.0, 1000.0, 0.1, 1.0, 3.0, *[1.0] * (points.shape[1] - 5)])
    rough = 0.05 * np.sin(60.0 * unit).sum(axis=1)
    return np.where(unit[:, 2] > 0.8, np.nan, rough - ((unit - 0.37) ** 2).sum(axis=1))


def run(name: str, space: ParameterSpace, n_trials: int, batch: int) -> dict[str, float]:
    optimizer = create_optimizer(
        name, space, budget=n_trials, **({"population_size": batch} if name == "ga" else {})
    )
    optimizer.ask(1)  # imports and the first generation
    spent = objective = 0.0
    while optimizer.n_told < n_trials:
        start = time.process_time()
        points = optimizer.ask_array(batch)
        asked = time.process_time()
        scores = score(points)
        scored = time.process_time()
        optimizer.tell_array(points, scores)
        spent += time.process_time() - scored + asked - start
        objective += scored - asked
    state = time.process_time()
    n_bytes = len(json.dumps(optimizer.state(history=False)))
    state = time.process_time() - state
    return {
        "us": spent / n_trials * 1e6,
        "objective": objective / n_trials * 1e6,
        "state_kb": n_bytes / 1e3,
        "ms": state * 1e3,
    }


def memory(name: str, space: ParameterSpace, n_trials: int, batch: int) -> float:
    tracemalloc.start()
    optimizer = create_optimizer(name, space, budget=n_trials)
    while optimizer.n_told < n_trials:
        points = optimizer.ask_array(batch)
        optimizer.tell_array(points, score(points))
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return used / 1e6


def main() -> None:
    print(f"Python {platform.python_version()}, NumPy {np.__version__}, {platform.machine()}")
    heads = (
        ("dims", 5),
        ("constraint", 11),
        ("batch", 6),
        ("trials", 9),
        ("us/trial", 10),
        ("state kB", 10),
        ("ms", 7),
    )
    print(f"{'optimizer':10s}" + "".join(f"{head:>{width}s}" for head, width in heads))
    for name in ("random", "ga"):
        for n_dims in (5, 8):
            for constrained in (False, True):
                for batch in (100, 200, 500):
                    space = mixed_space(n_dims, constrained)
                    figures = run(name, space, 100_000, batch)
                    print(
                        f"{name:10s}{n_dims:5d}{constrained!s:>11s}{batch:6d}{100_000:9,d}{figures['us']:10.2f}"
                        f"{figures['state_kb']:10.1f}{figures['ms']:7.2f}",
                        flush=True,
                    )
    for name, batch in (("ga", 400), ("random", 400)):
        megabytes = memory(name, mixed_space(8, True), 100_000, batch)
        print(f"memory of {name} after 100,000 trials of 8 parameters: {megabytes:.1f} MB")


if __name__ == "__main__":
    main()
