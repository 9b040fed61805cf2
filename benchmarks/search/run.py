"""Run our optimizers and their peers on the landscapes, one process, one thread.

    .venv-search/bin/python benchmarks/search/run.py --optimizers bo ga random --peers optuna-gp ax \
        --budgets 50 100 200 --seeds 10 --landscapes grid strategy --minutes 60 --output DIR

Each finished run is one line of DIR/runs.jsonl; runs that stand there are not repeated, so a stopped benchmark
continues where it was, and several processes may write to the same folder. The order is seed by seed, then
landscape by landscape, so that all have run the same cells whenever the time is up. A run is one search with the
largest budget; what it had found at the smaller ones is read off.
"""

from __future__ import annotations

import argparse
import fcntl
import itertools
import json
import math
import os
import statistics
import sys
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from landscapes import Landscape, landscapes

from peers import PACKAGES, PEERS
from strategy_optimizer import ParameterSpace, create_optimizer
from strategy_optimizer.optimizer.factory import OPTIMIZERS

N_BINS = 10
OURS = ("auto", *OPTIMIZERS)
ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "NUMBA_NUM_THREADS": "1",
    "EGOBOX_LOG": "off",
}


@dataclass(frozen=True)
class Job:
    """One search."""

    optimizer: str
    landscape: Landscape
    seed: int
    budget: int
    batch: int = 1

    @property
    def label(self) -> str:
        """The optimizer's name in tables."""
        return self.optimizer if self.batch == 1 else f"{self.optimizer} x{self.batch}"

    @property
    def key(self) -> str:
        """What makes the run the same one."""
        return f"{self.label}-{self.landscape.name}-{self.seed}-{self.budget}-{self.landscape.digest[:8]}"


def main() -> None:
    arguments = _arguments()
    if ENVIRONMENT.items() - os.environ.items():  # libraries read it when they are imported
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **ENVIRONMENT})
    arguments.output.mkdir(parents=True, exist_ok=True)
    (arguments.output / "machine.txt").write_text(_machine())
    deadline = time.monotonic() + 60.0 * arguments.minutes
    for job in jobs(arguments):
        if time.monotonic() > deadline:
            print("the time is up; run the same command again to go on")
            return
        with claimed(arguments.output, job) as free:
            if free:
                record = run(job)
                append(arguments.output / "runs.jsonl", record)
                print(_line(record), flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--optimizers", nargs="*", default=[], choices=OURS, help="ours")
    parser.add_argument("--peers", nargs="*", default=[], choices=["all", *PEERS])
    parser.add_argument("--batch", type=int, default=1, help="ask ours for so many candidates at a time")
    parser.add_argument("--budgets", nargs="+", type=int, default=[50, 100, 200])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--landscapes", nargs="+", default=["all"], help="all, groups or names")
    parser.add_argument("--minutes", type=float, default=math.inf, help="start no run after so long")
    parser.add_argument("--output", type=Path, required=True)
    return parser.parse_args()


def _machine() -> str:
    """Return the processor and the versions, from the helper of the other benchmarks."""
    sys.path.append(str(Path(__file__).parents[1]))
    from machine import machine_line, versions

    return f"{machine_line()}\n{versions(('strategy-optimizer', 'numpy', 'scipy', *PACKAGES))}\n"


def jobs(arguments: argparse.Namespace) -> Iterator[Job]:
    """Yield the runs in their order."""
    peers = list(PEERS) if "all" in arguments.peers else arguments.peers
    names = [(name, arguments.batch) for name in arguments.optimizers] + [(name, 1) for name in peers]
    seeds = range(arguments.first_seed, arguments.first_seed + arguments.seeds)
    for seed, landscape in itertools.product(seeds, landscapes(arguments.landscapes)):
        for name, batch in names:
            yield Job(name, landscape, seed, max(arguments.budgets), batch)


# -- one run


def run(job: Job) -> dict[str, Any]:
    """Return the record of one search; an exception of a peer is one too."""
    record: dict[str, Any] = {
        "optimizer": job.label,
        "landscape": job.landscape.name,
        "group": job.landscape.group,
        "digest": job.landscape.digest,
        "seed": job.seed,
        "budget": job.budget,
    }
    start, cpu_start = time.perf_counter(), time.process_time()
    trials = Trials(job.landscape)
    try:
        search = _search_peer if job.optimizer in PEERS else _search_ours
        record["rejected"] = search(job, trials)
    except Exception as error:
        record["error"] = f"{type(error).__name__}: {error}"[:300]
        traceback.print_exc(limit=-3)
    seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - cpu_start
    return record | trials.summary() | {"seconds": round(seconds, 2), "cpu_seconds": round(cpu_seconds, 2)}


class Trials:
    """The trials of a run: best so far, time of the optimizer, points."""

    def __init__(self, landscape: Landscape) -> None:
        self.landscape = landscape
        self.points: list[np.ndarray] = []
        self.best: list[tuple[int, float]] = []  # trial number from 1, score: where it improved
        self.n_failed = 0
        self.overheads: list[float] = []

    def evaluate(self, params: dict[str, Any]) -> float:
        """Return the score of a candidate and note it."""
        self.landscape.space.validate(params)
        self.points.append(self.landscape.space.from_dicts([params])[0])
        score = float(self.landscape.evaluate(self.points[-1][None])[0])
        if math.isnan(score):
            self.n_failed += 1
        elif not self.best or score > self.best[-1][1]:
            self.best.append((len(self.points), score))
        return score

    def summary(self) -> dict[str, Any]:
        """Return what is kept of the run."""
        points = np.array(self.points).reshape(len(self.points), self.landscape.space.n_dims)
        n_distinct = len(np.unique(self.landscape.space.keys(points))) if len(points) else 0
        return {
            "trials": len(points),
            "curve": [(n, self.landscape.score(best)) for n, best in self.best],
            "best": self.best[-1][1] if self.best else None,
            "suggest_ms": round(1e3 * statistics.median(self.overheads), 3) if self.overheads else None,
            "suggest_ms_late": _late(self.overheads),
            "coverage": round(coverage(self.landscape.space, points), 4),
            "duplicates": len(points) - n_distinct,
            "failed": self.n_failed,
        }


def _late(overheads: list[float]) -> float | None:
    """Return the median of the last tenth, in ms: what a suggestion costs at the full budget."""
    last = overheads[-max(1, len(overheads) // 10) :]
    return round(1e3 * statistics.median(last), 3) if last else None


def _search_ours(job: Job, trials: Trials) -> int:
    optimizer = create_optimizer(job.optimizer, job.landscape.space, budget=job.budget, seed=job.seed)
    left = job.budget
    while left > 0:
        start = time.perf_counter()
        candidates = optimizer.ask(min(job.batch, left))
        asked = time.perf_counter() - start
        if not candidates:
            break
        scores = [trials.evaluate(params) for params in candidates]
        start = time.perf_counter()
        optimizer.tell(candidates, scores)
        each = (asked + time.perf_counter() - start) / len(candidates)
        trials.overheads += [each] * len(candidates)
        left -= len(candidates)
    return 0


def _search_peer(job: Job, trials: Trials) -> int:
    peer = PEERS[job.optimizer]()
    peer.start(job.landscape.space, job.budget, job.seed)
    try:
        for _ in range(job.budget):
            start = time.perf_counter()
            params = peer.ask()
            asked = time.perf_counter() - start
            score = trials.evaluate(params)
            start = time.perf_counter()
            peer.tell(params, score)
            trials.overheads.append(asked + time.perf_counter() - start)
    finally:
        peer.close()
    return peer.n_rejected


def coverage(space: ParameterSpace, points: np.ndarray) -> float:
    """Return the share visited of the 10 x 10 grids over all pairs of parameters; fewer bins where fewer values."""
    bins = np.minimum(N_BINS, space.sizes).astype(np.int64)
    unit = space.to_unit(points)
    active = ~np.isnan(unit)
    cells = np.minimum((np.nan_to_num(unit) * bins).astype(np.int64), bins - 1)
    shares = []
    for i, j in itertools.combinations(range(space.n_dims), 2):
        both = active[:, i] & active[:, j]
        visited = len(np.unique(cells[both, i] * bins[j] + cells[both, j]))
        shares.append(visited / (bins[i] * bins[j]))
    return float(np.mean(shares)) if shares else 0.0


# -- sharing the work


class claimed:  # noqa: N801  # reads as a statement
    """Hold a run for this process; False when it is done or another living process has it."""

    def __init__(self, folder: Path, job: Job) -> None:
        self.runs = folder / "runs.jsonl"
        self.job = job
        self.file = (folder / "claims" / job.key.replace("/", "_")).open
        (folder / "claims").mkdir(exist_ok=True)

    def __enter__(self) -> bool:
        self.handle = self.file("w")
        try:
            fcntl.flock(self.handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return not self._is_done()

    def _is_done(self) -> bool:
        wanted = (self.job.label, self.job.landscape.name, self.job.seed, self.job.landscape.digest)
        return any(
            (r["optimizer"], r["landscape"], r["seed"], r["digest"]) == wanted
            and r["budget"] == self.job.budget
            for r in read_runs(self.runs)
        )

    def __exit__(self, *_: object) -> None:
        self.handle.close()


def append(path: Path, record: dict[str, Any]) -> None:
    """Add one line, in one write."""
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write(json.dumps(record) + "\n")


def read_runs(path: Path) -> list[dict[str, Any]]:
    """Return the runs of a file."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def _line(record: dict[str, Any]) -> str:
    score = record["curve"][-1][1] if record["curve"] else math.nan
    return (
        f"{record['seed']:3d} {record['landscape']:36s} {record['optimizer']:24s} {score:6.3f} "
        f"{record['suggest_ms'] or 0:9.2f} ms {record.get('error', '')}"
    )


if __name__ == "__main__":
    main()
