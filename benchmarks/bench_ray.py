"""What Ray costs: per trial of 20 ms on a local cluster, and 1,000 trials of a search against Ray Tune with Optuna.

Run: make ray-peers && .venv-ray/bin/python benchmarks/bench_ray.py > benchmarks/results/ray.md
A trial is a loop of the processor, so two workers, the driver and Ray's own processes share the cores as in earnest.
Everything runs one after the other, each on a cluster of its own.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from typing import Any

from machine import machine_line, versions
from strategy_optimizer.optimizer import create_optimizer
from strategy_optimizer.space import ParameterSpace
from strategy_optimizer.tasks.executors import Outcome, RayExecutor
from strategy_optimizer.tasks.executors.ray_cluster import RayCluster

WORKERS = 2
N_TRIALS = 1000
CHEAP = 0.001


def spin(seconds: float) -> None:
    """Use the processor for so long; what other processes take of it is not counted."""
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


def score(params: dict[str, float]) -> float:
    spin(CHEAP)
    return -((params["x"] - 0.3) ** 2) - (params["y"] + 0.2) ** 2 - abs(params["z"] - 12) / 50


def sleeping(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


def spinning(seconds: float) -> float:
    spin(seconds)
    return seconds


def submit_all(executor: RayExecutor, arguments: list[Any]) -> tuple[float, list[Outcome]]:
    begin = time.perf_counter()
    waiting = list(enumerate(arguments))[::-1]
    outcomes: list[Outcome] = []
    while waiting or executor.in_flight:
        while waiting and executor.in_flight < executor.capacity:
            executor.submit(*waiting.pop())
        outcomes += executor.wait()
    return time.perf_counter() - begin, outcomes


def overhead(function: Callable[[float], float], seconds: float, trials: int) -> str:
    """Return a row: the workers' time per trial that was not spent inside the function."""
    with RayExecutor(function, workers=WORKERS) as executor:
        submit_all(executor, [seconds] * 100)
        rows = []
        for _ in range(3):
            wall, outcomes = submit_all(executor, [seconds] * trials)
            inside = sum(outcome.seconds for outcome in outcomes)
            rows.append((wall, inside))
        wall, inside = min(rows)
        capacity = executor.capacity
    beyond = (wall * WORKERS - inside) / trials * 1e3
    nominal = (wall * WORKERS / trials - seconds) * 1e3
    ideal = trials * seconds / WORKERS / wall
    return (
        f"| {function.__name__} {seconds * 1e3:g} ms | {trials} | {capacity} | {wall:.2f} | {ideal:.1%} | "
        f"{nominal:.2f} | {beyond:.2f} |"
    )


def our_search(name: str, in_flight: int, together: int) -> tuple[float, float, float]:
    """Return start, search and suggestion seconds."""
    space = ParameterSpace("bench")
    space.add_parameter("x", "continuous", (-1.0, 1.0))
    space.add_parameter("y", "continuous", (-1.0, 1.0))
    space.add_parameter("z", "discrete", (1, 50))
    begin = time.perf_counter()
    with RayExecutor(score, workers=WORKERS) as executor:
        started = time.perf_counter()
        optimizer = create_optimizer(name, space, budget=N_TRIALS, seed=0)
        asked: dict[int, dict[str, Any]] = {}
        suggesting, sent, done = 0.0, 0, 0
        while done < N_TRIALS:
            clock = time.perf_counter()
            wanted = min(in_flight - len(asked), N_TRIALS - sent)
            for params in optimizer.ask(wanted) if wanted >= min(together, N_TRIALS - sent) > 0 else []:
                asked[sent] = params
                executor.submit(sent, params)
                sent += 1
            suggesting += time.perf_counter() - clock
            outcomes = executor.wait()
            clock = time.perf_counter()
            optimizer.tell(
                [asked.pop(outcome.number) for outcome in outcomes],
                [outcome.value if outcome.failure is None else float("nan") for outcome in outcomes],
                seconds=[outcome.seconds for outcome in outcomes],
            )
            suggesting += time.perf_counter() - clock
            done += len(outcomes)
        ended = time.perf_counter()
    return started - begin, ended - started, suggesting


def tune_search(folder: str) -> tuple[float, float]:
    """Return start and search seconds of Ray Tune with Optuna's TPE; all its output and syncing is off."""
    os.environ.update(
        RAY_AIR_NEW_OUTPUT="0",
        TUNE_DISABLE_AUTO_CALLBACK_LOGGERS="1",
        TUNE_MAX_PENDING_TRIALS_PG=str(2 * WORKERS),
    )
    import optuna
    from ray import tune
    from ray.tune.search import ConcurrencyLimiter
    from ray.tune.search.optuna import OptunaSearch

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    begin = time.perf_counter()
    cluster = RayCluster.start(WORKERS, 150 * 2**20, {})
    started = time.perf_counter()
    search = OptunaSearch(metric="score", mode="max", sampler=optuna.samplers.TPESampler(seed=0))
    tuner = tune.Tuner(
        lambda params: {"score": score(params)},
        param_space={"x": tune.uniform(-1, 1), "y": tune.uniform(-1, 1), "z": tune.randint(1, 51)},
        tune_config=tune.TuneConfig(
            num_samples=N_TRIALS, search_alg=ConcurrencyLimiter(search, 2 * WORKERS), reuse_actors=True
        ),
        run_config=tune.RunConfig(storage_path=f"{folder}/results", verbose=0),
    )
    results = tuner.fit()
    ended = time.perf_counter()
    if len(results) != N_TRIALS or results.num_errors:
        raise RuntimeError(f"Tune made {len(results)} trials, {results.num_errors} of them failed")
    cluster.close()
    return started - begin, ended - started


def print_overheads() -> None:
    print("## What a trial costs beyond its own time\n")
    print(
        "The best of three passes. The first overhead is worker time over the nominal length; the second only what"
    )
    print("was spent outside the function, which other programs' load does not lengthen so much.\n")
    print("| trial | trials | in flight | s | of ideal | ms over nominal | ms outside the function |")
    print("|---|---|---|---|---|---|---|")
    cases = ((spinning, 0.02, 500), (sleeping, 0.02, 500), (spinning, 0.001, 4000), (spinning, 0.0001, 10000))
    for function, seconds, trials in cases:
        print(overhead(function, seconds, trials), flush=True)


def print_searches() -> None:
    print(f"\n## {N_TRIALS} trials of {CHEAP * 1e3:g} ms against Ray Tune with OptunaSearch\n")
    print(
        "Three parameters, the same function, the same number of workers, clusters that are started alike; the start"
    )
    print("is not in the search. Ray Tune uses its actors again, and its loggers and tables are off.\n")
    print("| search | in flight | asked together | start s | search s | of it suggesting s | trials/s |")
    print("|---|---|---|---|---|---|---|")
    for name, flight, together in (("auto", 16, 8), ("bo", 4, 1), ("bo", 16, 8), ("ga", 50, 1)):
        start, seconds, suggesting = our_search(name, flight, together)
        rate = N_TRIALS / seconds
        row = (
            f"RayExecutor, {name}",
            flight,
            together,
            f"{start:.1f}",
            f"{seconds:.1f}",
            f"{suggesting:.1f}",
            f"{rate:.1f}",
        )
        print("| " + " | ".join(map(str, row)) + " |", flush=True)
    with tempfile.TemporaryDirectory(prefix="so-b-", dir="/tmp") as folder:
        start, seconds = tune_search(folder)
    rate = N_TRIALS / seconds
    print(
        f"| Ray Tune, OptunaSearch (TPE) | {2 * WORKERS} | 1 | {start:.1f} | {seconds:.1f} | | {rate:.1f} |",
        flush=True,
    )


def main() -> None:
    warnings.simplefilter("ignore")
    print(
        "# Ray\n\n    make ray-peers && .venv-ray/bin/python benchmarks/bench_ray.py > benchmarks/results/ray.md\n"
    )
    print(
        f"{machine_line()}\n\n{versions(['ray', 'optuna', 'numpy'])}, Ray on this machine with {WORKERS} workers\n"
    )
    parts = sys.argv[1:] or ["overheads", "searches"]
    if "overheads" in parts:
        print_overheads()
    if "searches" in parts:
        print_searches()


if __name__ == "__main__":
    main()
