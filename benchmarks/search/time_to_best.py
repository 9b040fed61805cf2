"""How long a search takes to come within 1 % of the best known: compiled strategies, `auto`.

    .venv-search/bin/python benchmarks/search/time_to_best.py run
    .venv-search/bin/python benchmarks/search/time_to_best.py report > benchmarks/search/results/time_to_best.md

99 % of the way from the median random trial to the best known, which comes from 60,000 random trials and local search,
on grids from all points. The optimizer's time counts, compiling does not. A search ends after 20 s.

By default the clock on the wall counts and trials run on two threads. On a busy machine that measures the others; there
`run --clock cpu` counts the processor's time of one thread: what one core alone would need.

Runs are kept in results/time_to_best.jsonl; one that stands there is not repeated.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from landscapes import Landscape, landscapes
from run import append, read_runs

from strategy_optimizer import create_optimizer

RUNS = Path(__file__).with_name("results") / "time_to_best.jsonl"
LIMIT, SEEDS, SHARE = 20.0, 2, 0.99
PLANNED = 100_000
CLOCKS: dict[str, Callable[[], float]] = {"wall": time.perf_counter, "cpu": time.process_time}
THREADS = {"wall": 2, "cpu": 1}
HOW = {"wall": "seconds on the wall, 2 threads", "cpu": "seconds of the processor, 1 thread"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["run", "report"])
    parser.add_argument("--clock", choices=list(CLOCKS), default="wall")
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--landscapes", nargs="+", default=["strategy", "grid"], help="groups or names")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="start no search after so long")
    arguments = parser.parse_args()
    if arguments.what == "report":
        print(report(read_runs(RUNS)))
        return
    deadline = time.monotonic() + 60.0 * arguments.minutes
    done = {_key(record) for record in read_runs(RUNS)}
    for seed, landscape in itertools.product(range(arguments.seeds), landscapes(arguments.landscapes)):
        cell = {"landscape": landscape.name, "group": landscape.group, "clock": arguments.clock, "seed": seed}
        if _key(cell) not in done and time.monotonic() < deadline:
            record = cell | search(_with_threads(landscape, THREADS[arguments.clock]), seed, arguments.clock)
            append(RUNS, record)
            print(record, flush=True)


def _key(record: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(record[part] for part in ("landscape", "clock", "seed"))


def _with_threads(landscape: Landscape, threads: int) -> Landscape:
    """Return the landscape evaluated by so many threads, its machine code loaded."""
    ready = replace(landscape, function=replace(landscape.function, threads=threads))
    ready.evaluate(ready.space.sample(64, 0))
    return ready


def search(landscape: Landscape, seed: int, clock: str) -> dict[str, Any]:
    """Return the seconds of a search, whether it came so far, the trials and the score it had then."""
    now = CLOCKS[clock]
    optimizer = create_optimizer("auto", landscape.space, budget=PLANNED, seed=seed)
    goal = landscape.median_random + SHARE * (landscape.best_known - landscape.median_random)
    start, reached = now(), False
    while not reached and now() - start < LIMIT:
        points = optimizer.ask_array(optimizer.batch_size)
        if len(points) == 0:
            break
        begin = now()
        scores = landscape.evaluate(points)
        optimizer.tell_array(points, scores, seconds=(now() - begin) / len(points))
        reached = optimizer.best_score is not None and optimizer.best_score >= goal
    seconds = round(now() - start, 3)
    best = landscape.score(optimizer.best_score) if optimizer.best_score is not None else 0.0
    return {"seconds": seconds, "reached": reached, "trials": optimizer.n_told, "score": round(best, 5)}


# -- text


def report(records: list[dict[str, Any]]) -> str:
    """Return the page."""
    from machine import machine_line

    by_clock = {clock: [r for r in records if r["clock"] == clock] for clock in CLOCKS}
    return "\n".join(
        [
            "# Time to 99 % of the best known",
            "",
            __doc__.split("\n\n", 1)[1],
            f"Machine: {machine_line()}; `auto` with a budget of {PLANNED:,}.",
            *(line for clock, own in by_clock.items() if own for line in _section(clock, own)),
        ]
    )


def _section(clock: str, records: list[dict[str, Any]]) -> list[str]:
    seeds = len({r["seed"] for r in records})
    lines = [
        f"\n## {HOW[clock].capitalize()}, {seeds} seeds\n",
        "| landscape | seconds, by seed | trials | score |",
        "|---|---:|---:|---:|",
    ]
    for name in dict.fromkeys(r["landscape"] for r in records):
        own = sorted((r for r in records if r["landscape"] == name), key=lambda r: r["seed"])
        cells = [_text(r) for r in own], [f"{r['trials']:,}" for r in own], [f"{r['score']:.3f}" for r in own]
        lines.append(f"| {name} | {' | '.join(', '.join(cell) for cell in cells)} |")
    for group in ("strategy", "grid", None):
        own = [r for r in records if group in (None, r["group"])]
        if own:
            lines.append(f"\n{_summary(group or 'all', own)}")
    return lines


def _summary(title: str, records: list[dict[str, Any]]) -> str:
    reached = [r["seconds"] for r in records if r["reached"]]
    median = statistics.median([r["seconds"] if r["reached"] else float("inf") for r in records])
    text = f"{median:.2f} s" if median < float("inf") else "not reached"
    return (
        f"{title}: median {text} (2 s asked); {len(reached)} of {len(records)} searches came so far, "
        f"{sum(seconds <= 2.0 for seconds in reached)} within 2 s."
    )


def _text(record: dict[str, Any]) -> str:
    return f"{record['seconds']:.2f}" if record["reached"] else "not reached"


if __name__ == "__main__":
    sys.path.append(str(Path(__file__).parents[1]))
    main()
