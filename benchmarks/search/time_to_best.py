"""How long a search takes to come within 1 % of the best known: compiled strategies, `auto`, all cores.

    .venv-search/bin/python benchmarks/search/time_to_best.py > benchmarks/search/results/time_to_best.md

99 % of the way from the median random trial to the best known, which comes from 60,000 random trials and local search,
on grids from all points. The optimizer's time counts, compiling does not. A search ends after 20 s.
"""

from __future__ import annotations

import statistics
import sys
import time
from dataclasses import replace
from pathlib import Path

from landscapes import Landscape, landscapes

from strategy_optimizer import create_optimizer

LIMIT, SEEDS, SHARE = 20.0, 2, 0.99
PLANNED = 100_000
THREADS = 2


def main() -> None:
    sys.path.append(str(Path(__file__).parents[1]))
    from machine import machine_line

    print(f"# Time to 99 % of the best known\n\n{__doc__.split(chr(10) * 2, 1)[1]}")
    print(
        f"Machine: {machine_line()}; `auto` with a budget of {PLANNED:,}, {THREADS} threads, {SEEDS} seeds.\n"
    )
    print("| landscape | seconds, by seed | trials |\n|---|---:|---:|")
    found: dict[str, list[tuple[float, int]]] = {}
    for landscape in landscapes(["strategy", "grid"]):
        ready = _with_threads(landscape)
        found[landscape.name] = [_search(ready, seed) for seed in range(SEEDS)]
        times = ", ".join(_text(seconds) for seconds, _ in found[landscape.name])
        trials = ", ".join(f"{n:,}" for _, n in found[landscape.name])
        print(f"| {landscape.name} | {times} | {trials} |", flush=True)
    for group in ("strategy", "grid"):
        names = {landscape.name for landscape in landscapes([group])}
        times = [seconds for name in names for seconds, _ in found[name]]
        reached = sum(seconds < LIMIT for seconds in times)
        print(f"\n{group}: median {_text(statistics.median(times))} s; {reached} of {len(times)} reached it.")
    times = [seconds for runs in found.values() for seconds, _ in runs]
    print(f"\nAll: median {_text(statistics.median(times))} s (2 s asked).")


def _with_threads(landscape: Landscape) -> Landscape:
    """Return the landscape evaluated by all cores, its machine code loaded."""
    ready = replace(landscape, function=replace(landscape.function, threads=THREADS))
    ready.evaluate(ready.space.sample(64, 0))
    return ready


def _search(landscape: Landscape, seed: int) -> tuple[float, int]:
    """Return the seconds until 99 % was reached, or the limit, and the trials made."""
    optimizer = create_optimizer("auto", landscape.space, budget=PLANNED, seed=seed)
    goal = landscape.median_random + SHARE * (landscape.best_known - landscape.median_random)
    start = time.perf_counter()
    while (elapsed := time.perf_counter() - start) < LIMIT:
        points = optimizer.ask_array(optimizer.batch_size)
        if len(points) == 0:
            break
        begin = time.perf_counter()
        scores = landscape.evaluate(points)
        optimizer.tell_array(points, scores, seconds=(time.perf_counter() - begin) / len(points))
        if optimizer.best_score is not None and optimizer.best_score >= goal:
            return time.perf_counter() - start, optimizer.n_told
    return min(elapsed, LIMIT), optimizer.n_told


def _text(seconds: float) -> str:
    return f"{seconds:.2f}" if seconds < LIMIT else "not reached"


if __name__ == "__main__":
    main()
